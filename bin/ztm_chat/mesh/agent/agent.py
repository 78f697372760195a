"""A ZTM Agent without its HTTP API: one process with a key, and the meshes that it has joined."""

import asyncio
import secrets

from ztm_chat.mesh.agent.app_host import AppHost
from ztm_chat.mesh.agent.membership import Membership
from ztm_chat.mesh.agent.outbox import Outbox
from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.chat_app import ChatApp, ChatGroup, ChatPeer
from ztm_chat.mesh.model.paths import group_folder, peer_folder
from ztm_chat.mesh.model.permits import pem
from ztm_chat.mesh.model.wire import JSON
from ztm_chat.mesh.model.world import World


class JoinedMesh:
    """A mesh that an agent has joined: the membership, its Chat app, and its outbox."""

    def __init__(self, member: Membership) -> None:
        self.member = member
        self.host = AppHost(member)
        self.outbox = Outbox(member)

    async def send(
        self, to: ChatPeer | ChatGroup, body: bytes
    ) -> "asyncio.Task[int | None] | None":
        """Accept a message; the task that writes it ends as that of `Outbox.send`.

        Returns None where this user may not write. Raises CannotStart, NotConnected, and ValueError
        when the body is not JSON.
        """
        app, message = self.host.running(), wire.decode(body)
        await self.member.connection.ready()
        folder = self._open_folder(app, to)
        return None if folder is None else self.outbox.send(folder, message)

    def _open_folder(self, app: ChatApp, to: ChatPeer | ChatGroup) -> str | None:
        """Where messages to this chat go, opened to its readers; None if we may not write there."""
        me, access = self.member.username, self.member.access
        match to:
            case ChatPeer(""):
                return None
            case ChatPeer(name):
                folder = peer_folder(me, name)
                access[folder] = frozenset({name})
                return folder
            case ChatGroup(creator, group):
                members = app.members(to)
                if members is None or not (creator == me or me in members):
                    return None
                folder = group_folder(me, creator, group)
                access[folder] = members
                return f"{folder}/messages"

    def set_group(self, group: ChatGroup, info: dict[str, JSON]) -> None:
        """Create or change a group of this user's own. Raises CannotStart."""
        app = self.host.running()
        whole = app.set_group(group, info)
        folder = group_folder(self.member.username, group.creator, group.id)
        self.member.access[folder] = app.members(group) or frozenset()
        self.member.write(f"{folder}/info.json", wire.encode(whole))


class Agent:
    """What survives the process's death: its key, and the joined meshes with their files."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        self.public_key = pem("PUBLIC KEY", secrets.token_bytes(32))
        self.joined: dict[str, JoinedMesh] = {}

    def join(self, name: str, permit: JSON) -> Membership:
        """Join a mesh under a local name; a second time replaces the first, the files stay.

        Only the permit's shape is checked: raises TypeError when it has no `agent`.
        """
        if not isinstance(permit, dict) or not isinstance(permit.get("agent"), dict):
            raise TypeError("cannot set property of undefined")
        member = Membership(self.world, name, permit, self.public_key)
        if old := self.joined.pop(name, None):
            old.host.stop()
            old.member.stop()
            member.id, member.store = old.member.id, old.member.store
        self.joined[name] = JoinedMesh(member)
        member.start(self.port)
        return member

    def start(self) -> None:
        """Start the process again after its death; it publishes only after `republish_s`."""
        for joined in self.joined.values():
            joined.member.start(self.port, quiet_s=self.world.timing.republish_s)

    def stop(self) -> None:
        """End the process. What was accepted is still written, as on a real agent."""
        for joined in self.joined.values():
            joined.host.stop(for_good=False)
            joined.member.stop()
