"""`ztm-chat pairing`: pending requests, and the operator's decisions on them."""

from typing import Any

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import UNUSABLE, Failure
from ztm_chat.printing.terminal import ago, as_json_line, safe
from ztm_chat.socket_client import ask

CHANNELS = ("ztm-chat", "ztm")
"""The channel's name and its alias; it may be left out before a code."""

account_option = click.option("--account", default="", help="Only this account.")


@click.group()
def command() -> None:
    """List, approve, deny and revoke pairings. The daemon must be running."""


@command.command("list")
@click.argument("channel", required=False)
@account_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(channel: str | None, account: str, config: str | None, as_json: bool) -> None:
    """List pending requests with their codes, and approved people."""
    _check_channel(channel)
    found = _ask(config, "GET", "/pairings")
    now_ms = found.pop("now")
    if account:
        found = {
            kind: [entry for entry in entries if entry["account"] == account]
            for kind, entries in found.items()
        }
    if as_json:
        click.echo(as_json_line(found))
        return
    if not found["pending"]:
        click.echo("No pending ztm-chat pairing requests.")
    for request in found["pending"]:
        left = max(0, request["expiresAt"] - now_ms) // 60_000
        click.echo(
            f"{request['code']}  {safe(request['person'])}  (account {request['account']},"
            f" {ago(request['requestedAt'], now_ms)}, valid for {left} min)"
        )
    for approval in found["paired"]:
        click.echo(f"approved  {safe(approval['person'])}  (account {approval['account']})")


@command.command()
@click.argument("words", nargs=-1, required=True, metavar="[CHANNEL] CODE")
@account_option
@config_option
def approve(words: tuple[str, ...], account: str, config: str | None) -> None:
    """Approve CODE and notify the person."""
    decided = _decide(config, "approve", {"code": _code(words), "account": account})
    click.echo(f"Approved {safe(decided['person'])} (account {decided['account']}).")


@command.command()
@click.argument("words", nargs=-1, required=True, metavar="[CHANNEL] CODE")
@account_option
@config_option
def deny(words: tuple[str, ...], account: str, config: str | None) -> None:
    """Deny the request with CODE; the person is not notified."""
    decided = _decide(config, "deny", {"code": _code(words), "account": account})
    click.echo(f"Denied {safe(decided['person'])} (account {decided['account']}).")


@command.command()
@click.argument("person")
@account_option
@config_option
def revoke(person: str, account: str, config: str | None) -> None:
    """Revoke the approval of PERSON."""
    decided = _decide(config, "revoke", {"person": person, "account": account})
    click.echo(f"Revoked {safe(decided['person'])} (account {decided['account']}).")


def _code(words: tuple[str, ...]) -> str:
    match words:
        case [code]:
            return code
        case [channel, code]:
            _check_channel(channel)
            return code
    raise click.UsageError("give one CODE, with or without the channel's name before it")


def _check_channel(channel: str | None) -> None:
    if channel is not None and channel not in CHANNELS:
        msg = f"unknown channel {safe(channel)!r}; use {CHANNELS[0]} (or its alias {CHANNELS[1]})"
        raise Failure(msg, UNUSABLE)


def _decide(config: str | None, kind: str, request: dict[str, Any]) -> Any:
    return _ask(config, "POST", f"/pairings/{kind}", request)


def _ask(config: str | None, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
    return ask(configuration(config).gateway.socket, method, target, body)
