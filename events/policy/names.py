"""How a name that somebody typed into a list is compared with the exact name of a ZTM user.

ZTM compares names exactly, and so do conversations, senders, reply targets and pairing. Only lists
that a person types (`allowFrom`, `groupPermissions`, `toolsBySender`) are read with forgiveness for
blanks around a name, Unicode composition and case. Look-alikes of other scripts stay different
people.
"""

from collections.abc import Iterable
from unicodedata import normalize

EVERYONE = "*"
"""The list entry that stands for everyone, where a list admits it."""


def fold(name: str) -> str:
    """`name` trimmed, in NFC, case-folded: the same for names that a list takes for one."""
    return normalize("NFC", name.strip()).casefold()


def matches(entry: str, name: str, *, ambiguous: bool = False) -> bool:
    """Whether a typed `entry` means the user `name`.

    With `ambiguous`, another known user folds like `name`: then only the exact entry, blanks
    around it aside, matches. A blank entry or name matches nothing.
    """
    if ambiguous:
        return entry.strip() == name != ""
    return fold(entry) == fold(name) != ""


def listed(
    entries: Iterable[str], name: str, *, ambiguous: bool = False, everyone: bool = False
) -> str | None:
    """The first of `entries` that means the user `name` (see `matches`), or `None`.

    `everyone` says that this list admits `*`; elsewhere `*` is a user's name like any other.
    """
    for entry in entries:
        wild = everyone and entry.strip() == EVERYONE and fold(name) != ""
        if wild or matches(entry, name, ambiguous=ambiguous):
            return entry
    return None


def folding_alike(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that fold like another one of them."""
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(fold(name), []).append(name)
    return frozenset(name for alike in by_fold.values() if len(alike) > 1 for name in alike)
