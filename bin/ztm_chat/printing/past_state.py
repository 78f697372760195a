"""The state at a point in time, as lines and as plain values for JSON (`replay`)."""

from typing import TYPE_CHECKING, Any

from events.streams import GroupId, PeerId, conversation_stream
from ztm_chat.printing.terminal import local_time, safe

if TYPE_CHECKING:
    from events.account.state import AccountState
    from store.audit.past_state import ConversationSummary, PastState

MAX_CONVERSATIONS = 20
"""How many conversations are listed of each account, those last active first."""


def state_lines(state: "PastState") -> list[str]:
    """The state as lines for a person."""
    if not state.seq:
        return ["Nothing had been recorded by then."]
    running = f"running (release {safe(state.running)})" if state.running else "not running"
    lines = [f"State after event {state.seq:,} ({local_time(state.time_ms)}); daemon {running}."]
    for name, account in sorted(state.accounts.items()):
        lines += ["", *_account(name, account, state)]
    return lines


def plain_state(state: "PastState") -> dict[str, Any]:
    """The state as plain values; times in ms since 1970."""
    return {
        "seq": state.seq,
        "time": state.time_ms,
        "running": state.running,
        "accounts": [
            _plain_account(name, account, state) for name, account in sorted(state.accounts.items())
        ],
    }


def _conversations(
    state: "PastState", account: str
) -> list[tuple[PeerId | GroupId, "ConversationSummary"]]:
    own = [
        (address, summary)
        for address, summary in state.conversations.items()
        if address.account == account
    ]
    return sorted(own, key=lambda entry: -entry[1].last_ms)


def _account(name: str, account: "AccountState", state: "PastState") -> list[str]:
    policy = account.policy
    health = "online" if account.online else "offline"
    lines = [f"{name}: {health}{', Chat app deaf' if account.deaf else ''}"]
    if policy is not None:
        groups = f"on, {policy.group_policy}" if policy.enable_groups else "off"
        allowed = ", ".join(safe(name) for name in policy.allow_from) or "nobody"
        user = f"{safe(policy.username)} on {safe(account.mesh)}"
        lines += [
            f"  policy {account.digest.hex()[:8]}: {user}, dm:{policy.dm_policy}, groups {groups}",
            f"  allowFrom: {allowed}",
        ]
    paired = ", ".join(safe(person) for person in sorted(account.approvals)) or "nobody"
    lines.append(f"  paired: {paired}")
    if pending := _pending(account, state.time_ms):
        lines.append(f"  pending pairing: {', '.join(safe(person) for person in pending)}")
    lines.append(
        f"  feed read up to {local_time(account.cursor)};"
        f" {len(account.unavailable)} files unavailable"
    )
    conversations = _conversations(state, name)
    lines.append(f"  {len(conversations)} conversations:")
    lines += [
        f"    {_conversation(address, summary)}"
        for address, summary in conversations[:MAX_CONVERSATIONS]
    ]
    if len(conversations) > MAX_CONVERSATIONS:
        lines.append(f"    … and {len(conversations) - MAX_CONVERSATIONS} more (all with --json)")
    return lines


def _pending(account: "AccountState", now_ms: int) -> list[str]:
    """Who has a pairing code that is still valid."""
    return sorted(
        request.person for request in account.requests.values() if request.expires_ms > now_ms
    )


def _conversation(address: PeerId | GroupId, summary: "ConversationSummary") -> str:
    name = address.name if isinstance(address, PeerId) else f"{address.creator}/{address.group}"
    unfinished = f", {len(summary.unfinished)} unfinished" if summary.unfinished else ""
    last = local_time(summary.last_ms) if summary.last_ms else "never"
    return (
        f"{safe(name)}: {summary.messages:,} messages, {summary.ignored:,} ignored at intake,"
        f" {summary.sent:,} sent{unfinished}; last {last}"
    )


def _plain_account(name: str, account: "AccountState", state: "PastState") -> dict[str, Any]:
    import msgspec

    return {
        "id": name,
        "mesh": account.mesh,
        "online": account.online,
        "deaf": account.deaf,
        "policy": account.digest.hex(),
        "settings": msgspec.to_builtins(account.policy),
        "paired": sorted(account.approvals),
        "pending": _pending(account, state.time_ms),
        "cursor": account.cursor,
        "unavailable": [file.path for file in account.unavailable],
        "conversations": [
            {
                "stream": conversation_stream(address),
                "messages": summary.messages,
                "ignored": summary.ignored,
                "baseline": summary.baseline,
                "sent": summary.sent,
                "last": summary.last_ms,
                "watermark": summary.watermark,
                "unfinished": sorted(summary.unfinished),
            }
            for address, summary in _conversations(state, name)
        ],
    }
