"""Bringing messages into our own files of the mesh, each exactly once."""
