"""How a name that somebody typed into a list is compared with the exact name of a ZTM user.

ZTM compares names exactly, and so do conversations, senders, reply targets and pairing. Only lists
that a person types (`allowFrom`, `groupPermissions`, `toolsBySender`) are read with forgiveness for
blanks around a name, Unicode composition and case. Look-alikes stay different people.

`rules` is the version of the rules (see `account_policy.RULES_VERSION`) that a name is compared by.
"""

from collections.abc import Iterable
from unicodedata import normalize

from events.blank import is_blank
from events.policy.account_policy import RULES_VERSION

EVERYONE = "*"
"""The list entry that stands for everyone, where a list admits it."""


def fold(name: str, rules: int = RULES_VERSION) -> str:
    """`name` trimmed, in NFC, in lower case: the same for names that a list takes for one.

    Not case-folded, which also takes ligatures and old letter forms for others (`ﬁ` for `fi`, `ß`
    for `ss`, `ſ` for `s`): a stranger could choose such a name to pass for a listed user.
    """
    trimmed = normalize("NFC", name.strip())
    return trimmed.casefold() if rules == 1 else trimmed.lower()


def is_nobody(name: str, rules: int = RULES_VERSION) -> bool:
    """Whether no user can be meant by `name`: nothing of it is visible."""
    return not name.strip() if rules == 1 else is_blank(name)


def matches(entry: str, name: str, *, ambiguous: bool = False, rules: int = RULES_VERSION) -> bool:
    """Whether a typed `entry` means the user `name`.

    With `ambiguous`, the entry may have been meant for somebody else whose name folds like `name`:
    then only the exact entry, blanks around it aside, matches. A blank entry or name matches
    nothing.
    """
    if is_nobody(name, rules):
        return False
    if ambiguous:
        return entry.strip() == name
    return fold(entry, rules) == fold(name, rules)


def listed(
    entries: Iterable[str],
    name: str,
    *,
    ambiguous: bool = False,
    everyone: bool = False,
    rules: int = RULES_VERSION,
) -> str | None:
    """The first of `entries` that means the user `name` (see `matches`), or `None`.

    `everyone` says that this list admits `*`; elsewhere `*` is a user's name like any other.
    """
    for entry in entries:
        wild = everyone and entry.strip() == EVERYONE and not is_nobody(name, rules)
        if wild or matches(entry, name, ambiguous=ambiguous, rules=rules):
            return entry
    return None


def unmistakable(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that fold like no other one of them."""
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(fold(name), []).append(name)
    return frozenset(name for alike in by_fold.values() if len(alike) == 1 for name in alike)
