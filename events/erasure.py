"""Forgetting a person, or what is old: the words go, what was decided stays, and the mesh can't
bring them back."""

from events.account_events import PersonErased
from events.event import Draft
from events.gateway import WordsExpired
from events.streams import GATEWAY, account_stream

WEEK_NS = 7 * 86_400 * 1_000_000_000
"""Words are kept, and given up, by the week in which they were recorded."""


def week_of(time_ns: int) -> int:
    """The week of a time (ns since 1970): how many whole ones lie before it."""
    return time_ns // WEEK_NS


def decide_expiry(expired: int, *, now_ns: int, retention_ns: int) -> list[Draft]:
    """Give up the words of all weeks that began longer ago than `retention_ns`: nothing is kept for
    longer. Those before the week `expired` are gone."""
    before = -((retention_ns - now_ns) // WEEK_NS)
    return [Draft(GATEWAY, WordsExpired(before))] if before > expired else []


def decide_erasure(
    account: str, person: str, *, key_id: bytes, newest_ms: int, now_ms: int, by: str
) -> list[Draft]:
    """Give up the words of `person` in `account`, encrypted under the key `key_id`.

    `newest_ms` is the newest `sent_ms` of any message of theirs that is known: a sender's clock may
    be ahead of ours, and what the mesh shows of that time is old all the same.
    """
    erased = PersonErased(person, key_id, max(newest_ms, now_ms), by)
    return [Draft(account_stream(account), erased)]
