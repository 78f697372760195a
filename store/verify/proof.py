"""The log proved from its first event to its head: sections put together, one or many at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from store.disk.batch import genesis
from store.disk.layout import unpack_u64
from store.disk.position import Position
from store.maintenance.key_check import key_mismatches
from store.maintenance.raw_log import RawLog, opened
from store.verify.heads import KeptHead
from store.verify.section import Finding, Proved, Section, Stretch

MIN_EVENTS = 50_000
"""Below this many events a section is not worth a process of its own."""


class Plan(msgspec.Struct, frozen=True):
    """What is to be proved: the log up to `end`, in `stretches`."""

    log_id: str
    end: Position
    stretches: tuple[Stretch, ...]


class Proof(msgspec.Struct, frozen=True):
    """The outcome: counts over the whole log, and the broken places by sequence."""

    head: KeptHead
    events: int
    batches: int
    streams: int
    decisions: int
    without_text: int
    bodies: int
    erased: int
    findings: tuple[Finding, ...]

    @property
    def verified(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def plan(source: RawLog, parts: int = 1) -> Plan:
    """The log as it ends now, cut into at most `parts` sections of about equal length."""
    end = source.position()
    parts = max(1, min(parts, end.seq // MIN_EVENTS))
    wanted = (1 + end.seq * part // parts for part in range(parts))
    keys = sorted({source.batch_key(seq) for seq in wanted} - {0})
    keys[0] = 1
    lasts = [*(key - 1 for key in keys[1:]), end.seq]
    stretches = (Stretch(*bounds, end.head) for bounds in zip(keys, lasts, strict=True))
    return Plan(source.log_id, end, tuple(stretches))


def heads_within(
    planned: Plan, stretch: Stretch, heads: Iterable[KeptHead]
) -> tuple[KeptHead, ...]:
    """The kept heads that this section has to meet."""
    own = (head for head in heads if head.log_id == planned.log_id)
    return tuple(head for head in own if stretch.first <= head.seq <= stretch.last)


def conclude(
    source: RawLog, planned: Plan, sections: Sequence[Proved], heads: Iterable[KeptHead] = ()
) -> Proof:
    """What the sections, in their order, prove together."""
    findings = [finding for section in sections for finding in section.findings]
    findings = findings or [section.blocked for section in sections if section.blocked]
    if not findings:
        findings += _seams(planned, sections)
        findings += _names(source, sections)
        findings += _keys(source, planned.end.seq)
    findings += _kept(planned, heads)
    total = planned.end
    return Proof(
        head=KeptHead(planned.log_id, total.seq, total.hash),
        events=sum(section.events for section in sections),
        batches=sum(section.batches for section in sections),
        streams=sum(len(section.named) for section in sections),
        decisions=sum(section.decisions for section in sections),
        without_text=sum(section.without_text for section in sections),
        bodies=sum(section.bodies for section in sections),
        erased=sum(section.erased for section in sections),
        findings=tuple(sorted(findings)),
    )


def prove(
    folder: Path, *, bodies: bool = True, heads: tuple[KeptHead, ...] = (), parts: int = 1
) -> Proof:
    """Prove the log in `folder`, in this process, section after section."""
    with opened(folder) as source:
        planned = plan(source, parts)
        sections = []
        for stretch in planned.stretches:
            section = Section(
                source, stretch, bodies=bodies, heads=heads_within(planned, stretch, heads)
            )
            for _ in section.prove():
                pass
            sections.append(section.proved)
        return conclude(source, planned, sections, heads)


def _seams(planned: Plan, sections: Sequence[Proved]) -> Iterable[Finding]:
    """Streams go on from section to section without a gap."""
    versions: dict[int, int] = {}
    for stretch, section in zip(planned.stretches, sections, strict=True):
        for stream, begins in section.begins.items():
            if begins != versions.get(stream, 0) + 1:
                what = f"stream {stream} goes on with version {begins} after {versions.get(stream)}"
                yield Finding(stretch.first, what)
        versions |= section.ends


def _names(source: RawLog, sections: Sequence[Proved]) -> Iterable[Finding]:
    """The table of streams says the names that the chain says."""
    named = {stream: name for section in sections for stream, name in section.named.items()}
    if list(named) != list(range(1, len(named) + 1)):
        yield Finding(1, "the streams are not numbered in the order of their beginning")
    for key, value in source.entries("streams"):
        name = named.pop(unpack_u64(key), None)
        if name is not None and name.encode() != value:
            yield Finding(1, f"the table of streams calls {name!r} otherwise")
    for name in named.values():
        yield Finding(1, f"the table of streams lacks {name!r}")


def _keys(source: RawLog, end: int) -> Iterable[Finding]:
    """The file of keys holds those on record."""
    return (Finding(end, f"in the file of keys: {what}") for what in key_mismatches(source))


def _kept(planned: Plan, heads: Iterable[KeptHead]) -> Iterable[Finding]:
    """Kept heads that no section could meet."""
    for head in heads:
        if head.log_id != planned.log_id:
            what = f"the kept head is of the log {head.log_id}; this is {planned.log_id}"
            yield Finding(head.seq, what)
        elif head.seq > planned.end.seq:
            what = f"the log ends at {planned.end.seq}: what the kept head covers was cut off"
            yield Finding(head.seq, what)
        elif head.seq == 0 and head.hash != genesis(planned.log_id):
            yield Finding(0, "the kept head is not this log's beginning")
