"""Bringing messages into our own files of the mesh, exactly once.

In the order to read them: `own_files` (where a message proves to have been sent), `send_gate`
(nothing is sent while the Chat app is restarted), `sender`.
"""
