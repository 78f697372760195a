"""From what the mesh shows (entries of files, messages of the Chat API) to arrivals.

Both sources go through here, so that one message has one identity, whoever shows it.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from actors.ztm.client.entries import RawEntry, RawMessage
from events.conversation.arrivals import Arrival
from events.conversation.events import Source
from events.conversation.identity import (
    canonical,
    file_hashes,
    identity,
    plain_text,
    says_nothing,
)
from events.conversation.policy_context import person_key
from events.event import SALT_BYTES
from events.streams import ConversationId, conversation_stream
from store.log.event_log import SecretKey

WIRE_ID_CHARS = 64
"""How much of a message's own id is kept: ours are shorter."""


class MessageFile(msgspec.Struct, frozen=True):
    """The entries of one file of `sender`; `ms` from its name orders files of one chat. `flaws`:
    why other entries could not be read. `available_ms`: since when the mesh could have shown it.
    """

    sender: str
    ms: int
    entries: tuple[RawEntry, ...]
    flaws: tuple[str, ...]
    available_ms: int


class Content(msgspec.Struct, frozen=True):
    """What is needed of a message's JSON, however long that was: its part in the identity
    (`canonical`), and of its text only so much that it shows to be too long. `empty`: it says
    nothing."""

    canonical: bytes
    text: str
    files: tuple[str, ...]
    wire_id: str
    empty: bool


class ArrivalFactory:
    """Makes arrivals for one account. `key(person)`: the key that hides a person's identities;
    `salt(n)`: n random bytes; a text of more than `max_chars` is cut to one more than these."""

    def __init__(
        self,
        account: str,
        key: Callable[[str], SecretKey],
        salt: Callable[[int], bytes],
        *,
        max_chars: int,
    ) -> None:
        self._account = account
        self._key = key
        self._salt = salt
        self._max_chars = max_chars

    def content_of(self, message: object) -> Content:
        """What is needed of a message, any JSON value."""
        wire_id = message.get("id") if isinstance(message, dict) else ""
        return Content(
            canonical(message),
            plain_text(message)[: self._max_chars + 1],
            file_hashes(message),
            wire_id[:WIRE_ID_CHARS] if isinstance(wire_id, str) else "",
            says_nothing(message),
        )

    def from_files(
        self, conversation: ConversationId, files: Iterable[MessageFile]
    ) -> list[Arrival]:
        """All that `files` (of one conversation) hold, in order of time, sender and place."""
        found: list[tuple[int, str, int, Arrival]] = []
        places: Counter[tuple[str, int, bytes]] = Counter()
        for file in sorted(files, key=lambda file: (file.sender, file.ms)):
            for entry in file.entries:
                message = entry.message
                content = message if isinstance(message, Content) else self.content_of(message)
                place = places[file.sender, entry.time, content.canonical]
                places[file.sender, entry.time, content.canonical] += 1
                arrival = self._arrival(
                    conversation,
                    file.sender,
                    entry.time,
                    content,
                    place,
                    "feed",
                    file.available_ms,
                )
                found.append((entry.time, file.sender, place, arrival))
            found.extend(self._unreadable(conversation, file))
        return [arrival for *_, arrival in sorted(found, key=lambda entry: entry[:3])]

    def from_chat(
        self,
        conversation: ConversationId,
        messages: Iterable[RawMessage],
        *,
        heard_ms: int,
        now_ms: int,
        ahead_ms: int = 0,
    ) -> list[Arrival]:
        """What the Chat API shows, in order of time and sender. It shows one of equals only, so
        each has place 0. Before `heard_ms`, when it was last asked, it did not show them. The
        record's time is `ahead_ms` ahead of this machine's clock."""
        return [
            self._arrival(
                conversation,
                message.sender,
                message.time,
                self.content_of(message.message),
                0,
                "chat",
                min(now_ms, max(message.time + ahead_ms, heard_ms)),
            )
            for message in sorted(messages, key=lambda message: (message.time, message.sender))
        ]

    def identity_of(self, conversation: ConversationId, message: RawMessage) -> bytes:
        """The identity of a message that the Chat API shows."""
        sender, content = message.sender, canonical(message.message)
        return _identity(self._key_of(sender), conversation, sender, message.time, content, 0)

    def _arrival(
        self,
        conversation: ConversationId,
        sender: str,
        time_ms: int,
        content: Content,
        place: int,
        source: Source,
        available_ms: int,
    ) -> Arrival:
        key = self._key_of(sender)
        return Arrival(
            identity=_identity(key, conversation, sender, time_ms, content.canonical, place),
            key_id=key.id,
            sender=sender,
            sent_ms=time_ms,
            text=content.text,
            source=source,
            available_ms=available_ms,
            salt=self._salt(SALT_BYTES),
            files=content.files,
            wire_id=content.wire_id,
            malformed=content.empty,
        )

    def _unreadable(
        self, conversation: ConversationId, file: MessageFile
    ) -> Iterable[tuple[int, str, int, Arrival]]:
        """What could not be read is recorded too: once, under the reason it was refused for."""
        key = self._key_of(file.sender)
        for place, flaw in enumerate(file.flaws):
            content = b"unreadable:" + flaw.encode()
            arrival = Arrival(
                identity=_identity(key, conversation, file.sender, file.ms, content, place),
                key_id=key.id,
                sender=file.sender,
                sent_ms=file.ms,
                text="",
                source="feed",
                available_ms=file.available_ms,
                salt=self._salt(SALT_BYTES),
                malformed=True,
            )
            yield file.ms, file.sender, place, arrival

    def _key_of(self, sender: str) -> SecretKey:
        return self._key(person_key(self._account, sender))


def _identity(
    key: SecretKey,
    conversation: ConversationId,
    sender: str,
    time_ms: int,
    content: bytes,
    place: int,
) -> bytes:
    chat = conversation_stream(conversation)
    return identity(key.secret, chat, sender, time_ms, content, place)
