"""The state at a moment, for people and as plain values."""

from typing import TYPE_CHECKING, Any

from events.streams import GroupId, PeerId, conversation_stream
from ztm_chat.shown import moment, safe

if TYPE_CHECKING:
    from events.account.state import AccountState
    from store.audit.past_state import ConversationSummary, PastState

MAX_TALKS = 20
"""How many conversations are listed of each account, those last active first."""


def lines_of_moment(state: "PastState") -> list[str]:
    """The state in lines."""
    if not state.seq:
        return ["Nothing was recorded by then."]
    running = (
        f"the daemon ran (release {safe(state.running)})" if state.running else "no daemon ran"
    )
    lines = [f"State after event {state.seq:,} ({moment(state.time_ms)}); {running}."]
    for name, account in sorted(state.accounts.items()):
        lines += ["", *_account(name, account, state)]
    return lines


def plain_moment(state: "PastState") -> dict[str, Any]:
    """The state as plain values; times in ms."""
    return {
        "seq": state.seq,
        "time": state.time_ms,
        "running": state.running,
        "accounts": [
            _plain_account(name, account, state) for name, account in sorted(state.accounts.items())
        ],
    }


def _talks(
    state: "PastState", account: str
) -> list[tuple[PeerId | GroupId, "ConversationSummary"]]:
    own = [(address, talk) for address, talk in state.talks.items() if address.account == account]
    return sorted(own, key=lambda one: -one[1].last_ms)


def _account(name: str, account: "AccountState", state: "PastState") -> list[str]:
    policy = account.policy
    health = "online" if account.online else "offline"
    lines = [f"{name}: {health}{', Chat app deaf' if account.deaf else ''}"]
    if policy is not None:
        groups = f"on, {policy.group_policy}" if policy.enable_groups else "off"
        allowed = ", ".join(safe(one) for one in policy.allow_from) or "nobody"
        user = f"{safe(policy.username)} on {safe(account.mesh)}"
        lines += [
            f"  policy {account.digest.hex()[:8]}: {user}, dm:{policy.dm_policy}, groups {groups}",
            f"  allowFrom: {allowed}",
        ]
    paired = ", ".join(safe(person) for person in sorted(account.approvals)) or "nobody"
    waiting = [
        request.person
        for request in account.requests.values()
        if request.expires_ms > state.time_ms
    ]
    lines.append(f"  paired: {paired}")
    if waiting:
        lines.append(
            f"  waiting with a code: {', '.join(safe(person) for person in sorted(waiting))}"
        )
    lines.append(
        f"  feed read up to {moment(account.cursor)}; {len(account.unavailable)} files owed"
    )
    talks = _talks(state, name)
    lines.append(f"  {len(talks)} conversations:")
    lines += [f"    {_talk(address, talk)}" for address, talk in talks[:MAX_TALKS]]
    if len(talks) > MAX_TALKS:
        lines.append(f"    … and {len(talks) - MAX_TALKS} more (all with --json)")
    return lines


def _talk(address: PeerId | GroupId, talk: "ConversationSummary") -> str:
    name = address.name if isinstance(address, PeerId) else f"{address.creator}/{address.group}"
    unfinished = f", {len(talk.unfinished)} unfinished" if talk.unfinished else ""
    last = moment(talk.last_ms) if talk.last_ms else "never"
    return (
        f"{safe(name)}: {talk.messages:,} messages, {talk.ignored:,} ignored unread,"
        f" {talk.sent:,} sent{unfinished}; last {last}"
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
        "pending": sorted(
            request.person
            for request in account.requests.values()
            if request.expires_ms > state.time_ms
        ),
        "cursor": account.cursor,
        "unavailable": [unavailable_file.path for unavailable_file in account.unavailable],
        "conversations": [
            {
                "stream": conversation_stream(address),
                "messages": talk.messages,
                "ignored": talk.ignored,
                "baseline": talk.baseline,
                "sent": talk.sent,
                "last": talk.last_ms,
                "watermark": talk.watermark,
                "unfinished": sorted(talk.unfinished),
            }
            for address, talk in _talks(state, name)
        ],
    }
