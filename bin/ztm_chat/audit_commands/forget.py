"""`ztm-chat forget`: a person's words, given up for good."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ztm_chat.audit_commands.opening import failures
from ztm_chat.configured import config_option, configuration
from ztm_chat.failure import Failure
from ztm_chat.shown import safe
from ztm_chat.socket_client import NotRunning, ask

if TYPE_CHECKING:
    from store.log.lmdb_log import LmdbLog


@click.command()
@click.argument("person")
@config_option
@click.option("--account", default="", help="Only in this account.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(person: str, config: str | None, account: str, yes: bool) -> None:
    """Destroy the key of PERSON (exact name): all their words, and the replies to them, are gone.

    What was decided stays on record, and so does the erasure. What the mesh still shows of that
    person is not taken in again; new messages are. It can't be undone. Copies of the log made
    before hold keys of their own.
    """
    settings = configuration(config)
    if not yes:
        click.confirm(f"Give up all words of {safe(person)} for good?", abort=True, err=True)
    try:
        found = ask(
            settings.gateway.socket, "POST", "/forget", {"person": person, "account": account}
        )
        accounts = found["accounts"]
    except NotRunning:
        accounts = _without_daemon(settings, person, account)
    for one in accounts:
        click.echo(f"Forgotten: {safe(person)} (account {one}).")


def _without_daemon(settings: Any, person: str, account: str) -> list[str]:
    from store.log.lmdb_log import LmdbLog

    path: Path = settings.store.path
    with failures():
        if not path.exists():
            msg = f"there is no log in {path}, so nothing is known of anybody"
            raise Failure(msg)
        log = LmdbLog.open(
            path, map_size=settings.store.map_size, max_map_size=settings.store.max_map_size
        )
        try:
            return _forget(log, settings, person, account)
        finally:
            log.close()


def _forget(log: "LmdbLog", settings: Any, person: str, account: str) -> list[str]:
    from store.read_models.erasure import accounts_with, erase, finish_erasures, nearest

    ids = [one.id for one in settings.accounts if account in ("", one.id)]
    for one in ids:
        finish_erasures(log, one)
    accounts = accounts_with(log, ids, person)
    if not accounts:
        raise Failure(nobody(person, nearest(log, person)))
    now_ms = time.time_ns() // 1_000_000
    for one in accounts:
        erase(log, one, person, now_ms=now_ms, by="operator")
    return accounts


def nobody(person: str, names: list[str]) -> str:
    """What is said when nothing is kept of a person."""
    near = f"; names like it: {', '.join(safe(name) for name in names)}" if names else ""
    return f"no words of {safe(person)!r} are kept{near}"
