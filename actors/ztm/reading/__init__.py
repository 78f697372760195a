"""From the mesh's files to messages that can be decided.

In the order to read them: `catalogue` (which files are pending or unavailable, and how far that
lets the cursor go), `fetching` (their bytes, bounded), `message_files` (bytes to entries, off the
loop when there is much), `arrival_factory` (entries to arrivals, each with its identity; messages
of the Chat API too), `file_reader` (all of that for one conversation, up to its delivery).
"""
