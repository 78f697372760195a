"""A stretch of the log proved, batch by batch, in constant memory.

Kept on the way is the version that each stream is at, and what `judge` keeps: nothing that grows
with the number of events.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from events.account.events import PairingRequested
from events.conversation.events import AgentReplied, MessageQueued, MessageSeen, PolicyDecided
from events.conversation.policy_context import person_key
from events.event import SALT_BYTES, Event
from events.streams import GroupId, PeerId
from store.disk.batch import Batch, Entry, Run
from store.disk.position import Head
from store.disk.walk import Damage, DecodedBatch
from store.errors import LogDamaged
from store.maintenance.body_check import BodyCheck, CheckedBody
from store.maintenance.raw_log import RawLog
from store.read_models.account_history import TRACKED
from store.verify.heads import KeptHead
from store.verify.judge import Address, Judge

DIGESTS: dict[type[Event], Callable[[Any], bytes]] = {
    MessageSeen: lambda event: event.body,
    AgentReplied: lambda event: event.body,
    MessageQueued: lambda event: event.body,
    PairingRequested: lambda event: event.code,
}
"""The events that have a body (slot 0), and the digest that they carry of it."""

MAX_FINDINGS = 20
"""How many broken places are listed of one section. Past a broken chain nothing is checked."""


class Stretch(msgspec.Struct, frozen=True):
    """The batches of the events from `first` to `last`; `end`: of the whole log that is proved."""

    first: int
    last: int
    end: Head


class Finding(msgspec.Struct, frozen=True, order=True):
    """A place that is not what was written: the event `seq`, and a sentence."""

    seq: int
    what: str


class Proved(msgspec.Struct):
    """What was checked in one stretch, and what was found.

    `decisions` were made again with the message's text, `without_text` from the recorded mention.
    `begins` and `ends`: each stream's first and last version here, by id; `named`: the
    streams that began here. `hash` covers everything up to the last batch. `blocked`: why this
    stretch could not be proved to its end, though it may be another one that is broken.
    """

    events: int = 0
    batches: int = 0
    decisions: int = 0
    without_text: int = 0
    bodies: int = 0
    erased: int = 0
    hash: bytes = b""
    findings: list[Finding] = []
    blocked: Finding | None = None
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    named: dict[int, str] = {}


class Section:
    """Proves the stretch `stretch` of `source`. `bodies`: these are checked too."""

    def __init__(
        self, source: RawLog, stretch: Stretch, *, bodies: bool, heads: tuple[KeptHead, ...] = ()
    ) -> None:
        self._source = source
        self._stretch = stretch
        self._heads = {head.seq: head.hash for head in heads}
        self._judge = Judge(source.log, self._name, before=stretch.first, bodies=bodies)
        self._bodies = BodyCheck(source, stretch.first, self._find) if bodies else None
        self._checked: dict[tuple[int, int], CheckedBody] = {}
        self._time = 0
        self.proved = Proved(findings=[], begins={}, ends={}, named={})
        self._checks = self._table(bodies=bodies)

    def prove(self) -> Iterator[int]:
        """Do it; gives the number of events proved so far after every batch."""
        proved, stretch = self.proved, self._stretch
        try:
            steps = self._source.walk_decoded(stretch.end, first=stretch.first, until=stretch.last)
            for step in steps:
                if isinstance(step, Damage):
                    self._find(step.culprit, step.reason)
                    return
                self._batch(step)
                yield proved.events
            self._end()
        except LogDamaged as error:
            proved.blocked = Finding(stretch.first + proved.events, str(error))
        finally:
            if self._bodies:
                proved.bodies, proved.erased = self._bodies.intact, self._bodies.erased
            proved.decisions, proved.without_text = self._judge.decisions

    def _table(self, *, bodies: bool) -> dict[type[Event], Callable[..., object]]:
        """The check of each type of event; most have none."""
        table: dict[type[Event], Callable[..., object]] = {}
        if bodies:
            table |= dict.fromkeys(DIGESTS, self._with_text)
        table |= dict.fromkeys(TRACKED, self._learn)
        return table | {PolicyDecided: self._decided, MessageSeen: self._seen}

    # Batches

    def _batch(self, found: DecodedBatch) -> None:
        content = found.content
        if content.time < self._time:
            self._find(found.first, "its time is before its predecessor's")
        self._time = content.time
        count = 0
        for run in content.runs:
            if run.offset != count or not run.entries:
                self._find(found.first + count, "the runs of its batch are not in order")
            if self._bodies:
                self._checked = self._bodies.run(content, run)
            self._run(content, run)
            self._report_unclaimed()
            count += len(run.entries)
        self.proved.hash = found.hash
        self.proved.events += count
        self.proved.batches += 1
        kept = self._heads.pop(found.last, None)
        if kept is not None and kept != found.hash:
            self._find(found.last, "the log up to here is not the one that the head was kept of")

    def _end(self) -> None:
        for seq in self._heads:
            self._find(seq, "the saved head is not at a commit boundary: the log was rewritten")
        if self._bodies:
            self._bodies.finish(self._stretch.last + 1)

    # Streams and events

    def _run(self, found: Batch[list[Entry]], run: Run[list[Entry]]) -> None:
        seq = found.first + run.offset
        ends = self.proved.ends
        stream, version = run.stream, run.version
        at = ends.get(stream)
        if at is None:
            self._begin(seq, run)
        elif version != at + 1:
            self._find(seq, f"it is version {version} of its stream, after version {at}")
        ends[stream] = version + len(run.entries) - 1
        checks, back = self._checks, found.first - seq
        for cause, event in run.entries:
            if not back <= cause < seq:
                self._find(seq, f"its cause {cause} is no event before it")
            if check := checks.get(type(event)):
                check(seq, stream, version, event)
            seq += 1
            version += 1
            back -= 1

    def _name(self, stream: int) -> str:
        return self.proved.named.get(stream) or self._source.stream_name(stream)

    def _begin(self, seq: int, run: Run[list[Entry]]) -> None:
        """A stream met for the first time: new in the log, or only in this stretch."""
        self.proved.begins[run.stream] = run.version
        if (run.name is None) != (run.version > 1):
            self._find(seq, "a stream begins with it, and has no name or not version 1")
        if run.name is not None:
            self.proved.named[run.stream] = run.name

    # Decisions

    def _learn(self, seq: int, stream: int, version: int, event: Event) -> None:
        self._judge.learn(stream, version, event)
        if type(event) in DIGESTS:
            self._with_text(seq, stream, version, event)

    def _seen(self, seq: int, stream: int, version: int, event: MessageSeen) -> None:
        self._judge.seen(stream, version, event, self._with_text(seq, stream, version, event))

    def _decided(self, seq: int, stream: int, _: int, event: PolicyDecided) -> None:
        if what := self._judge.decided(stream, event):
            self._find(seq, what)

    # Bodies

    def _with_text(self, seq: int, stream: int, _: int, event: Any) -> str | None:
        if self._bodies is None:
            return None
        body = self._checked.pop((seq, 0), None)
        if body is None:
            self._find_once(seq, "its body is missing")
            return None
        if not _may_own(body.owner, self._judge.address(stream), event):
            self._find(
                seq, f"its body is under the key of {body.owner!r}, and not its own person's"
            )
        if body.plain is None:
            return None
        if hashlib.sha256(body.plain).digest() != DIGESTS[type(event)](event):
            self._find(seq, "its body does not match the digest in the event")
            return None
        return body.plain[SALT_BYTES:].decode("utf-8", "surrogatepass")

    def _report_unclaimed(self) -> None:
        for seq, slot in self._checked:
            self._find(seq, f"body {slot} is stored with it, and is not its own")
        self._checked = {}

    # What is found

    def _find_once(self, seq: int, what: str) -> None:
        """Unless more is known of it already."""
        if not self.proved.findings or self.proved.findings[-1].seq != seq:
            self._find(seq, what)

    def _find(self, seq: int, what: str) -> None:
        if len(self.proved.findings) < MAX_FINDINGS:
            self.proved.findings.append(Finding(seq, what))


def _may_own(owner: str | int | None, address: Address, event: Event) -> bool:
    """Whether the body of `event`, in this stream, may be under the key of `owner`. In a group an
    answer belongs to somebody of the account: to whom, only the turn says.
    """
    match address, event:
        case str(account), PairingRequested(person):
            return owner == person_key(account, person)
        case PeerId(account, name), _:
            return owner == person_key(account, name)
        case GroupId(account), MessageSeen() as seen:
            return owner == person_key(account, seen.sender)
        case GroupId(account), _:
            return isinstance(owner, str) and owner.startswith(person_key(account, ""))
        case _:
            return False
