"""The README's first command: the main job, live, with nothing installed and no network.

The embedded mesh runs in this process and serves real HTTP on loopback. The daemon is a real child
process, started as a user starts it, so that it can really be killed. What is printed is taken from
the mesh's own record and from the daemon's log, and each scene is checked against them.

Read in this order: `performance` (what is run), `play` and `crash` (what happens), `stage` (where
it happens), `daemon_process`, `record`, `reasons`, `screen`; `dialogue` is the reader's own part.
"""
