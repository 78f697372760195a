"""Erasing a person's words: the words go, what was decided stays, and the mesh can't bring them
back."""

from events.account.events import ErasureEnded, PersonErased
from events.account.pairing import decide_denial
from events.account.state import AccountState
from events.event import Draft
from events.streams import account_stream


def decide_erasure(
    account: str, person: str, *, key_id: bytes, now_ms: int, by: str
) -> list[Draft]:
    """Erase the messages of `person` in `account`: the bodies encrypted under the key `key_id`."""
    return [Draft(account_stream(account), PersonErased(person, key_id, now_ms, by))]


def decide_end(account: str, state: AccountState, person: str, newest_ms: int) -> list[Draft]:
    """End the erasure of `person` when nothing more is recorded under the key: `newest_ms` is the
    newest `sent_ms` of any message of theirs on record, which under another key would be taken for
    new.

    A pending pairing request ends with it: its code goes with the key, so nobody could approve it.
    """
    until_ms = max(newest_ms, state.erased[person].until_ms)
    ended = Draft(account_stream(account), ErasureEnded(person, until_ms))
    return [*decide_denial(account, state, person, "forget"), ended]
