"""The embedded mesh: simulated ZTM Agents with the real HTTP API, for the demo and the tests.

It behaves as measured on a real mesh, faults included: messages lost behind a 201, deaf Chat
apps, files listed that nobody can deliver. Nothing here knows the daemon. Imports go one way;
read from the bottom up:

- `model`: files, access, chats, permits and the hub, without I/O
- `agent`: what an agent does over time, on an asyncio loop
- `http`: the agent's HTTP API, and its faults
- `running_mesh`: the thread in which a mesh runs, as other threads reach it
- `faulty_agent`, `mesh_agent`: one user's agent, as demo and tests hold it
- `mesh`: the whole mesh
"""

from ztm_chat.mesh.mesh import Mesh
from ztm_chat.mesh.mesh_agent import MeshAgent, MessageLost, MessageRefused
from ztm_chat.mesh.model.journal import Entry
from ztm_chat.mesh.model.timing import Timing

__all__ = ["Entry", "Mesh", "MeshAgent", "MessageLost", "MessageRefused", "Timing"]
