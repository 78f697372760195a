"""`ztm-chat pairing`: who waits to be let in, and the operator's word on it."""

import time
from typing import Any

import click

from ztm_chat.configured import config_option, configuration
from ztm_chat.failure import UNUSABLE, Failure
from ztm_chat.shown import ago, as_json_line, safe
from ztm_chat.socket_client import ask

CHANNELS = ("ztm-chat", "ztm")
"""The channel's name and its alias: the word before a code may be left out."""

account_option = click.option("--account", default="", help="Only this account.")


@click.group()
def command() -> None:
    """List, approve, deny and revoke pairings (of the running daemon)."""


@command.command("list")
@click.argument("channel", required=False)
@account_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(channel: str | None, account: str, config: str | None, as_json: bool) -> None:
    """List who waits with which code, and who was let in."""
    _check_channel(channel)
    found = _ask(config, "GET", "/pairings")
    if account:
        found = {
            kind: [one for one in ones if one["account"] == account] for kind, ones in found.items()
        }
    if as_json:
        click.echo(as_json_line(found))
        return
    now_ms = time.time_ns() // 1_000_000
    if not found["pending"]:
        click.echo("No pending ztm-chat pairing requests.")
    for one in found["pending"]:
        left = max(0, one["expiresAt"] - now_ms) // 60_000
        click.echo(
            f"{one['code']}  {safe(one['person'])}  (account {one['account']},"
            f" {ago(one['requestedAt'], now_ms)}, valid for {left} min)"
        )
    for one in found["paired"]:
        click.echo(f"approved  {safe(one['person'])}  (account {one['account']})")


@command.command()
@click.argument("words", nargs=-1, required=True, metavar="[CHANNEL] CODE")
@account_option
@config_option
def approve(words: tuple[str, ...], account: str, config: str | None) -> None:
    """Let in the person who was given CODE; they are told."""
    ruled = _rule(config, "approve", {"code": _code(words), "account": account})
    click.echo(f"Approved {safe(ruled['person'])} (account {ruled['account']}).")


@command.command()
@click.argument("words", nargs=-1, required=True, metavar="[CHANNEL] CODE")
@account_option
@config_option
def deny(words: tuple[str, ...], account: str, config: str | None) -> None:
    """Refuse the request with CODE; the person is not told."""
    ruled = _rule(config, "deny", {"code": _code(words), "account": account})
    click.echo(f"Denied {safe(ruled['person'])} (account {ruled['account']}).")


@command.command()
@click.argument("person")
@account_option
@config_option
def revoke(person: str, account: str, config: str | None) -> None:
    """Withdraw the approval of PERSON."""
    ruled = _rule(config, "revoke", {"person": person, "account": account})
    click.echo(f"Revoked {safe(ruled['person'])} (account {ruled['account']}).")


def _code(words: tuple[str, ...]) -> str:
    match words:
        case [code]:
            return code
        case [channel, code]:
            _check_channel(channel)
            return code
    raise click.UsageError("give one code, after the channel's name if you like")


def _check_channel(channel: str | None) -> None:
    if channel is not None and channel not in CHANNELS:
        msg = (
            f"there is no channel {safe(channel)!r} here; it is {CHANNELS[0]} (alias {CHANNELS[1]})"
        )
        raise Failure(msg, UNUSABLE)


def _rule(config: str | None, kind: str, judged: dict[str, Any]) -> Any:
    return _ask(config, "POST", f"/pairings/{kind}", judged)


def _ask(config: str | None, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
    return ask(configuration(config).gateway.socket, method, target, body)
