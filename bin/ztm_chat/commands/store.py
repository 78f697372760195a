"""`ztm-chat store`: check, back up, restore and salvage the log."""

from pathlib import Path
from typing import Any

import click

from ztm_chat.config_option import config_option, configuration, log_folder, log_option
from ztm_chat.failure import FAILED
from ztm_chat.opening import log_failures
from ztm_chat.printing.terminal import as_json_line, safe

NEW_FOLDER = click.Path(path_type=Path)
REUSED = (
    "It lacks everything recorded after that: messages decided since then may be decided again,"
    " and replies to them may be mistaken for sent. Do not run the old log as well."
)


@click.group()
def command() -> None:
    """Check, back up and restore the log, and salvage a damaged one."""


@command.command()
@config_option
@log_option
@click.option("--quick", is_flag=True, help="Check only the hash chain.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(
    ctx: click.Context, config: str | None, log_path: Path | None, quick: bool, as_json: bool
) -> None:
    """Report which parts of the log are intact, and where it is damaged.

    Works while the daemon runs, and on a log that the daemon refuses to open. Damage gives exit
    code 1.
    """
    from actors.runtime.loader import folding_code
    from store.maintenance.check import check as check_log

    folder = log_folder(config, log_path)
    with log_failures():
        parts = check_log(folder, quick=quick, fingerprint=folding_code())
    if as_json:
        click.echo(as_json_line([_plain(part) for part in parts]))
    else:
        for part in parts:
            verdict = "DAMAGED" if part.damage else "intact"
            click.echo(f"{part.name:<10} {verdict:<8} {safe(part.seen)}")
            for place in part.damage:
                click.echo(f"  {safe(place)}")
    if any(part.damage for part in parts):
        ctx.exit(FAILED)


@command.command()
@click.argument("dest", type=NEW_FOLDER)
@config_option
@log_option
def backup(dest: Path, config: str | None, log_path: Path | None) -> None:
    """Copy the log to the new folder DEST and verify the copy. The daemon may be running.

    The copy contains the keys to all messages: keep it as safe as the log.
    """
    from store.maintenance.backup import back_up
    from store.maintenance.isolation import run_isolated

    folder = log_folder(config, log_path)
    with log_failures():
        copied = run_isolated(folder, back_up, folder, dest)
    click.echo(f"Backed up to {safe(str(dest))}: {_summary(copied)}, {copied.size:,} bytes.")


@command.command()
@click.argument("backup", type=click.Path(path_type=Path))
@config_option
def restore(backup: Path, config: str | None) -> None:
    """Restore the log in BACKUP to the configured folder, if there is no log yet."""
    from store.maintenance.backup import restore as restore_log
    from store.maintenance.isolation import run_isolated

    folder = configuration(config).store.path
    with log_failures():
        copied = run_isolated(backup, restore_log, backup, folder)
    click.echo(f"Restored to {safe(str(folder))}: {_summary(copied)}.")
    click.echo(REUSED)


@command.command()
@click.argument("newlog", type=NEW_FOLDER)
@config_option
@log_option
def salvage(newlog: Path, config: str | None, log_path: Path | None) -> None:
    """Save what is provably intact of a damaged log to the new folder NEWLOG.

    That is everything before the first damage. The damaged log is not changed. To continue with
    the new one, move it to the place of the old one.
    """
    from store.maintenance.salvage import salvage as salvage_log

    with log_failures():
        saved = salvage_log(log_folder(config, log_path), newlog)
    lost = "an unknown number of events is" if saved.lost is None else f"{saved.lost:,} events are"
    bodies = "an unknown number of" if saved.bodies_lost is None else f"{saved.bodies_lost:,}"
    click.echo(f"Saved to {safe(str(newlog))}: events 1 to {saved.head.seq:,}; {lost} lost.")
    click.echo(f"Head {saved.head.hash.hex()}; {bodies} message bodies of saved events are lost.")
    if saved.keys_lost:
        keys = len(saved.keys_lost)
        click.echo(f"{keys:,} keys are in no file: what they encrypt can't be read any more.")
    if saved.keys_lost or saved.why:
        click.echo(REUSED)
    if saved.why:
        click.echo(f"It ends at {safe(saved.why)}")


def _summary(copied: Any) -> str:
    return f"log {copied.log_id}, {copied.head.seq:,} events, head {copied.head.hash.hex()}"


def _plain(part: Any) -> dict[str, Any]:
    return {"part": part.name, "seen": part.seen, "damage": list(part.damage)}
