"""`ztm-chat why`: one message's trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ztm_chat.configured import config_option, configuration
from ztm_chat.failure import UNUSABLE, Failure
from ztm_chat.plain import plain_event
from ztm_chat.shown import as_json_line

NEAREST = 5
HEX = frozenset("0123456789abcdef")
DIGITS = 6
"""How many digits the start of an identity has at least, if it has nothing else."""


@click.command()
@click.argument("message", required=False)
@config_option
@click.option("--peer", metavar="NAME", help="The last message of the conversation with NAME.")
@click.option("--account", metavar="ID", help="The account of --peer, when there are several.")
@click.option("--last", is_flag=True, help="With --peer: its last message (the default).")
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON.")
def command(
    message: str | None,
    config: str | None,
    peer: str | None,
    account: str | None,
    last: bool,
    as_json: bool,
) -> None:
    """Explain what was done with a message, and why.

    MESSAGE is the sequence of any event that has to do with it, or the start of its identity
    (hexadecimal). It works whether the daemon runs or not.
    """
    del last
    settings = configuration(config)
    if (message is None) == (peer is None):
        raise click.UsageError("name a message, or a conversation with --peer")
    with opened(settings.store.path) as log:
        trail = (
            _by_peer(log, settings, str(peer), account)
            if message is None
            else _by_message(log, message)
        )
        if as_json:
            events = [plain_event(log, one) for one in (trail.message, *trail.events)]
            click.echo(as_json_line({"events": events}))
        else:
            from ztm_chat.audit_commands.today import compared_with_today
            from ztm_chat.explained import explain, policies_of_log

            for line in explain(log, trail, policies_of_log(log, trail.message.stream)):
                click.echo(line)
            for line in compared_with_today(log, trail):
                click.echo(line)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The log at `path`, to read, beside its daemon or without one. Raises `Failure`."""
    from store.errors import LogError
    from store.log.lmdb_log import LmdbLog

    try:
        log = LmdbLog.open_reader(path)
    except LogError as error:
        raise Failure(str(error), UNUSABLE) from error
    try:
        yield log
    except LogError as error:
        raise Failure(str(error), UNUSABLE) from error
    finally:
        log.close()


def _by_peer(log: Any, settings: Any, peer: str, account: str | None) -> Any:
    from events.streams import PeerId, conversation_stream
    from store.read_models.trail import last_message, trail_of_seq

    ids = [one.id for one in settings.accounts if account in (None, one.id)]
    streams = [conversation_stream(PeerId(one, peer)) for one in ids]
    known = [stream for stream in streams if log.version(stream)]
    if len(known) != 1:
        found = "no conversation" if not known else "conversations of several accounts"
        msg = f"there is {found} with {peer!r}; name the account with --account, the peer exactly"
        raise Failure(msg)
    message = last_message(log, known[0])
    if message is None:
        msg = f"the conversation with {peer!r} holds no message"
        raise Failure(msg)
    return trail_of_seq(log, message.seq)


def _by_message(log: Any, message: str) -> Any:
    from store.read_models.trail import trail_of_identity, trail_of_seq

    start = message.lower()
    if not (start and set(start) <= HEX):
        msg = f"{message!r} is neither a sequence nor the start of an identity (hexadecimal)"
        raise Failure(msg)
    seq = int(start) if start.isdecimal() and len(start) < 12 else None
    trail = trail_of_seq(log, seq) if seq is not None else None
    if trail is not None:
        return trail
    # An identity may begin with digits only; a number that the log has, or a short one, is none.
    no_identity = seq is not None and (seq <= log.head().seq or len(start) < DIGITS)
    found = [] if no_identity else _identities(log, start)
    if not found and seq is not None:
        raise Failure(_no_message_at(log, seq))
    if len(found) != 1:
        raise Failure(_no_single_message(log, start, found))
    trail = trail_of_identity(log, found[0])
    if trail is None:
        msg = f"the message {found[0].hex()} was there before the bot came: it was never decided"
        raise Failure(msg)
    return trail


def _identities(log: Any, start: str) -> list[bytes]:
    """Identities that begin with `start` (hexadecimal): a few more than are shown, at most."""
    found = log.identities(bytes.fromhex(start[: len(start) // 2 * 2]))
    fitting = (identity for identity, _ in found if identity.hex().startswith(start))
    return list(islice(fitting, NEAREST + 1))


def _no_single_message(log: Any, start: str, found: list[bytes]) -> str:
    told = "several messages have it" if found else "no message has it"
    nearest, shorter = found, start
    while not nearest and shorter:
        shorter = shorter[:-1]
        nearest = _identities(log, shorter)
    names = ", ".join(identity.hex()[:12] for identity in nearest[:NEAREST]) or "none"
    more = ", …" if len(nearest) > NEAREST else ""
    return (
        f"the identity {start[:40]}…: {told}; the nearest: {names}{more};"
        " give more of it, or a sequence"
    )


def _no_message_at(log: Any, seq: int) -> str:
    from store.read_models.trail import trail_of_seq

    head = log.head().seq
    near = range(max(1, seq - 50), min(head, seq + 50) + 1)
    found = {}
    for place in sorted(near, key=lambda place: abs(place - seq)):
        trail = trail_of_seq(log, place)
        if trail is not None:
            found[trail.message.seq] = place
        if len(found) == NEAREST:
            break
    nearest = ", ".join(str(one) for one in sorted(found)) or "none"
    event = log.event(seq)
    what = f"the log ends at {head}" if event is None else f"it is {type(event.event).__name__}"
    return f"the event {seq} belongs to no message ({what}); messages near it: {nearest}"
