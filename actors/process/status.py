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
from events.conversation.events import MessageIgnored, MessageSeen, ReplySent
from events.event import Recorded
from events.policy.group import keys_without_group
from events.streams import account_stream, parse_stream
from store.errors import LogDamaged
from store.log.event_log import EventLog


class RunReport(msgspec.Struct, frozen=True):
    """How a running daemon's parts do. `halted`: why it takes part in nothing any more; `restarts`
    of actors by stream; `failing` tasks by name; `clocks`: what waits because clocks disagree;
    `actors` and `tasks` only where asked for."""

    halted: str
    restarts: Mapping[str, Restarts]
    failing: Mapping[str, Failing]
    clocks: tuple[str, ...] = ()
    actors: tuple[ActorReport, ...] | None = None
    tasks: tuple[str, ...] | None = None


RECENT = 10_000
"""How many of the newest events are looked through for what was last received and sent, and for
messages that others sent as the bot."""


class _Recent(msgspec.Struct):
    """An account in the newest events. Times in ms, 0: not among them. `sent_by_others`: messages
    in our own files that we didn't send."""

    inbound_ms: int = 0
    outbound_ms: int = 0
    sent_by_others: int = 0
    other_ms: int = 0


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
    recent = _recent(log)
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
            _account(account, log, health.get(account.id), work, recent, now_ms, run)
            for account in config.accounts
        ],
    }


def _account(
    account: AccountConfig,
    log: EventLog,
    health: Health | None,
    work: dict[str, int],
    recent: dict[str, _Recent],
    now_ms: int,
    run: RunReport | None,
) -> dict[str, Any]:
    state = _state(account.id, log)
    known = recent.get(account.id, _Recent())
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
        "inboundAt": max(known.inbound_ms, health.inbound_ms if health else 0),
        "outboundAt": max(known.outbound_ms, health.outbound_ms if health else 0),
        "sentByOthers": {"recent": known.sent_by_others, "last": known.other_ms},
        "unmatchedGroups": _unmatched_groups(account, health),
        "health": msgspec.to_builtins(_shown(health)) if health else None,
    }


def _unmatched_groups(account: AccountConfig, health: Health | None) -> tuple[str, ...]:
    """The keys of `groupPermissions` that no group fits, once all groups have been looked at."""
    if health is None or not account.policy.enable_groups or health.phase != "online":
        return ()
    heard = health.feed_ms if health.source == "feed" else health.chat_ms
    if not heard or health.pending > health.unavailable:
        return ()
    return keys_without_group(account.policy, health.groups)


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


def _recent(log: EventLog) -> dict[str, _Recent]:
    """What the newest events say of each account."""
    found: dict[str, _Recent] = {}
    try:
        for recorded in log.read(max(0, log.head().seq - RECENT)):
            match recorded.event:
                case MessageSeen():
                    _of(found, recorded).inbound_ms = recorded.time // 1_000_000
                case ReplySent():
                    _of(found, recorded).outbound_ms = recorded.time // 1_000_000
                case MessageIgnored(reason="self", sent_ms=sent_ms):
                    account = _of(found, recorded)
                    account.sent_by_others += 1
                    account.other_ms = sent_ms
    except LogDamaged:
        # The log's own state says what is damaged; the rest of the status is still worth showing.
        return found
    return found


def _of(found: dict[str, _Recent], recorded: Recorded) -> _Recent:
    return found.setdefault(_account_of(recorded.stream), _Recent())


def _account_of(stream: str) -> str:
    address = parse_stream(stream)
    if address is None or isinstance(address, str):
        return address or ""
    return address.account
