"""Builders for the tests of the pure core: policies, messages, and a log just large enough to
number events and keep bodies.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import count

from events.conversation.arrivals import Arrival
from events.event import Body, Draft, Event, Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, PeerId

ACCOUNT = "home"
LOG_ID = "0badcafe"
NOW_MS = 1_750_000_000_000
NS_PER_MS = 1_000_000
SECOND_MS = 1_000
HOUR_MS = 3_600_000

PEER = PeerId(ACCOUNT, "alice")
GROUP = GroupId(ACCOUNT, "alice", "team")

OPEN_DOOR = AccountPolicy(
    username="my-bot",
    dm_policy="allow",
    enable_groups=True,
    group_policy="open",
    require_mention=False,
)
ALLOWLIST = AccountPolicy(username="my-bot", dm_policy="deny", allow_from=("alice",))
STRANGERS_PAIR = AccountPolicy(username="my-bot", dm_policy="pairing")
CLOSED_DOOR = AccountPolicy(username="my-bot", dm_policy="deny")

_numbers = count()


def arrival(
    text: str = "hello",
    *,
    sender: str = "alice",
    sent_ms: int = NOW_MS,
    available_ms: int | None = None,
    files: tuple[str, ...] = (),
    wire_id: str = "",
    malformed: bool = False,
    identity: bytes | None = None,
) -> Arrival:
    """A message that nothing else is like, unless `identity` says which one it is again."""
    entropy = sha256(f"arrival {next(_numbers)}".encode()).digest()
    return Arrival(
        identity=entropy[:16] if identity is None else identity,
        sender=sender,
        sent_ms=sent_ms,
        text=text,
        source="feed",
        available_ms=sent_ms if available_ms is None else available_ms,
        salt=entropy[16:],
        key_id=b"key-name",
        files=files,
        wire_id=wire_id,
        malformed=malformed,
    )


class Log:
    """Numbers what is recorded as the real log does, and keeps bodies by event and slot."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.bodies: dict[tuple[int, int], Body] = {}
        self._versions: dict[str, int] = {}

    def record(self, drafts: Iterable[Draft], time_ms: int) -> list[Recorded]:
        """Append `drafts` at once, at `time_ms`."""
        before = len(self.recorded)
        for draft in drafts:
            seq = len(self.recorded) + 1
            version = self._versions.get(draft.stream, 0) + 1
            self._versions[draft.stream] = version
            cause = draft.cause if draft.cause >= 0 else seq + draft.cause
            self.recorded.append(
                Recorded(seq, draft.stream, version, time_ms * NS_PER_MS, cause, draft.event)
            )
            self.bodies.update({(seq, slot): body for slot, body in enumerate(draft.bodies)})
        return self.recorded[before:]

    def stream(self, stream: str) -> list[Recorded]:
        """Everything in `stream`, oldest first."""
        return [record for record in self.recorded if record.stream == stream]

    def text(self, recorded: Recorded) -> str | None:
        """The words of an event (slot 0), if it has any."""
        body = self.bodies.get((recorded.seq, 0))
        return body.text if body else None


def kinds(events: Iterable[Event]) -> list[str]:
    """The names of the events' types, to read a course of events at a glance."""
    return [type(event).__name__ for event in events]
