"""The edge to the ZTM Agent: what is asked of it over HTTP, and how its answers are read.

Everything from the mesh is hostile until it was bounded in size and parsed. Read in this order:
`errors` (how an answer can fail), `paths` (names and the chat's files), `lenient` (JSON as the
agent really writes it), `answers` and `entries` (what comes back), `client` (the requests), `tls`
and `joining`.
"""
