"""`ztm-chat replay`: state rebuilt from the first event, and compared."""

from pathlib import Path
from typing import Any

import click

from ztm_chat.audit_commands.time_option import TIME
from ztm_chat.config_option import config_option, log_folder, log_option
from ztm_chat.failure import FAILED
from ztm_chat.opening import log_opened, source_opened
from ztm_chat.printing.past_state import plain_state, state_lines
from ztm_chat.printing.progress import progress_bar
from ztm_chat.printing.terminal import as_json_line


@click.command()
@config_option
@log_option
@click.option(
    "--until",
    type=TIME,
    metavar="TIME",
    help="Show the state at TIME: 2026-11-24, 2026-11-24T09:30, or 2h for two hours ago.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context, config: str | None, log_path: Path | None, until: int | None, as_json: bool
) -> None:
    """Rebuild state from the log and compare it with what is in use, then show it.

    Compared are the indexes of streams, of known messages and of unfinished work, and the saved
    snapshots. The state shows paired people, the policy in force, and the conversations. With
    --until, nothing is compared, and the state at that time is shown. A difference gives exit
    code 1. The daemon is not disturbed.
    """
    folder = log_folder(config, log_path)
    compared = None if until is not None else _compare(folder)
    state = _state(folder, until)
    if as_json:
        found = {"compared": compared, "state": plain_state(state)}
        click.echo(as_json_line(found))
    else:
        lines = [*_lines(compared), *state_lines(state)]
        click.echo("\n".join(lines))
    if compared and compared["differences"]:
        ctx.exit(FAILED)


def _compare(folder: Path) -> dict[str, Any]:
    from actors.runtime.loader import folding_code
    from store.maintenance.index_check import IndexCheck
    from store.maintenance.snapshot_check import compare_snapshots

    with source_opened(folder) as source, progress_bar("Comparing") as progress:
        indexes = IndexCheck(source)
        differences = [
            {"table": difference.table, "what": difference.what}
            for difference in indexes.compare(progress)
        ]
        snapshots = 0
        for kept in compare_snapshots(folder, source.log, folding_code()):
            snapshots += 1
            if not kept.agrees:
                what = f"{kept.stream} at version {kept.version} does not match its events"
                differences.append({"table": "snapshots", "what": what})
        entries = {**indexes.entries, "open": indexes.open, "snapshots": snapshots}
        return {"events": indexes.events, "entries": entries, "differences": differences}


def _state(folder: Path, until: int | None) -> Any:
    from store.audit.past_state import past_state_of

    with log_opened(folder) as log, progress_bar("Rebuilding") as progress:
        total = log.head().seq
        return past_state_of(log, until, lambda done: progress(done, total))


def _lines(compared: dict[str, Any] | None) -> list[str]:
    if compared is None:
        return []
    entries = ", ".join(f"{count:,} {table}" for table, count in compared["entries"].items())
    lines = [f"Replayed {compared['events']:,} events: {entries}."]
    if compared["differences"]:
        lines.append("Derived indexes do not match the events:")
        lines += [
            f"  {difference['table']}: {difference['what']}"
            for difference in compared["differences"]
        ]
    else:
        lines.append("Derived indexes match the events.")
    return [*lines, ""]
