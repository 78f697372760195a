"""What the daemon and its accounts are doing, as plain values for `status`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from actors.configuration import AccountConfig, Configuration
from actors.runtime.actor_report import ActorReport
from actors.runtime.router import Restarts
from actors.runtime.supervised_tasks import Failing
from actors.ztm.health import Health
from events.account.state import AccountState, fold
from events.conversation.events import MessageIgnored
from events.streams import account_stream, parse_stream
from store.errors import LogDamaged
from store.log.event_log import EventLog


class RunReport(msgspec.Struct, frozen=True):
    """How a running daemon's parts do. `halted`: why it takes part in nothing any more; `restarts`
    of actors by stream; `failing` tasks by name; `actors` and `tasks` only where asked for."""

    halted: str
    restarts: Mapping[str, Restarts]
    failing: Mapping[str, Failing]
    actors: tuple[ActorReport, ...] | None = None
    tasks: tuple[str, ...] | None = None


RECENT = 10_000
"""How many of the newest events are looked through for messages that others sent as the bot."""


def status(
    config: Configuration,
    log: EventLog,
    health: Mapping[str, Health],
    *,
    run: RunReport | None,
    release: str,
    started_ms: int,
    now_ms: int,
) -> dict[str, Any]:
    """Everything that `status` shows; times in ms. Without a running daemon (`run` is `None`), what
    the log says."""
    running = run is not None
    work = _open_work(log)
    foreign = _sent_by_others(log)
    stats = log.stats()
    return {
        "running": running,
        "run": msgspec.to_builtins(run),
        "release": release,
        "startedAt": started_ms,
        "now": now_ms,
        "log": {
            "path": str(config.store.path),
            "id": log.log_id,
            "events": stats.events,
            "bytes": stats.used,
            "limit": stats.max_map_size,
            "stalled": stats.stalled,
            "failed": stats.failed,
            "scrub": stats.scrub,
            "readers": stats.readers,
            "freedSlots": stats.freed_slots,
        },
        "accounts": [
            _account(account, log, health.get(account.id), work, foreign, now_ms, run)
            for account in config.accounts
        ],
    }


def _account(
    account: AccountConfig,
    log: EventLog,
    health: Health | None,
    work: dict[str, int],
    foreign: dict[str, tuple[int, int]],
    now_ms: int,
    run: RunReport | None,
) -> dict[str, Any]:
    state = _state(account.id, log)
    times, last_foreign_ms = foreign.get(account.id, (0, 0))
    pending = [request for request in state.requests.values() if request.expires_ms > now_ms]
    return {
        "id": account.id,
        "enabled": account.enabled,
        "username": account.username,
        "mesh": account.mesh,
        "agentUrl": account.agent_url,
        "dmPolicy": account.policy.dm_policy,
        "groups": account.policy.enable_groups,
        "agent": str(account.agent.__struct_config__.tag),
        "online": _is_online(health, run, state),
        "deaf": health.deaf if health else state.deaf,
        "pendingPairings": len(pending),
        "paired": len(state.approvals),
        "openWork": work.get(account.id, 0),
        "sentByOthers": {"recent": times, "last": last_foreign_ms},
        "health": msgspec.to_builtins(_shown(health)) if health else None,
    }


def _state(account: str, log: EventLog) -> AccountState:
    """What the log says of the account; of a damaged one, nothing."""
    try:
        return fold(log.read_stream(account_stream(account)))
    except LogDamaged:
        return AccountState()


def _is_online(health: Health | None, run: RunReport | None, state: AccountState) -> bool:
    if run is None:
        return state.online
    return health is not None and health.phase == "online" and not run.halted


def _shown(health: Health) -> dict[str, Any]:
    return {
        "phase": health.phase,
        "source": health.source,
        "error": health.error,
        "feedAt": health.feed_ms,
        "chatAt": health.chat_ms,
        "inboundAt": health.inbound_ms,
        "outboundAt": health.outbound_ms,
        "healedAt": health.healed_ms,
        "filesPending": health.pending,
        "filesUnavailable": health.unavailable,
        "unreadable": health.unreadable,
        "users": len(health.users),
    }


def _open_work(log: EventLog) -> dict[str, int]:
    work: dict[str, int] = {}
    try:
        for stream, versions in log.open_work():
            account = _account_of(stream)
            work[account] = work.get(account, 0) + len(versions)
    except LogDamaged:
        return work  # as far as it can be read
    return work


def _sent_by_others(log: EventLog) -> dict[str, tuple[int, int]]:
    """How many of the newest events are messages in our own files that we didn't send, and when the
    last one was, by account."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for recorded in log.read(max(0, log.head().seq - RECENT)):
            if isinstance(recorded.event, MessageIgnored) and recorded.event.reason == "self":
                account = _account_of(recorded.stream)
                count, _ = found.get(account, (0, 0))
                found[account] = (count + 1, recorded.event.sent_ms)
    except LogDamaged:
        # The log's own state says what is damaged; the rest of the status is still worth showing.
        return found
    return found


def _account_of(stream: str) -> str:
    address = parse_stream(stream)
    if address is None or isinstance(address, str):
        return address or ""
    return address.account
