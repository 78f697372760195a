"""Getting into a mesh: `permit` (from a server or a file), then `joining`, which waits until it
holds.
"""
