"""What the feed has shown of the mesh's files, and what is still to be fetched of it. No I/O.

A path is *pending* from when its hash is news until what it held is durably decided. It is
*unavailable* while nobody can give it. The cursor may pass a path only when it is no longer
pending, or with the path listed beside it as unavailable.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from actors.ztm.client.answers import FileInfo
from actors.ztm.client.paths import ChatFile, GroupFile, GroupInfo, PeerFile, parse
from events.streams import ConversationId, GroupId, PeerId
from events.watermark import UnavailableFile

UNAVAILABLE_LIMIT = 1_000
"""How many unavailable paths the cursor may pass; with more, it waits for the rest."""


class PendingFile(msgspec.Struct):
    """A path to fetch: as of which hash, changed when (hub's ms), available since when (our ms),
    and when to try (s, monotonic). `failures`: how often nobody could give it;
    `size`: its bytes, as its sender says.
    """

    file: ChatFile
    conversation: ConversationId
    hash: str
    since: int
    available_ms: int
    baseline: bool = False
    due_s: float = 0.0
    failures: int = 0
    size: int = 0

    @property
    def sender(self) -> str:
        """Whose file it is."""
        return self.file.owner if isinstance(self.file, GroupInfo) else self.file.sender


class Catalogue:
    """The files of one account's mesh, as `own` sees them. `groups`: whether groups count.

    `highest`: when (hub's ms) the newest file of anybody changed: from there the feed is asked on.
    `progress`: whether anything of ours was decided, or became unavailable, since this was last set
    to false: only then is the cursor worth an event.
    """

    def __init__(self, account: str, own: str, *, groups: bool) -> None:
        self._account = account
        self._own = own
        self._groups = groups
        self._known: dict[str, str] = {}
        self.pending: dict[str, PendingFile] = {}
        self.unavailable: set[str] = set()
        self._unavailable_of: Counter[str] = Counter()
        self.highest = 0
        self.progress = False

    def conversation(self, file: ChatFile | None) -> ConversationId | None:
        """Whose conversation the file belongs to; `None` when it is not ours to read."""
        match file:
            case PeerFile(sender, receiver) if sender != receiver:
                if receiver == self._own:
                    return PeerId(self._account, sender)
                if sender == self._own:
                    return PeerId(self._account, receiver)
            case GroupFile(_, creator, group) if self._groups:
                return GroupId(self._account, creator, group)
            case GroupInfo(owner, creator, group) if self._groups and owner == creator:
                return GroupId(self._account, creator, group)
        return None

    def take(
        self,
        answer: Mapping[str, FileInfo],
        *,
        after: int,
        since_ms: int,
        now_ms: int,
        ahead_ms: int = 0,
        baseline: bool = False,
        baseline_groups: bool = False,
    ) -> None:
        """Note an answer of the feed.

        Paths last changed at or before `after` (hub's ms) that were never seen here are taken for
        decided earlier, except group infos: members are not on record. `since_ms` is when we last
        heard (the record's time, which is `ahead_ms` ahead of the hub's if this machine's clock is
        right): what appears now can't have been there to see before that. `baseline`:
        what is new here was there before us; with `baseline_groups`, what is new in groups.
        """
        heard: set[str] = set()
        for path, info in answer.items():
            since = info.since or 0
            self.highest = max(self.highest, since)
            if not info.hash or self._known.get(path) == info.hash:
                continue
            file = parse(path)
            conversation = self.conversation(file)
            if file is None or conversation is None:
                continue
            first_seen = path not in self._known
            self._known[path] = info.hash
            before = self.pending.get(path)
            of_group = baseline_groups and isinstance(file, GroupFile)
            decided = since <= after and not isinstance(file, GroupInfo)
            if first_seen and decided and not of_group and before is None:
                continue
            marked = baseline or of_group or (before is not None and before.baseline)
            available_ms = min(now_ms, max(since + ahead_ms, since_ms))
            pending = PendingFile(
                file, conversation, info.hash, since, available_ms, marked, size=info.size
            )
            self.pending[path] = pending
            self._no_longer_unavailable(path, pending.sender)
            heard.add(pending.sender)
        self._hurry(heard)

    def _hurry(self, senders: set[str]) -> None:
        """Somebody who publishes is there: their unavailable files can be had now."""
        for path in self.unavailable:
            if self.pending[path].sender in senders and self.pending[path].due_s < math.inf:
                self.pending[path].due_s = 0.0

    def add_unavailable(self, unavailable: UnavailableFile, available_ms: int) -> None:
        """Note a file that was unavailable to an earlier process."""
        file = parse(unavailable.path)
        conversation = self.conversation(file)
        if file is not None and conversation is not None:
            pending = PendingFile(file, conversation, "", 0, available_ms, unavailable.baseline)
            self.pending[unavailable.path] = pending
            self._note_unavailable(unavailable.path, pending.sender)

    def forget(self) -> None:
        """Take everything for news again: it is another hub's. What is pending stays so."""
        self._known.clear()
        self.highest = 0
        for pending in self.pending.values():
            pending.since = 0

    def due(self, now_s: float) -> dict[ConversationId, list[str]]:
        """The pending paths whose time has come, by conversation: group infos first, then in the
        order in which they changed."""
        ready = sorted(
            (not isinstance(pending.file, GroupInfo), pending.since, path)
            for path, pending in self.pending.items()
            if pending.due_s <= now_s
        )
        found: dict[ConversationId, list[str]] = {}
        for *_, path in ready:
            found.setdefault(self.pending[path].conversation, []).append(path)
        return found

    def begin(self, paths: Iterable[str], *, baseline: bool) -> dict[str, PendingFile]:
        """These are tried now: not due again before `postpone`. `baseline`: mark them all so."""
        for path in paths:
            self.pending[path].due_s = math.inf
            self.pending[path].baseline |= baseline
        return {path: self.pending[path] for path in paths}

    def decided(self, path: str, as_of: PendingFile) -> None:
        """What the path held, as of when it was pending so, is durably decided."""
        if self.pending.get(path) is as_of:
            self.progress = True
            del self.pending[path]
            self._no_longer_unavailable(path, as_of.sender)

    def postpone(self, path: str, as_of: PendingFile, until_s: float) -> None:
        """Try the path again later, unless it has changed meanwhile."""
        if self.pending.get(path) is as_of:
            as_of.due_s = until_s

    def mark_unavailable(self, path: str, as_of: PendingFile, now_ms: int) -> None:
        """Nobody can give the path now (our clock): the cursor need not wait for it."""
        if self.pending.get(path) is as_of:
            as_of.failures += 1
            as_of.available_ms = now_ms
            self.progress |= path not in self.unavailable
            self._note_unavailable(path, as_of.sender)

    def unavailable_of(self, sender: str) -> int:
        """How many of the sender's files are unavailable."""
        return self._unavailable_of[sender]

    def _note_unavailable(self, path: str, sender: str) -> None:
        if path not in self.unavailable:
            self.unavailable.add(path)
            self._unavailable_of[sender] += 1

    def _no_longer_unavailable(self, path: str, sender: str) -> None:
        if path in self.unavailable:
            self.unavailable.remove(path)
            self._unavailable_of[sender] -= 1
            if not self._unavailable_of[sender]:
                del self._unavailable_of[sender]

    @property
    def baselining(self) -> bool:
        """Whether something that was there before us is still to be marked so."""
        return any(
            pending.baseline and path not in self.unavailable
            for path, pending in self.pending.items()
        )

    def position(self, cursor: int) -> tuple[int, tuple[UnavailableFile, ...]]:
        """How far the cursor may go from where it is (hub's ms), and the unavailable files that it
        leaves behind.

        A baseline is listed whether passed or not: only its record says that it is one.
        """
        unavailable = sorted(self.pending[path].since for path in self.unavailable)
        waiting = [
            pending.since for path, pending in self.pending.items() if path not in self.unavailable
        ]
        waiting.extend(unavailable[UNAVAILABLE_LIMIT:])
        # 1 rather than 0, which would stand for "never": an empty mesh was read as well.
        reached = min(waiting) - 1 if waiting else max(1, self.highest)
        position = max(cursor, reached)
        left = [
            UnavailableFile(path, pending.baseline)
            for path, pending in sorted(self.pending.items())
            if pending.since <= position or pending.baseline
        ]
        return position, tuple(left)
