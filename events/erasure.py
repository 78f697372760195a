"""Forgetting a person, or what is old: the words go, what was decided stays, and the mesh can't
bring them back."""

from events.account import Erasure
from events.account_events import ErasureEnded, PersonErased
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
    account: str, person: str, *, key_id: bytes, now_ms: int, by: str
) -> list[Draft]:
    """Give up the words of `person` in `account`, encrypted under the key `key_id`."""
    return [Draft(account_stream(account), PersonErased(person, key_id, now_ms, by))]


def decide_end(account: str, person: str, erasure: Erasure, newest_ms: int) -> list[Draft]:
    """End an `erasure` when nothing more is recorded under the key: `newest_ms` is the newest
    `sent_ms` of any message of theirs on record, which under another key would be taken for new.
    """
    until_ms = max(newest_ms, erasure.until_ms)
    return [Draft(account_stream(account), ErasureEnded(person, until_ms))]
