"""`ztm-chat export`: conversations, to be read or archived without this program."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ztm_chat.audit_commands.private_output import private_output
from ztm_chat.audit_commands.time_option import TIME
from ztm_chat.config_option import config_option, log_folder, log_option
from ztm_chat.opening import log_opened
from ztm_chat.printing.terminal import local_time

if TYPE_CHECKING:
    from store.audit.selection import Selection
    from store.log.lmdb_reader import LmdbReader


@click.command()
@config_option
@log_option
@click.option("--account", default="", metavar="ID", help="Only this account.")
@click.option("--peer", default="", metavar="NAME", help="Only the conversation with NAME (exact).")
@click.option("--group", default="", metavar="[CREATOR/]GROUP", help="Only this group, by its id.")
@click.option(
    "--since", "since_ms", type=TIME, default=0, help="Only what was recorded since TIME."
)
@click.option(
    "--until", "until_ms", type=TIME, default=0, help="Only what was recorded until TIME."
)
@click.option("--html", is_flag=True, help="Write an HTML page instead of JSON Lines.")
@click.option(
    "--output", metavar="FILE", help="Write to FILE (readable by you alone), not to stdout."
)
@click.option(
    "--sign", "key", metavar="KEY.pem", help="Sign FILE with an Ed25519 key; writes FILE.sig."
)
def command(
    config: str | None,
    log_path: Path | None,
    html: bool,
    output: str | None,
    key: str | None,
    **wanted: Any,
) -> None:
    """Export conversations: every event as JSON Lines, or a readable HTML page.

    An export contains messages in plain text.
    """
    if key and not output:
        raise click.UsageError("--sign needs --output: only a file can be signed")
    from store.audit.selection import Selection
    from ztm_chat.audit_commands.signing import sign, signing_key

    signer = signing_key(Path(key)) if key else None
    selection = Selection(**wanted)
    with log_opened(log_folder(config, log_path)) as log, _written(output) as out:
        for part in _page(log, selection) if html else _lines(log, selection):
            out.write(part)
    if signer and output:
        click.echo(f"Signed: {sign(Path(output), signer)}", err=True)


def _written(output: str | None) -> AbstractContextManager[TextIO]:
    return private_output(Path(output)) if output else nullcontext(sys.stdout)


def _lines(log: "LmdbReader", selection: "Selection") -> Iterator[str]:
    """A line about the export, then one for each event."""
    from store.audit.export import conversations
    from store.verify.heads import head_of
    from ztm_chat.printing.event_json import plain_event

    about = {"export": "ztm-chat", "head": str(head_of(log)), "time": _now_ms()}
    yield json.dumps(about) + "\n"
    for stream, _ in conversations(log, selection):
        for record in log.read_stream(stream):
            if selection.is_time(record.time // 1_000_000):
                yield json.dumps(plain_event(log, record)) + "\n"


def _page(log: "LmdbReader", selection: "Selection") -> Iterator[str]:
    from store.audit.export import conversations, messages_in
    from store.read_models.account_history import history_of
    from store.verify.heads import head_of
    from ztm_chat.printing.html_page import begin_page, conversation_lines, end_page

    yield begin_page(f"Exported {local_time(_now_ms())} from the log with head {head_of(log)}.")
    names: dict[str, str] = {}
    for stream, address in conversations(log, selection):
        if address.account not in names:
            policies = list(history_of(log, address.account).policies.values())
            names[address.account] = policies[-1].username if policies else address.account
        said = messages_in(log, stream, selection, names[address.account])
        if said:
            yield from conversation_lines(address, said)
    yield end_page()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
