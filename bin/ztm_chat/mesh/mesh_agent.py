"""One user's agent as tests and the demo use it: the user's client, and its faults."""

import asyncio
import json
from collections.abc import Callable

from ztm_chat.mesh.faulty_agent import FaultyAgent
from ztm_chat.mesh.http.chat_api import ChatApi
from ztm_chat.mesh.http.exchange import CREATED, NOT_FOUND, ApiRequest, ApiResponse
from ztm_chat.mesh.model.chat_app import ChatGroup, ChatPeer
from ztm_chat.mesh.model.journal import Entry, read_entries
from ztm_chat.mesh.model.paths import GroupMessages, PeerMessages, chat_file, timestamp
from ztm_chat.mesh.model.wire import JSON


class MessageRefused(Exception):
    """The agent did not accept a message or a group; the text has status and body."""


class MessageLost(Exception):
    """The agent accepted a message (201), and it never reached the files."""


class MeshAgent(FaultyAgent):
    """A ZTM Agent of one user. All methods may be called from any thread."""

    # The user's client

    def send(self, peer: str, message: JSON) -> int:
        """Write to a user; return the message's time (ms) once it is in this agent's files.

        A str is sent as the official client does, as `{"text": …}`; other JSON as it is.
        Raises MessageRefused and MessageLost.
        """
        return self.send_body(ChatPeer(peer), _body(message))

    def send_to_group(self, creator: str, group: str, message: JSON) -> int:
        """Write to a group; otherwise as `send`."""
        return self.send_body(ChatGroup(creator, group), _body(message))

    def send_body(self, to: ChatPeer | ChatGroup, body: bytes) -> int:
        """POST exactly these bytes as a message; otherwise as `send`."""
        return self.mesh.run(self._post(to, body))

    async def _post(self, to: ChatPeer | ChatGroup, body: bytes) -> int:
        writing: asyncio.Task[int | None] | None = None

        async def handler() -> ApiResponse:
            nonlocal writing
            writing = await self._joined.send(to, body)
            return CREATED if writing else NOT_FOUND

        self._check_running()
        _check(await ChatApi(self._joined).answer(handler))
        time = await writing if writing else None
        if time is None:
            raise MessageLost(f"{self.username}'s message to {to} was answered 201 and lost")
        return time

    def _check_running(self) -> None:
        if not self._server.is_serving:
            raise MessageRefused(f"{self.username}'s agent is down")

    def create_group(self, group: str, *, name: str = "", members: list[str]) -> None:
        """Create a group of this user's own, or change it. Raises MessageRefused."""
        body = json.dumps({"name": name, "members": members}).encode()
        parts = ["api", "groups", self.username, group]

        async def post() -> ApiResponse:
            self._check_running()
            chat = ChatApi(self._joined)
            methods = chat.methods(ApiRequest("POST", parts, body=body))
            return await chat.answer(methods["POST"])

        _check(self.mesh.run(post()))

    # What has reached this user

    def inbox(
        self, sender: str | None = None, *, group: tuple[str, str] | None = None
    ) -> list[Entry]:
        """The published messages from a user, or in a group (of this sender, else of all).

        From the files that the hub shows this user, in their order; never from the Chat app.
        """
        return self.mesh.call(lambda: self._inbox(sender, group))

    def _inbox(self, sender: str | None, group: tuple[str, str] | None) -> list[Entry]:
        listed = self._member.world.hub.listed(self.username)
        found = [
            (where.sender, timestamp(path), path)
            for path in listed
            if (where := self._message_file(path, group)) and sender in (None, where.sender)
        ]
        return [
            entry
            for name, _, path in sorted(found)
            for entry in read_entries(name, self._agent.world.journal.content(path))
        ]

    def _message_file(
        self, path: str, group: tuple[str, str] | None
    ) -> PeerMessages | GroupMessages | None:
        match chat_file(path):
            case PeerMessages(_, receiver) as file if group is None and receiver == self.username:
                return file
            case GroupMessages(_, creator, name) as file if group == (creator, name):
                return file
        return None

    def wait_for(
        self,
        condition: Callable[[list[Entry]], bool],
        *,
        sender: str | None = None,
        group: tuple[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> list[Entry]:
        """Wait until this user's inbox meets a condition; return it then.

        Raises TimeoutError, with what was there instead.
        """

        def question() -> list[Entry] | None:
            entries = self.inbox(sender, group=group)
            return entries if condition(entries) else None

        found = self.mesh.wait_for(question, timeout_s=timeout_s)
        if found is None:
            there = [entry.message for entry in self.inbox(sender, group=group)]
            whence = sender or group
            raise TimeoutError(
                f"not within {timeout_s} s: {self.username} has {there!r} from {whence}"
            )
        return found


def _body(message: JSON) -> bytes:
    return json.dumps({"text": message} if isinstance(message, str) else message).encode()


def _check(answer: ApiResponse) -> None:
    if answer.status != 201:
        body = answer.body.decode("utf-8", "replace")
        raise MessageRefused(f"the agent answered {answer.status} {body}".rstrip())
