"""`ztm-chat replay`: everything folded again from the first event."""

from pathlib import Path
from typing import Any

import click

from ztm_chat.audit_commands.opening import log_opened, source_opened
from ztm_chat.audit_commands.progress import progress_bar
from ztm_chat.audit_commands.state import lines_of_moment, plain_moment
from ztm_chat.audit_commands.times import TIME
from ztm_chat.configured import config_option, configuration
from ztm_chat.failure import FAILED
from ztm_chat.shown import as_json_line


@click.command()
@config_option
@click.option(
    "--until",
    type=TIME,
    metavar="TIME",
    help="Show the state as it was then: 2026-11-24, 2026-11-24T09:30, or 2h for two hours ago.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, config: str | None, until: int | None, as_json: bool) -> None:
    """Build everything that is derived from the log again, and compare it with what is in use.

    Compared are the indexes of streams, of known messages and of unfinished work, and the kept
    snapshots. Then the state is shown: who was paired, which policy held, which conversations there
    were. With --until only the state is shown, as it was at that time. A difference gives exit
    code 1; the daemon is not disturbed.
    """
    folder = configuration(config).store.path
    compared = None if until is not None else _compare(folder)
    moment = _moment(folder, until)
    if as_json:
        found = {"compared": compared, "state": plain_moment(moment)}
        click.echo(as_json_line(found))
    else:
        lines = [*_lines(compared), *lines_of_moment(moment)]
        click.echo("\n".join(lines))
    if compared and compared["differences"]:
        ctx.exit(FAILED)


def _compare(folder: Path) -> dict[str, Any]:
    from actors.runtime.loader import folding_code
    from store.maintenance.kept_states import compare_snapshots
    from store.maintenance.rebuilt import Rebuilt

    with source_opened(folder) as source, progress_bar("Replaying") as progress:
        rebuilt = Rebuilt(source)
        differences = [{"table": one.table, "what": one.what} for one in rebuilt.compare(progress)]
        snapshots = 0
        for kept in compare_snapshots(folder, source.log, folding_code()):
            snapshots += 1
            if not kept.agrees:
                what = f"of {kept.stream} at version {kept.version} is not what its events fold to"
                differences.append({"table": "snapshots", "what": what})
        entries = {**rebuilt.entries, "open": rebuilt.open, "snapshots": snapshots}
        return {"events": rebuilt.events, "entries": entries, "differences": differences}


def _moment(folder: Path, until: int | None) -> Any:
    from store.audit.past_state import past_state_of

    with log_opened(folder) as log, progress_bar("Folding") as progress:
        total = log.head().seq
        return past_state_of(log, until, lambda done: progress(done, total))


def _lines(compared: dict[str, Any] | None) -> list[str]:
    if compared is None:
        return []
    entries = ", ".join(f"{count:,} {table}" for table, count in compared["entries"].items())
    lines = [f"Replayed {compared['events']:,} events: {entries}."]
    if compared["differences"]:
        lines.append("What is derived differs from what the events say:")
        lines += [f"  {one['table']}: {one['what']}" for one in compared["differences"]]
    else:
        lines.append("All that is derived is what the events say.")
    return [*lines, ""]
