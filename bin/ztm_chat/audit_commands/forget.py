"""`ztm-chat forget`: a person's messages, permanently erased."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import Failure
from ztm_chat.opening import log_failures
from ztm_chat.printing.terminal import safe
from ztm_chat.socket_client import NotRunning, ask

if TYPE_CHECKING:
    from store.log.lmdb_log import LmdbLog


@click.command()
@click.argument("person")
@config_option
@click.option("--account", default="", help="Only in this account.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(person: str, config: str | None, account: str, yes: bool) -> None:
    """Permanently erase all messages of PERSON (exact name), and the replies to them.

    Their encryption key is destroyed. Decisions stay on record, and so does the erasure. Messages
    that the mesh still shows are not recorded again; new ones are. This cannot be undone. Earlier
    copies of the log have their own copies of the key.
    """
    settings = configuration(config)
    if not yes:
        click.confirm(f"Permanently erase all messages of {safe(person)}?", abort=True, err=True)
    try:
        found = ask(
            settings.gateway.socket, "POST", "/forget", {"person": person, "account": account}
        )
        accounts = found["accounts"]
    except NotRunning:
        accounts = _without_daemon(settings, person, account)
    for erased in accounts:
        click.echo(f"Erased all messages of {safe(person)} (account {erased}).")


def _without_daemon(settings: Any, person: str, account: str) -> list[str]:
    from store.log.lmdb_log import LmdbLog

    path: Path = settings.store.path
    with log_failures():
        if not path.exists():
            msg = f"there is no log in {path}, so there is nothing to erase"
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

    ids = [config.id for config in settings.accounts if account in ("", config.id)]
    for account_id in ids:
        finish_erasures(log, account_id)
    accounts = accounts_with(log, ids, person)
    if not accounts:
        raise Failure(no_messages(person, nearest(log, person)))
    now_ms = time.time_ns() // 1_000_000
    for account_id in accounts:
        erase(log, account_id, person, now_ms=now_ms, by="operator")
    return accounts


def no_messages(person: str, names: list[str]) -> str:
    """The error when no message of a person is stored."""
    near = f"; similar names: {', '.join(safe(name) for name in names)}" if names else ""
    return f"no messages of {safe(person)!r} are stored{near}"
