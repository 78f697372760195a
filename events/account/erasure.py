"""Erasing a person's words: the words go, what was decided stays, and the mesh can't bring them
back."""

from events.account.events import ErasureEnded, PersonErased
from events.account.state import Erasure
from events.event import Draft
from events.streams import account_stream


def decide_erasure(
    account: str, person: str, *, key_id: bytes, until_ms: int, by: str
) -> list[Draft]:
    """Erase the messages of `person` in `account`: the bodies encrypted under the key `key_id`.
    What they sent until `until_ms`, by their clock, is not taken in again."""
    return [Draft(account_stream(account), PersonErased(person, key_id, until_ms, by))]


def decide_end(account: str, person: str, erasure: Erasure, newest_ms: int) -> list[Draft]:
    """End an `erasure` when nothing more is recorded under the key: `newest_ms` is the newest
    `sent_ms` of any message of theirs on record, which under another key would be taken for new.
    """
    until_ms = max(newest_ms, erasure.until_ms)
    return [Draft(account_stream(account), ErasureEnded(person, until_ms))]
