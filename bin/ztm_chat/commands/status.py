"""`ztm-chat status`: what the daemon and its accounts are doing."""

import time
from typing import Any

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import Failure
from ztm_chat.opening import log_opened
from ztm_chat.printing.terminal import ago, as_json_line, local_time, safe
from ztm_chat.socket_client import NotRunning, ask


@click.command()
@config_option
@click.option("--verbose", is_flag=True, help="Also show every live actor and task.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(config: str | None, verbose: bool, as_json: bool) -> None:
    """Show what the daemon and its accounts are doing.

    Without a running daemon, it shows what the log says.
    """
    settings = configuration(config)
    try:
        found = ask(settings.gateway.socket, "GET", f"/status?verbose={verbose:d}")
    except NotRunning:
        found = _from_log(settings)
    if as_json:
        click.echo(as_json_line(found))
    else:
        click.echo("\n".join(_lines(found)))


def _from_log(settings: Any) -> dict[str, Any]:
    from actors.process.status import status

    now_ms = time.time_ns() // 1_000_000
    if not settings.store.path.exists():
        msg = f"the daemon is not running, and there is no log in {settings.store.path} yet"
        raise Failure(f"{msg}; start it with: ztm-chat run")
    with log_opened(settings.store.path) as log:
        return status(settings, log, {}, run=None, release="", started_ms=0, now_ms=now_ms)


def _lines(found: dict[str, Any]) -> list[str]:
    now_ms, log = found["now"], found["log"]
    if found["running"]:
        state = f"Running since {local_time(found['startedAt'])} (release {found['release']})."
    else:
        state = "Not running. This is what the log says."
    lines = [
        state,
        f"Log {log['path']}: {log['events']:,} events, {log['bytes']:,} bytes.",
    ]
    lines += [f"  {log[trouble]}" for trouble in ("stalled", "failed", "scrub") if log[trouble]]
    if log["readers"] or log["freedSlots"]:
        lines.append(
            f"  {log['readers']} other processes are reading it;"
            f" slots freed of readers that died: {log['freedSlots']}"
        )
    if found["run"]:
        lines += _run(found["run"])
    for account in found["accounts"]:
        lines += ["", *_account(account, now_ms, running=found["running"])]
    return lines


def _run(run: dict[str, Any]) -> list[str]:
    """What failed in the running daemon, and, where it was asked for, its actors and tasks."""
    lines = []
    if run["halted"]:
        lines.append(f"HALTED: no messages are received or answered: {safe(run['halted'])}")
    for stream, restarts in run["restarts"].items():
        times = "once" if restarts["total"] == 1 else f"{restarts['total']} times"
        lines.append(f"  restarted {times}: {safe(stream)} (last error: {restarts['error']})")
    for task, failing in run["failing"].items():
        times = "once" if failing["times"] == 1 else f"{failing['times']} times in a row"
        lines.append(f"  failed {times}, will be tried again: {safe(task)} ({failing['error']})")
    lines += [f"  clocks: {doubt}" for doubt in run["clocks"]]
    for actor in run["actors"] or ():
        state = f"waits for {actor['waits_for']}" if actor["waits_for"] else "idle"
        lines.append(f"  actor {safe(actor['stream'])}: inbox {actor['inbox']}, {state}")
    lines += [f"  task {safe(task)}" for task in run["tasks"] or ()]
    return lines


def _account(account: dict[str, Any], now_ms: int, *, running: bool) -> list[str]:
    health = account["health"]
    state = "online" if account["online"] else "offline"
    facts = [
        "enabled" if account["enabled"] else "disabled",
        state if running else f"last known {state}",
        f"dm:{account['dmPolicy']}",
        "groups on" if account["groups"] else "groups off",
        f"agent:{account['agent']}",
    ]
    if account["deaf"]:
        facts.append("Chat app deaf")
    if health and health["source"] == "chat":
        facts.append("no file feed: falling back to the Chat API")
    lines = [
        (
            f"{account['id']}: {safe(account['username'])} on {safe(account['mesh'])}"
            f" ({account['agentUrl']})"
        ),
        f"  {', '.join(facts)}",
    ]
    traffic = (
        f"  in: {ago(account['inboundAt'], now_ms)}, out: {ago(account['outboundAt'], now_ms)}"
    )
    if not health:
        lines.append(traffic)
    if health:
        lines.append(
            f"{traffic},"
            f" feed: {ago(health['feedAt'], now_ms)}, chat: {ago(health['chatAt'], now_ms)}"
        )
        if health["error"]:
            lines.append(f"  last error: {safe(health['error'])}")
        if health["filesUnavailable"] or health["filesPending"]:
            lines.append(
                f"  files: {health['filesPending']} pending, "
                f"{health['filesUnavailable']} of them unavailable"
                " (no agent that has them is online)"
            )
        if health["healedAt"]:
            lines.append(f"  the deaf Chat app was restarted {ago(health['healedAt'], now_ms)}")
    lines.append(
        f"  open work: {account['openWork']}, paired: {account['paired']},"
        f" pairing requests: {account['pendingPairings']}"
    )
    lines += [
        f"  groupPermissions: no group is known that {safe(key)} fits; compare creator and group"
        for key in account["unmatchedGroups"]
    ]
    others = account["sentByOthers"]
    if others["recent"]:
        lines.append(
            f"  {others['recent']} recent messages were sent as {safe(account['username'])} by"
            f" another client, the last {ago(others['last'], now_ms)}"
        )
    return lines
