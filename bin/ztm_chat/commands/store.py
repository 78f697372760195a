"""`ztm-chat store`: is the log intact; copies of it; and what is left of a damaged one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ztm_chat.configured import config_option, configuration
from ztm_chat.failure import FAILED, UNUSABLE, Failure
from ztm_chat.shown import as_json_line, safe

NEW_FOLDER = click.Path(path_type=Path)
REUSED = (
    "What was recorded after that is not in it: messages decided since then may be decided again,"
    " and replies to them may be taken for sent. Do not run the old log beside it."
)


@click.group()
def command() -> None:
    """Check the log, back it up, restore it, and save what is left of a damaged one."""


@command.command()
@config_option
@click.option("--quick", is_flag=True, help="Look at the chain of events alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, config: str | None, quick: bool, as_json: bool) -> None:
    """Say what of the log is intact, and what is damaged, with its place.

    It works beside the daemon, and on a log that the daemon refuses to open. Damage gives exit
    code 1.
    """
    from actors.runtime.loader import folding_code
    from store.maintenance.check import check as look

    folder = configuration(config).store.path
    with _failures():
        parts = look(folder, quick=quick, fingerprint=folding_code())
    if as_json:
        click.echo(as_json_line([_plain(part) for part in parts]))
    else:
        for part in parts:
            word = "DAMAGED" if part.damage else "intact"
            click.echo(f"{part.name:<10} {word:<8} {safe(part.seen)}")
            for place in part.damage:
                click.echo(f"  {safe(place)}")
    if any(part.damage for part in parts):
        ctx.exit(FAILED)


@command.command()
@click.argument("dest", type=NEW_FOLDER)
@config_option
def backup(dest: Path, config: str | None) -> None:
    """Copy the log to the new folder DEST, while the daemon runs or not, and prove the copy.

    The copy holds the keys to everybody's words: keep it as safe as the log.
    """
    from store.maintenance.backup import back_up
    from store.maintenance.isolation import run_isolated

    folder = configuration(config).store.path
    with _failures():
        copied = run_isolated(folder, back_up, folder, dest)
    click.echo(f"Backed up to {safe(str(dest))}: {_told(copied)}, {copied.size:,} bytes.")


@command.command()
@click.argument("backup", type=click.Path(path_type=Path))
@config_option
def restore(backup: Path, config: str | None) -> None:
    """Bring the log in BACKUP to where the configuration wants the log, if there is none."""
    from store.maintenance.backup import restore as bring_back
    from store.maintenance.isolation import run_isolated

    folder = configuration(config).store.path
    with _failures():
        copied = run_isolated(backup, bring_back, backup, folder)
    click.echo(f"Restored to {safe(str(folder))}: {_told(copied)}.")
    click.echo(REUSED)


@command.command()
@click.argument("newlog", type=NEW_FOLDER)
@config_option
def salvage(newlog: Path, config: str | None) -> None:
    """Save what can be proved of a damaged log to the new folder NEWLOG.

    That is everything before the first damage. The damaged log stays as it is; to go on with the
    new one, move it to the place of the old one.
    """
    from store.maintenance.salvage import salvage as save

    with _failures():
        saved = save(configuration(config).store.path, newlog)
    lost = "an unknown number of events is" if saved.lost is None else f"{saved.lost:,} events are"
    words = "an unknown number of" if saved.words_lost is None else f"{saved.words_lost:,}"
    click.echo(f"Saved to {safe(str(newlog))}: events 1 to {saved.head.seq:,}; {lost} lost.")
    click.echo(f"Head {saved.head.hash.hex()}; {words} bodies of saved events are lost.")
    if saved.why:
        click.echo(f"It ends at {safe(saved.why)}")
        click.echo(REUSED)


def _told(copied: Any) -> str:
    return f"log {copied.log_id}, {copied.head.seq:,} events, head {copied.head.hash.hex()}"


def _plain(part: Any) -> dict[str, Any]:
    return {"part": part.name, "seen": part.seen, "damage": list(part.damage)}


@contextmanager
def _failures() -> Iterator[None]:
    from store.errors import LogError

    try:
        yield
    except LogError as error:
        raise Failure(str(error), UNUSABLE) from error
