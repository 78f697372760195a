"""A ZTM Agent: one process with its key and the meshes it has joined. Not yet its HTTP surface."""

import secrets

from ztm_chat.mesh.chat_api import ChatApi
from ztm_chat.mesh.http_faults import HttpFaults
from ztm_chat.mesh.membership import Membership, World
from ztm_chat.mesh.permits import pem
from ztm_chat.mesh.wire import JSON


class Agent:
    """What survives the process: key, joined meshes with their files, and the faults in force."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        self.public_key = pem("PUBLIC KEY", secrets.token_bytes(32))
        self.faults = HttpFaults()
        self.chats: dict[str, ChatApi] = {}

    def join(self, name: str, permit: JSON) -> Membership:
        """Join a mesh under a local name; a second time replaces the first, the files stay.

        Nothing is checked but the shape: raises TypeError when the permit has no `agent`.
        """
        if not isinstance(permit, dict) or not isinstance(permit.get("agent"), dict):
            raise TypeError("cannot set property of undefined")
        member = Membership(self.world, name, permit, self.public_key)
        if old := self.chats.pop(name, None):
            old.host.stop()
            old.member.stop()
            member.id, member.store = old.member.id, old.member.store
        self.chats[name] = ChatApi(member)
        member.start(self.port)
        return member

    def start(self) -> None:
        """The process starts again after its death; it publishes only after a while."""
        for chat in self.chats.values():
            chat.member.start(self.port, quiet_s=self.world.timing.republish_s)

    def stop(self) -> None:
        """The process dies. What was accepted is still written, as on a real agent."""
        for chat in self.chats.values():
            chat.host.stop(for_good=False)
            chat.member.stop()
