"""Forgetting a person: their words go, what was decided stays, and the mesh can't bring it back."""

from events.account_events import PersonErased
from events.event import Draft
from events.streams import account_stream


def decide_erasure(
    account: str, person: str, *, key_id: bytes, newest_ms: int, now_ms: int, by: str
) -> list[Draft]:
    """Give up the words of `person` in `account`, encrypted under the key `key_id`.

    `newest_ms` is the newest `sent_ms` of any message of theirs that is known: a sender's clock may
    be ahead of ours, and what the mesh shows of that time is old all the same.
    """
    erased = PersonErased(person, key_id, max(newest_ms, now_ms), by)
    return [Draft(account_stream(account), erased)]
