"""`ztm-chat demo`: the main job, live, with nothing installed and no network.

The embedded mesh runs in this process and serves real HTTP on loopback. The daemon is a real child
process, started as a user starts it, so it can really be killed. Everything printed comes from the
mesh's own record and from the daemon's log, and each scene is checked against them.

Read in this order:

- `sandbox`       the mesh, the daemon, and what both have on record
- `screen`, `reasons`   how messages and decisions are shown
- `crash`         the scene with the kill -9
- `scenario`      all scenes, in order
- `interactive`   the other mode: the reader types as alice
- `runner`        one run of the demo, and its exit code
"""
