"""What a ZTM Agent does over time, on the mesh's asyncio loop. HTTP comes on top.

Read in this order:

- `connection`   the link to the hub, and what the agent knows of it
- `membership`   one user's place in the mesh: link, files, publishing
- `app_host`     starts, stops and feeds the Chat app
- `outbox`       accepted messages on their way into files
- `agent`        the process: its key, and the meshes that it has joined
"""
