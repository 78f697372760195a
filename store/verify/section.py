"""A stretch of the log proved, batch by batch, in constant memory.

Kept on the way is the version that each stream is at, and what `judge` keeps: nothing that grows
with the number of events.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NoReturn

import msgspec

from events.conversation.events import MessageSeen, PolicyDecided
from events.event import Event
from store.disk import batch
from store.disk.batch import Batch, Entry, Run, chain_hash, genesis, previous_hash
from store.errors import LogDamaged
from store.maintenance.raw_log import RawLog
from store.verify.facts import TRACKED
from store.verify.heads import KeptHead
from store.verify.judge import Judge
from store.verify.words import DIGESTS, Broken, Words

MAX_FINDINGS = 20
"""How many broken places are told of one section. Past a broken chain nothing is looked at."""


class Stretch(msgspec.Struct, frozen=True):
    """The batches with keys from `first` on that hold events up to `last`.

    `hash`: what the recorded end of the log has of the last batch; where another batch follows that
    is covered by this proof, empty: then it is that one which has it.
    """

    first: int
    last: int
    hash: bytes = b""


class Finding(msgspec.Struct, frozen=True, order=True):
    """A place that is not what was written: at the event `seq`, in words."""

    seq: int
    what: str


class Proved(msgspec.Struct):
    """What was looked at in one stretch, and what was found.

    `decisions` were decided again with the words before us, `without_words` from the recorded
    mention. `begins` and `ends`: each stream's first and last version here, by id; `named`: the
    streams that began here. `hash` covers everything up to the last batch. `blocked`: why this
    stretch could not be proved to its end, though it may be another one that is broken.
    """

    events: int = 0
    batches: int = 0
    decisions: int = 0
    without_words: int = 0
    bodies: int = 0
    erased: int = 0
    hash: bytes = b""
    findings: list[Finding] = []
    blocked: Finding | None = None
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    named: dict[int, str] = {}


class _Halt(Exception):
    """The chain is broken: what follows means nothing."""


class Section:
    """Proves the stretch `stretch` of `source`. `words`: the bodies are read too."""

    def __init__(
        self, source: RawLog, stretch: Stretch, *, words: bool, heads: tuple[KeptHead, ...] = ()
    ) -> None:
        self._source = source
        self._stretch = stretch
        self._heads = {head.seq: head.hash for head in heads}
        self._judge = Judge(source.log, self._name, before=stretch.first, words=words)
        self._words = Words(source, stretch.first) if words else None
        self._time = 0
        self.proved = Proved(findings=[], begins={}, ends={}, named={})
        self._checks = self._table(words=words)

    def prove(self) -> Iterator[int]:
        """Do it; gives the number of events proved so far after every batch."""
        proved = self.proved
        before = self._source.batch_before(self._stretch.first)
        proved.hash = chain_hash(before) if before else genesis(self._source.log_id)
        try:
            for key, data, recorded in self._batches():
                self._batch(key, data, recorded)
                yield proved.events
            self._end()
        except _Halt:
            return
        except LogDamaged as error:
            proved.blocked = Finding(self._stretch.first + proved.events, str(error))
        finally:
            if self._words:
                proved.bodies, proved.erased = self._words.proved, self._words.erased
            proved.decisions, proved.without_words = self._judge.decisions

    def _batches(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Key, bytes, and the hash that is recorded of them after them."""
        last = self._stretch.last
        held: tuple[int, bytes] | None = None
        for key, data in self._source.batches(self._stretch.first):
            if held and (key <= last or not self._stretch.hash):
                yield *held, previous_hash(data)
            if key > last:
                break
            held = key, data
        if held and self._stretch.hash:
            yield *held, self._stretch.hash

    def _table(self, *, words: bool) -> dict[type[Event], Callable[..., object]]:
        """What is done with an event, by its type; with most nothing."""
        table: dict[type[Event], Callable[..., object]] = {}
        if words:
            table |= dict.fromkeys(DIGESTS, self._with_words)
        table |= dict.fromkeys(TRACKED, self._learn)
        return table | {PolicyDecided: self._decided, MessageSeen: self._seen}

    # The chain

    def _batch(self, key: int, data: bytes, recorded: bytes) -> None:
        """Prove one batch. Nothing is made of bytes that what comes after them does not confirm."""
        proved = self.proved
        first = self._stretch.first + proved.events
        if key != first:
            self._halt(first, f"it is missing; the next batch begins with {key}")
        if previous_hash(data) != proved.hash:
            self._halt(first, "its batch does not continue the one before it")
        proved.hash = chain_hash(data)
        if proved.hash != recorded:
            self._halt(*self._blame(first, data))
        try:
            found = batch.decode(data)
            count = self._runs(first, found)
        except (msgspec.MsgspecError, ValueError) as error:
            self._halt(first, f"its batch means nothing: {error}")
        proved.events += count
        proved.batches += 1
        self._compare_head(first + count - 1)

    def _blame(self, first: int, data: bytes) -> tuple[int, str]:
        """Which is wrong: a batch, or what the next one says of it? The one after that knows."""
        end = self._source.position()
        following = list(islice(self._source.batches(first + 1), 2))
        if following:
            key, successor = following[0]
            confirmed = previous_hash(following[1][1]) if len(following) > 1 else end.hash
            if chain_hash(successor) != confirmed:
                return key, "its batch was altered"
        after = following[0][0] if following else end.seq + 1
        missing = first + _events_in(data)
        if first < missing < after:
            return missing, f"it is missing; what is next is {after}"
        return first, "its batch was altered"

    def _runs(self, first: int, found: Batch[list[Entry]]) -> int:
        if found.first != first:
            self._halt(first, f"its batch says that it begins with {found.first}")
        if found.time < self._time:
            self._find(first, "its time lies before its predecessor's")
        self._time = found.time
        count = 0
        for run in found.runs:
            if run.offset != count or not run.entries:
                self._halt(first + count, "its batch is not in order")
            self._run(found, run)
            count += len(run.entries)
        return count

    def _compare_head(self, last: int) -> None:
        kept = self._heads.pop(last, None)
        if kept is not None and kept != self.proved.hash:
            self._find(last, "the log up to here is not the one that the kept head was taken of")

    def _end(self) -> None:
        last = self._stretch.first + self.proved.events - 1
        if last != self._stretch.last:
            self._find(last + 1, f"it is missing; the log should reach event {self._stretch.last}")
        for seq in self._heads:
            self._find(seq, "the saved head is not at a commit boundary: the log was rewritten")
        if self._words:
            self._tell_strays(last + 1)

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
            self._with_words(seq, stream, version, event)

    def _seen(self, seq: int, stream: int, version: int, event: MessageSeen) -> None:
        self._judge.seen(stream, version, event, self._with_words(seq, stream, version, event))

    def _decided(self, seq: int, stream: int, _: int, event: PolicyDecided) -> None:
        if what := self._judge.decided(stream, event):
            self._find(seq, what)

    # Words

    def _with_words(self, seq: int, _: int, __: int, event: Any) -> str | None:
        if self._words is None:
            return None
        self._tell_strays(seq)
        try:
            return self._words.take(seq, DIGESTS[type(event)](event))
        except Broken as broken:
            self._find(seq, str(broken))
            return None

    def _tell_strays(self, before: int) -> None:
        if self._words:
            for seq, slot in self._words.strays_before(before):
                self._find(seq, f"body {slot} lies with it, and is not its own")

    # What is found

    def _find(self, seq: int, what: str) -> None:
        if len(self.proved.findings) < MAX_FINDINGS:
            self.proved.findings.append(Finding(seq, what))

    def _halt(self, seq: int, what: str) -> NoReturn:
        self._find(seq, what)
        raise _Halt


def _events_in(data: bytes) -> int:
    """How many events a batch holds; 0 if it can't be read."""
    try:
        return sum(len(run.entries) for run in batch.decode(data).runs)
    except (msgspec.MsgspecError, ValueError):
        return 0
