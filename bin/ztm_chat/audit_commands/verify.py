"""`ztm-chat audit verify`: the whole log verified, every decision made again."""

from pathlib import Path
from typing import Any

import click

from ztm_chat.config_option import config_option, log_folder, log_option
from ztm_chat.failure import FAILED, UNUSABLE, Failure
from ztm_chat.opening import log_failures
from ztm_chat.printing.progress import progress_bar
from ztm_chat.printing.terminal import as_json_line, safe


@click.command("verify")
@config_option
@log_option
@click.option(
    "--from-head",
    "kept",
    multiple=True,
    metavar="HEAD",
    help="A head printed by `audit head`, or a file of them: the log must extend it.",
)
@click.option("--no-bodies", is_flag=True, help="Skip message bodies: three times as fast.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, metavar="N", help="Number of processes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(
    ctx: click.Context,
    config: str | None,
    log_path: Path | None,
    kept: tuple[str, ...],
    no_bodies: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Verify that the log is unaltered and that every decision follows from its inputs.

    Checked are the hash chain, the versions of every stream, message bodies against their digests,
    and every decision, which is made again from its recorded inputs. If something is wrong, the
    first place is named and the exit code is 1.
    """
    folder = log_folder(config, log_path)
    heads = _heads(kept)
    proof = _verify(folder, heads, bodies=not no_bodies, jobs=jobs)
    shown = _plain(proof, heads) if as_json else "\n".join(_lines(proof, heads, no_bodies))
    click.echo(as_json_line(shown) if as_json else shown)
    if not proof.verified:
        ctx.exit(FAILED)


def _verify(folder: Path, heads: tuple[Any, ...], *, bodies: bool, jobs: int) -> Any:
    from store.verify.workers import prove_in_workers

    with log_failures(), progress_bar("Verifying") as progress:
        return prove_in_workers(folder, bodies=bodies, heads=heads, workers=jobs, progress=progress)


def _heads(kept: tuple[str, ...]) -> tuple[Any, ...]:
    from store.verify.heads import MalformedHead, parse_head

    try:
        return tuple(parse_head(line) for given in kept for line in _given(given))
    except (MalformedHead, OSError, UnicodeDecodeError) as error:
        raise Failure(safe(str(error)), UNUSABLE) from error


def _given(text: str) -> list[str]:
    """The heads in the file `text`; if there is no such file, `text` itself is a head."""
    path = Path(text)
    if ":" in text and not path.exists():
        return [text]
    return [line for line in path.read_text().splitlines() if line.strip()]


def _lines(proof: Any, heads: tuple[Any, ...], no_bodies: bool) -> list[str]:
    decisions = proof.decisions + proof.without_text
    checked = [
        f"{proof.events:,} events in {proof.batches:,} commits and {proof.streams:,} streams.",
        f"{decisions:,} decisions made again, {proof.without_text:,} of them without the text.",
    ]
    if no_bodies:
        checked.append("Message bodies were skipped (--no-bodies).")
    else:
        checked.append(f"{proof.bodies:,} message bodies verified, {proof.erased:,} were erased.")
    if proof.verified:
        extends = [f"Extends head {head}." for head in heads]
        return ["Log verified.", *checked, *extends, f"Head: {proof.head}"]
    first, *others = proof.findings
    failed = [f"Verification failed at event {first.seq}: {safe(first.what)}."]
    failed += [f"  also event {other.seq}: {safe(other.what)}" for other in others]
    return [*failed, "Checked before that:", *checked]


def _plain(proof: Any, heads: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "verified": proof.verified,
        "head": str(proof.head),
        "extends": [str(head) for head in heads] if proof.verified else [],
        "events": proof.events,
        "commits": proof.batches,
        "streams": proof.streams,
        "decisions": proof.decisions + proof.without_text,
        "decisionsWithoutText": proof.without_text,
        "bodies": proof.bodies,
        "erased": proof.erased,
        "findings": [{"seq": finding.seq, "what": finding.what} for finding in proof.findings],
    }
