"""Who can be forgotten, and forgetting without a daemon."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from events.account import fold
from events.conversation_events import MessageIgnored, MessageSeen
from events.erasure import decide_erasure
from events.standing import person_key
from events.streams import Group, Peer, account_stream, parse_stream
from store.event_log import EventLog

NEAREST = 5


def accounts_with(log: EventLog, accounts: Iterable[str], person: str) -> list[str]:
    """Those of `accounts` that keep words of `person` (exact name), or did until a key was lost."""
    return [one for one in accounts if log.key_id(person_key(one, person)) is not None]


def nearest(log: EventLog, person: str) -> list[str]:
    """Names of known correspondents that look like `person`."""
    addresses = map(parse_stream, log.streams("account/"))
    names = {address.name for address in addresses if isinstance(address, Peer)}
    return get_close_matches(person, sorted(names), NEAREST)


def newest_ms(log: EventLog, account: str, person: str) -> int:
    """The time (ms, their clock) of the newest message of `person` that is known; 0: none is."""
    times = (
        one.event.sent_ms
        for stream in _conversations(log, account, person)
        for one in log.read_stream(stream)
        if isinstance(one.event, MessageSeen | MessageIgnored) and one.event.sender == person
    )
    return max(times, default=0)


def erase(log: EventLog, account: str, person: str, *, now_ms: int, by: str) -> bool:
    """Record the erasure of `person`, then lose their key. False: there was none.

    For a log that no daemon holds: it must be open for writing.
    """
    name = person_key(account, person)
    key_id = log.key_id(name)
    if key_id is None:
        return False
    newest = newest_ms(log, account, person)
    drafts = decide_erasure(account, person, key_id=key_id, newest_ms=newest, now_ms=now_ms, by=by)
    stream = account_stream(account)
    log.commit(drafts, expected={stream: log.version(stream)})
    log.destroy(name)
    return True


def finish_erasures(log: EventLog, account: str) -> None:
    """Lose the keys that are recorded as lost: a crash may have come in between."""
    for person, erasure in fold(log.read_stream(account_stream(account))).erased.items():
        name = person_key(account, person)
        if log.key_id(name) == erasure.key_id:
            log.destroy(name)


def _conversations(log: EventLog, account: str, person: str) -> Iterator[str]:
    for stream in log.streams(f"{account_stream(account)}/"):
        match parse_stream(stream):
            case Peer(of, name) if of == account and name == person:
                yield stream
            case Group(of) if of == account:
                yield stream
