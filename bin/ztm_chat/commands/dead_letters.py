"""`ztm-chat dead-letters`: accepted messages that got no answer."""

import time
from pathlib import Path
from typing import Any

import click

from ztm_chat.commands.why import command as why
from ztm_chat.config_option import config_option, configuration, log_folder, log_option
from ztm_chat.opening import log_opened
from ztm_chat.printing.terminal import ago, as_json_line, safe
from ztm_chat.socket_client import ask


@click.group()
def command() -> None:
    """List, show, retry and drop accepted messages that got no answer."""


@command.command("list")
@config_option
@log_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
def list_(config: str | None, log_path: Path | None, as_json: bool) -> None:
    """List dead letters, oldest first, each with the SEQ that the other commands take."""
    from store.read_models.dead_letters import dead_letters

    now_ms = time.time_ns() // 1_000_000
    found = 0
    with log_opened(log_folder(config, log_path)) as log:
        for letter in dead_letters(log):
            found += 1
            text = log.body(letter.seen.seq)
            if as_json:
                click.echo(as_json_line(_plain(letter, text)))
            else:
                shown = "(erased)" if text is None else safe(text, 60)
                click.echo(
                    f"{letter.seen.seq}  {safe(letter.sender)}"
                    f"  {ago(letter.since_ms, now_ms)}  {letter.reason}"
                    f"  {safe(letter.stream)}  {shown}"
                )
    if not found and not as_json:
        click.echo("No dead letters.")


@command.command()
@click.argument("seq")
@config_option
@click.pass_context
def show(ctx: click.Context, seq: str, config: str | None) -> None:
    """Show what happened to a dead letter, as `why` does."""
    ctx.invoke(why, message=seq, config=config)


@command.command()
@click.argument("seq", type=int)
@config_option
def retry(seq: int, config: str | None) -> None:
    """Send it to the agent again."""
    _resolve(config, "retry", seq)
    click.echo(f"{seq} will be sent to the agent again.")


@command.command()
@click.argument("seq", type=int)
@config_option
def drop(seq: int, config: str | None) -> None:
    """Discard it."""
    _resolve(config, "drop", seq)
    click.echo(f"{seq} was discarded.")


def _resolve(config: str | None, kind: str, seq: int) -> None:
    ask(configuration(config).gateway.socket, "POST", f"/dead-letters/{kind}", {"seq": seq})


def _plain(letter: Any, text: str | None) -> dict[str, Any]:
    return {
        "seq": letter.seen.seq,
        "stream": letter.stream,
        "sender": letter.sender,
        "reason": letter.reason,
        "since": letter.since_ms,
        "text": text,
    }
