"""What the feed has shown of the mesh's files, and what is still to be fetched of it. No I/O.

A path is *wanted* from when its hash is news until what it held is durably decided. It is *owed*
while nobody can give it. The cursor may pass a path only when it is no longer wanted, or with the
path listed beside it as owed.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from actors.ztm.client.answers import FileInfo
from actors.ztm.client.paths import ChatFile, GroupFile, GroupInfo, PeerFile, parse
from events.streams import Conversation, Group, Peer
from events.watermark import Owed

OWED_LIMIT = 1_000
"""How many owed paths the cursor may pass; with more, it waits for the rest."""


class Wanted(msgspec.Struct):
    """A path to fetch: as of which hash, changed when (hub's ms), available since when (our ms),
    and when to try (s, monotonic). `failures`: how often nobody could give it.
    """

    file: ChatFile
    conversation: Conversation
    hash: str
    since: int
    available_ms: int
    baseline: bool = False
    due_s: float = 0.0
    failures: int = 0

    @property
    def sender(self) -> str:
        """Whose file it is."""
        return self.file.owner if isinstance(self.file, GroupInfo) else self.file.sender


class Catalogue:
    """The files of one account's mesh, as `own` sees them. `groups`: whether groups count."""

    def __init__(self, account: str, own: str, *, groups: bool) -> None:
        self._account = account
        self._own = own
        self._groups = groups
        self._known: dict[str, str] = {}
        self.wanted: dict[str, Wanted] = {}
        self.owed: set[str] = set()
        self.highest = 0

    def conversation(self, file: ChatFile | None) -> Conversation | None:
        """Whose conversation the file belongs to; `None` when it is not ours to read."""
        match file:
            case PeerFile(sender, receiver) if sender != receiver:
                if receiver == self._own:
                    return Peer(self._account, sender)
                if sender == self._own:
                    return Peer(self._account, receiver)
            case GroupFile(_, creator, group) if self._groups:
                return Group(self._account, creator, group)
            case GroupInfo(owner, creator, group) if self._groups and owner == creator:
                return Group(self._account, creator, group)
        return None

    def take(
        self,
        answer: Mapping[str, FileInfo],
        *,
        after: int,
        since_ms: int,
        now_ms: int,
        baseline: bool = False,
        baseline_groups: bool = False,
    ) -> None:
        """Note an answer of the feed.

        Paths last changed at or before `after` (hub's ms) that were never seen here are taken for
        decided earlier, except group infos: members are not on record. `since_ms` is when we last
        heard (our clock): what appears now can't have been there to see before that. `baseline`:
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
            before = self.wanted.get(path)
            of_group = baseline_groups and isinstance(file, GroupFile)
            decided = since <= after and not isinstance(file, GroupInfo)
            if first_seen and decided and not of_group and before is None:
                continue
            marked = baseline or of_group or (before is not None and before.baseline)
            available_ms = min(now_ms, max(since, since_ms))
            wanted = Wanted(file, conversation, info.hash, since, available_ms, marked)
            self.wanted[path] = wanted
            self.owed.discard(path)
            heard.add(wanted.sender)
        self._hurry(heard)

    def _hurry(self, senders: set[str]) -> None:
        """Somebody who publishes is there: what they owe can be had now."""
        for path in self.owed:
            if self.wanted[path].sender in senders and self.wanted[path].due_s < math.inf:
                self.wanted[path].due_s = 0.0

    def owe(self, owed: Owed, available_ms: int) -> None:
        """Want a file that an earlier process left owed."""
        file = parse(owed.path)
        conversation = self.conversation(file)
        if file is not None and conversation is not None:
            wanted = Wanted(file, conversation, "", 0, available_ms, owed.baseline)
            self.wanted[owed.path] = wanted
            self.owed.add(owed.path)

    def forget(self) -> None:
        """Take everything for news again: it is another hub's. What is wanted stays so."""
        self._known.clear()
        self.highest = 0
        for wanted in self.wanted.values():
            wanted.since = 0

    def due(self, now_s: float) -> dict[Conversation, list[str]]:
        """The wanted paths whose time has come, by conversation: group infos first, then in the
        order in which they changed."""
        ready = [(path, one) for path, one in self.wanted.items() if one.due_s <= now_s]
        ready.sort(key=lambda one: (not isinstance(one[1].file, GroupInfo), one[1].since, one[0]))
        found: dict[Conversation, list[str]] = {}
        for path, wanted in ready:
            found.setdefault(wanted.conversation, []).append(path)
        return found

    def begin(self, paths: Iterable[str], *, baseline: bool) -> dict[str, Wanted]:
        """These are tried now: not due again before `postpone`. `baseline`: mark them all so."""
        for path in paths:
            self.wanted[path].due_s = math.inf
            self.wanted[path].baseline |= baseline
        return {path: self.wanted[path] for path in paths}

    def decided(self, path: str, as_of: Wanted) -> None:
        """What the path held, as of when it was wanted so, is durably decided."""
        if self.wanted.get(path) is as_of:
            del self.wanted[path]
            self.owed.discard(path)

    def postpone(self, path: str, as_of: Wanted, until_s: float) -> None:
        """Try the path again later, unless it has changed meanwhile."""
        if self.wanted.get(path) is as_of:
            as_of.due_s = until_s

    def not_to_be_had(self, path: str, as_of: Wanted, now_ms: int) -> None:
        """Nobody can give the path now (our clock): the cursor need not wait for it."""
        if self.wanted.get(path) is as_of:
            as_of.failures += 1
            as_of.available_ms = now_ms
            self.owed.add(path)

    @property
    def held_up(self) -> bool:
        """Whether something that could be had is still undecided."""
        return len(self.wanted) > len(self.owed)

    @property
    def baselining(self) -> bool:
        """Whether something that was there before us is still to be marked so."""
        return any(one.baseline and path not in self.owed for path, one in self.wanted.items())

    def position(self, cursor: int) -> tuple[int, tuple[Owed, ...]]:
        """How far the cursor may go from where it is (hub's ms), and what it leaves owed behind.

        A baseline is owed whether passed or not: only its record says that it is one.
        """
        owed = sorted(self.wanted[path].since for path in self.owed)
        waiting = [one.since for path, one in self.wanted.items() if path not in self.owed]
        waiting.extend(owed[OWED_LIMIT:])
        # 1 rather than 0, which would stand for "never": an empty mesh was read as well.
        reached = min(waiting) - 1 if waiting else max(1, self.highest)
        position = max(cursor, reached)
        left = [
            Owed(path, one.baseline)
            for path, one in self.wanted.items()
            if one.since <= position or one.baseline
        ]
        return position, tuple(sorted(left, key=lambda one: one.path))
