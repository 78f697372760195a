"""`ztm-chat dead-letters`: messages that were let in and that the agent could not answer."""

import time
from typing import Any

import click

from ztm_chat.commands.why import command as why
from ztm_chat.commands.why import opened
from ztm_chat.configured import config_option, configuration
from ztm_chat.shown import ago, as_json_line, safe
from ztm_chat.socket_client import ask


@click.group()
def command() -> None:
    """List, show, retry and drop messages that the agent could not answer."""


@command.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
def list_(config: str | None, as_json: bool) -> None:
    """List them, the oldest first, by the sequence that the other commands take."""
    from store.read_models.dead_letters import dead_letters

    now_ms = time.time_ns() // 1_000_000
    found = 0
    with opened(configuration(config).store.path) as log:
        for letter in dead_letters(log):
            found += 1
            text = log.body(letter.seen.seq)
            if as_json:
                click.echo(as_json_line(_plain(letter, text)))
            else:
                words = "(erased)" if text is None else safe(text, 60)
                click.echo(
                    f"{letter.seen.seq}  {safe(letter.sender)}"
                    f"  {ago(letter.since_ms, now_ms)}  {safe(letter.stream)}  {words}"
                )
    if not found and not as_json:
        click.echo("No dead letters.")


@command.command()
@click.argument("seq")
@config_option
@click.pass_context
def show(ctx: click.Context, seq: str, config: str | None) -> None:
    """Show what happened to one of them, as `why` does."""
    ctx.invoke(why, message=seq, config=config)


@command.command()
@click.argument("seq", type=int)
@config_option
def retry(seq: int, config: str | None) -> None:
    """Have it answered after all."""
    _redeem(config, "retry", seq)
    click.echo(f"{seq} goes to the agent again.")


@command.command()
@click.argument("seq", type=int)
@config_option
def drop(seq: int, config: str | None) -> None:
    """Have done with it."""
    _redeem(config, "drop", seq)
    click.echo(f"{seq} is dropped.")


def _redeem(config: str | None, kind: str, seq: int) -> None:
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
