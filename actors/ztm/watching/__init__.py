"""Watching one account's mesh: two sources of the same messages, compared with each other.

In the order to read them: `intake` (join, then run both sources), `feed` (the mesh's files, the
primary source) with `cursor` (how far it is on record), `chat_source` (the Chat API),
`deafness_detector` and `chat_app_restarter` (a Chat app that stopped hearing), `supervised` (every
failure is heard and followed by another try).
"""
