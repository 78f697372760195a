"""`ztm-chat audit trail`: decisions, one a line."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ztm_chat.audit_commands.selection_options import selected, selection_options
from ztm_chat.config_option import config_option, log_folder, log_option
from ztm_chat.opening import log_opened
from ztm_chat.printing.decision_rows import COLUMNS, as_csv, as_json, csv_record, line

PAGE = 50


@click.command("trail")
@config_option
@log_option
@selection_options
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=PAGE,
    show_default=True,
    metavar="N",
    help="Show the last N decisions; 0: all.",
)
@click.option(
    "--before", type=click.IntRange(1), metavar="SEQ", help="Only decisions before this sequence."
)
@click.option("--follow", is_flag=True, help="Follow new decisions.")
@click.option("--json", "json_lines", is_flag=True, help="Print JSON Lines.")
@click.option("--csv", "csv_records", is_flag=True, help="Print CSV.")
def trail(
    config: str | None,
    log_path: Path | None,
    limit: int,
    before: int | None,
    follow: bool,
    json_lines: bool,
    csv_records: bool,
    **wanted: Any,
) -> None:
    """List decisions, newest last: who, where, what, and by which rule.

    Each line begins with a sequence that `ztm-chat why` explains. To page back, pass the first
    sequence shown to --before.
    """
    if json_lines and csv_records:
        raise click.UsageError("choose one of --json and --csv")
    written = as_json if json_lines else as_csv if csv_records else line
    folder = log_folder(config, log_path)
    with log_opened(folder) as log:
        from store.audit.decisions import Decisions
        from store.audit.index import TrailIndex

        index = TrailIndex(folder, lambda note: click.echo(f"({note})", err=True))
        decisions = Decisions(log, selected(wanted), index)
        end = log.head().seq
        until = before or end + 1
        rows = decisions.newest(limit, until) if limit else decisions.all()
        if csv_records:
            click.echo(csv_record(list(COLUMNS)))
        first = None
        for row in rows:
            if row.seq >= until:
                break
            first = first or row.seq
            click.echo(written(row, decisions.text(row), decisions.unanswered(row)))
        if written is line and first is None:
            click.echo("No matching decisions.", err=True)
        elif written is line and limit and len(rows) == limit:  # type: ignore[arg-type]
            click.echo(f"Older decisions: --before {first}", err=True)
        if follow:
            with suppress(KeyboardInterrupt):
                for row in decisions.follow(end, threading.Event()):
                    # What will become of it is not known yet.
                    click.echo(written(row, decisions.text(row), None))
