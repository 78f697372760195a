"""The embedded mesh: simulated ZTM Agents with the real HTTP API, for the demo and the tests.

It behaves as measured on a real mesh, faults included: lost messages behind a 201, deaf Chat
apps, files listed that nobody can deliver. Read in this order:

- `hub`, `store`, `paths`, `chat_app`, `journal`, `permits`, `wire`: the model, without I/O;
- `connection`, `membership`, `app_host`, `outbox`, `agent`: the same in time, on an asyncio loop;
- `exchange`, `http_api`, `chat_api`, `http_faults`, `server`: the HTTP surface;
- `mesh`, `mesh_agent`, `faulty_agent`, `loop_thread`: the public face, for any thread.
"""

from ztm_chat.mesh.journal import Entry
from ztm_chat.mesh.mesh import Mesh
from ztm_chat.mesh.mesh_agent import MeshAgent, MessageLost, MessageRefused
from ztm_chat.mesh.timing import Timing

__all__ = ["Entry", "Mesh", "MeshAgent", "MessageLost", "MessageRefused", "Timing"]
