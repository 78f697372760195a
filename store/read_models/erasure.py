"""Who can be erased, and erasing a person without a daemon."""

import logging
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from events.account.erasure import decide_end, decide_erasure
from events.account.state import AccountState, fold
from events.conversation.events import MessageIgnored, MessageSeen
from events.conversation.policy_context import person_key
from events.event import Draft
from events.streams import PeerId, account_stream, conversation_stream, parse_stream
from store.log.event_log import EventLog, LogDamaged

_log = logging.getLogger(__name__)

NEAREST = 5


def accounts_with(log: EventLog, accounts: Iterable[str], person: str) -> list[str]:
    """Those of `accounts` that have a key of `person` (exact name), and so may have messages."""
    return [account for account in accounts if log.key_id(person_key(account, person)) is not None]


def nearest(log: EventLog, person: str) -> list[str]:
    """Names of known correspondents that look like `person`."""
    addresses = map(parse_stream, log.streams("account/"))
    names = {address.name for address in addresses if isinstance(address, PeerId)}
    return get_close_matches(person, sorted(names), NEAREST)


def newest_ms(log: EventLog, account: str, person: str) -> int:
    """The time (ms, their clock) of the newest message of `person` on record; 0: there is none."""
    direct = conversation_stream(PeerId(account, person))
    groups = log.streams(f"{account_stream(account)}/group/")
    return max(_newest_ms(log, stream, person) for stream in (direct, *groups))


def _newest_ms(log: EventLog, stream: str, person: str) -> int:
    newest = 0
    try:
        for record in log.read_stream(stream):
            event = record.event
            if isinstance(event, MessageSeen | MessageIgnored) and event.sender == person:
                newest = max(newest, event.sent_ms)
    except LogDamaged as error:
        # The key goes all the same: that is the promise, and this conversation can't go on.
        _log.error("an erasure does not know how far %s reaches: %s", stream, error)
    return newest


def unfinished(log: EventLog, account: AccountState, of: str) -> list[str]:
    """Those erased in `account`, named `of`, whose key is still there."""
    return [
        person
        for person, erasure in account.erased.items()
        if log.key_id(person_key(of, person)) == erasure.key_id
    ]


def ends(log: EventLog, account: AccountState, of: str, persons: Iterable[str]) -> list[Draft]:
    """What is to be recorded before the keys of `persons` are destroyed, when nothing more will be
    recorded under them."""
    return [
        draft
        for person in persons
        for draft in decide_end(of, person, account.erased[person], newest_ms(log, of, person))
    ]


def erase(log: EventLog, account: str, person: str, *, now_ms: int, by: str) -> bool:
    """Record the erasure of `person`, then destroy their key. False: there was none.

    For a log that no daemon holds: it must be open for writing.
    """
    key_id = log.key_id(person_key(account, person))
    if key_id is None:
        return False
    _commit(log, account, decide_erasure(account, person, key_id=key_id, until_ms=now_ms, by=by))
    finish_erasures(log, account)
    return True


def finish_erasures(log: EventLog, account: str) -> None:
    """Destroy the keys that are recorded as destroyed: a crash may have come in between."""
    state = fold(log.read_stream(account_stream(account)))
    persons = unfinished(log, state, account)
    _commit(log, account, ends(log, state, account, persons))
    for person in persons:
        log.destroy(person_key(account, person))


def _commit(log: EventLog, account: str, drafts: Sequence[Draft]) -> None:
    stream = account_stream(account)
    log.commit(drafts, expected={stream: log.version(stream)})
