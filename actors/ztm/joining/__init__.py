"""Getting into a mesh: a permit from a server or a file, then waiting until it holds."""
