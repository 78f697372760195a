"""`ztm-chat why`: what happened to one message."""

from itertools import islice
from typing import Any

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import Failure
from ztm_chat.opening import log_opened
from ztm_chat.printing.event_json import plain_event
from ztm_chat.printing.terminal import as_json_line

NEAREST = 5
HEX = frozenset("0123456789abcdef")
DIGITS = 6
"""The fewest digits that can be the start of an identity without letters."""


@click.command()
@click.argument("message", required=False)
@config_option
@click.option(
    "--peer", metavar="NAME", help="Explain the last message of the conversation with NAME."
)
@click.option("--account", metavar="ID", help="The account of --peer, if there are several.")
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
    """Explain what happened to a message, and why.

    MESSAGE is the sequence of any event that concerns it, or the start of its identity
    (hexadecimal). Works whether the daemon runs or not.
    """
    del last
    settings = configuration(config)
    if (message is None) == (peer is None):
        raise click.UsageError("give a MESSAGE, or a conversation with --peer")
    with log_opened(settings.store.path) as log:
        trail = (
            _by_peer(log, settings, str(peer), account)
            if message is None
            else _by_message(log, message)
        )
        if as_json:
            events = [plain_event(log, record) for record in (trail.message, *trail.events)]
            click.echo(as_json_line({"events": events}))
        else:
            from ztm_chat.printing.current_policy import compare_with_current_policy
            from ztm_chat.printing.message_story import explain, policies_of_log

            for line in explain(log, trail, policies_of_log(log, trail.message.stream)):
                click.echo(line)
            for line in compare_with_current_policy(log, trail):
                click.echo(line)


def _by_peer(log: Any, settings: Any, peer: str, account: str | None) -> Any:
    from events.streams import PeerId, conversation_stream
    from store.read_models.trail import last_message, trail_of_seq

    ids = [config.id for config in settings.accounts if account in (None, config.id)]
    streams = [conversation_stream(PeerId(account_id, peer)) for account_id in ids]
    known = [stream for stream in streams if log.version(stream)]
    if not known:
        msg = f"there is no conversation with {peer!r}; check --peer (the exact name) and --account"
        raise Failure(msg)
    if len(known) > 1:
        msg = f"{peer!r} has conversations in several accounts; choose one with --account"
        raise Failure(msg)
    message = last_message(log, known[0])
    if message is None:
        msg = f"the conversation with {peer!r} has no messages"
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
    # An identity may begin with digits only, but a short number, or one in the log, is a sequence.
    no_identity = seq is not None and (seq <= log.head().seq or len(start) < DIGITS)
    found = [] if no_identity else _identities(log, start)
    if not found and seq is not None:
        raise Failure(_no_message_at(log, seq))
    if len(found) != 1:
        raise Failure(_no_single_message(log, start, found))
    trail = trail_of_identity(log, found[0])
    if trail is None:
        msg = f"the message {found[0].hex()} predates the bot: it was never decided"
        raise Failure(msg)
    return trail


def _identities(log: Any, start: str) -> list[bytes]:
    """Identities that begin with `start` (hexadecimal): a few more than are shown, at most."""
    found = log.identities(bytes.fromhex(start[: len(start) // 2 * 2]))
    fitting = (identity for identity, _ in found if identity.hex().startswith(start))
    return list(islice(fitting, NEAREST + 1))


def _no_single_message(log: Any, start: str, found: list[bytes]) -> str:
    fact = "several messages have" if found else "no message has"
    nearest, shorter = found, start
    while not nearest and shorter:
        shorter = shorter[:-1]
        nearest = _identities(log, shorter)
    names = ", ".join(identity.hex()[:12] for identity in nearest[:NEAREST]) or "none"
    more = ", …" if len(nearest) > NEAREST else ""
    return (
        f"{fact} an identity that starts with {start[:40]}; nearest: {names}{more}."
        " Give more digits, or a sequence"
    )


def _no_message_at(log: Any, seq: int) -> str:
    from store.read_models.trail import message_of_seq

    head = log.head().seq
    near = range(max(1, seq - 50), min(head, seq + 50) + 1)
    found = {}
    for place in sorted(near, key=lambda place: abs(place - seq)):
        message = message_of_seq(log, place)
        if message is not None:
            found[message.seq] = place
        if len(found) == NEAREST:
            break
    nearest = ", ".join(str(message) for message in sorted(found)) or "none"
    event = log.event(seq)
    what = f"the log ends at {head}" if event is None else f"it is {type(event.event).__name__}"
    return f"event {seq} belongs to no message ({what}); nearest messages: {nearest}"
