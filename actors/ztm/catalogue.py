"""What the feed has shown of the mesh's files, and what is still to be fetched of it. No I/O.

A path is *wanted* from when its hash is news until what it held is durably decided. The cursor may
pass a path only when it is no longer wanted, or is *owed*: nobody who has it can be reached now.
"""

from collections.abc import Iterator, Mapping

import msgspec

from actors.ztm.answers import FileInfo
from actors.ztm.paths import ChatFile, GroupFile, GroupInfo, PeerFile, parse
from events.conversation_events import Owed
from events.streams import Conversation, Group, Peer

OWED_LIMIT = 1_000
"""How many owed paths an event lists at most; with more, the cursor waits for the rest."""


class Wanted(msgspec.Struct):
    """A path to fetch: as of which hash, changed when (hub's ms), and when to try (s,
    monotonic).
    """

    file: ChatFile
    hash: str
    since: int
    available_ms: int
    baseline: bool = False
    owed: bool = False
    due_s: float = 0.0


class Catalogue:
    """The files of one account's mesh, as `own` sees them. `groups`: whether groups count."""

    def __init__(self, account: str, own: str, *, groups: bool) -> None:
        self._account = account
        self._own = own
        self._groups = groups
        self._known: dict[str, str] = {}
        self.wanted: dict[str, Wanted] = {}
        self.highest = 0

    def conversation(self, file: ChatFile) -> Conversation | None:
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
        what is new here was there before us.
        """
        for path, info in answer.items():
            since = info.since or 0
            self.highest = max(self.highest, since)
            known = self._known.get(path)
            if known == info.hash:
                continue
            file = parse(path)
            if file is None or self.conversation(file) is None:
                continue
            of_group = baseline_groups and isinstance(file, GroupFile)
            old = known is None and since <= after and not isinstance(file, GroupInfo)
            self._known[path] = info.hash
            if (old and not of_group and path not in self.wanted) or info.hash == "":
                continue
            before = self.wanted.get(path)
            self.wanted[path] = Wanted(
                file,
                info.hash,
                since,
                min(now_ms, max(since, since_ms)),
                baseline=baseline or of_group or (before is not None and before.baseline),
            )

    def owe(self, owed: Owed) -> None:
        """Want a file that an earlier process left owed."""
        file = parse(owed.path)
        if file is not None and self.conversation(file) is not None:
            self.wanted[owed.path] = Wanted(file, "", 0, 0, baseline=owed.baseline, owed=True)

    def forget(self) -> None:
        """Take everything for news again: the feed can't be trusted, or it is another hub's."""
        self._known.clear()
        self.highest = 0

    def due(self, now_s: float) -> Iterator[tuple[str, Wanted]]:
        """The wanted paths whose time has come, group infos first, then by time of change."""
        due = [(path, one) for path, one in self.wanted.items() if one.due_s <= now_s]
        due.sort(key=lambda one: (not isinstance(one[1].file, GroupInfo), one[1].since))
        yield from due

    def decided(self, path: str, file_hash: str) -> None:
        """What the path held under this hash is durably decided."""
        wanted = self.wanted.get(path)
        if wanted and wanted.hash == file_hash:
            del self.wanted[path]

    def postpone(self, path: str, until_s: float, *, owed: bool) -> None:
        """Try the path again later; `owed`: nobody has it now, so the cursor need not wait."""
        if wanted := self.wanted.get(path):
            wanted.due_s = until_s
            wanted.owed = owed

    def baselining(self) -> bool:
        """Whether something that was there before us is still to be marked so."""
        return any(one.baseline and not one.owed for one in self.wanted.values())

    def position(self) -> tuple[int, tuple[Owed, ...]]:
        """How far the cursor may go (hub's ms), and the owed files that it passes."""
        owed = sorted((one.since, path) for path, one in self.wanted.items() if one.owed)
        held_up = [one.since for one in self.wanted.values() if not one.owed]
        held_up.extend(since for since, _ in owed[OWED_LIMIT:])
        position = min(held_up) - 1 if held_up else self.highest
        passed = sorted(path for _, path in owed[:OWED_LIMIT])
        return position, tuple(Owed(path, self.wanted[path].baseline) for path in passed)
