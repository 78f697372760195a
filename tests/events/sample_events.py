"""One event of each type, with every field in use: the golden file pins how they lie on disk."""

from events import watermark
from events.account import events as account_events
from events.conversation import events as conversation_events
from events.conversation.events import DecisionInputs
from events.event import Event
from events.gateway import events as gateway
from events.policy.account_policy import (
    AccountPolicy,
    GroupPermission,
    SenderTools,
    ToolGrant,
    ToolPolicy,
)
from events.watermark import UnavailableFile

_MS = 1_750_000_000_000
_IDENTITY = bytes(range(16))
_DIGEST = bytes(range(32))
_TOOLS = ToolGrant(allow=("group:messaging", "exec"), deny=("secrets",))
_POLICY = AccountPolicy(
    username="my-bot",
    dm_policy="allow",
    allow_from=("alice",),
    enable_groups=True,
    group_policy="open",
    require_mention=False,
    creator_bypass=("alice",),
    group_permissions=(
        GroupPermission(
            creator="alice",
            group="team",
            group_policy="disabled",
            require_mention=False,
            allow_from=("bob",),
            tools=ToolPolicy(allow=("group:fs",), deny=()),
            tools_by_sender={"admin": SenderTools(also_allow=("exec",), deny=("write",))},
        ),
    ),
    turn_budget=10,
    turn_window_s=60,
    max_message_chars=500,
    answer_horizon_s=3_600,
    attempts=3,
    apology="Sorry.",
    group_apology="Sorry, all.",
)
_CONSIDERED = DecisionInputs(
    now_ms=_MS,
    policy=_IDENTITY,
    rules=1,
    own="my-bot",
    account_version=3,
    pairing="approved",
    membership="member",
    group_name="Team",
    ambiguous=True,
    name_shared=True,
)

_EVENTS: tuple[Event, ...] = (
    gateway.GatewayStarted("0.1.0", "0badcafe"),
    gateway.GatewayStopped("signal"),
    gateway.StoreReopened("ENOSPC"),
    gateway.BodiesExpired(2_960),
    gateway.KeysLost(("my-bot/bob",), (2_960,)),
    gateway.ClockJumped(1_700_000_000_000, 1_705_184_000_000),
    account_events.PolicyApplied(_IDENTITY, _POLICY, "mesh"),
    account_events.AccountOnline("my-bot"),
    account_events.AccountOffline("timeout"),
    account_events.ChatAppDeaf(2),
    account_events.ChatAppHealed(restarted=True),
    account_events.FeedReset(_MS, 0),
    account_events.FeedBroken(2),
    account_events.PairingRequested("bob", _DIGEST, _MS),
    account_events.PairingApproved(4, "bob", "socket"),
    account_events.PairingDenied(4, "bob", "socket"),
    account_events.PairingExpired(4, "bob"),
    account_events.PairingRevoked("bob", "socket"),
    account_events.PairingAnnounced("bob"),
    account_events.PersonErased("bob", _IDENTITY, _MS, "socket"),
    account_events.ErasureEnded("bob", _MS + 1),
    conversation_events.BaselineTaken((_IDENTITY,)),
    conversation_events.MessageSeen(
        _IDENTITY, "alice", _MS, _DIGEST, 5, "feed", ("8f14e45fceea167a",)
    ),
    conversation_events.MessageIgnored(_IDENTITY, "alice", _MS, "blank", "chat"),
    conversation_events.PolicyDecided(
        1, "process", "whitelisted", "allow-from", True, _TOOLS, _CONSIDERED
    ),
    conversation_events.PairingWithheld(1, "limit"),
    conversation_events.Dispatched((1, 2), "alice", "echo", _TOOLS),
    conversation_events.TurnCancelled(3, "revoked"),
    conversation_events.AgentReplied(3, 1, _DIGEST, 2, False, 120, "small", 10, 20, True),
    conversation_events.AgentFailed(3, 1, "timeout", True, _MS),
    conversation_events.MessageQueued("reply", _DIGEST, 2, 3, 1, 2, 1),
    conversation_events.ReplySent(5, _MS, True, 2),
    conversation_events.ReplyFailed(5, "refused"),
    conversation_events.MessageDeadLettered(1, "agent"),
    conversation_events.MessageRetried(1, "alice", _MS, _TOOLS),
    conversation_events.MessageDropped(1),
    watermark.WatermarkAdvanced(_MS, (UnavailableFile("/shared/alice/chat", True),)),
)

SAMPLES: dict[str, Event] = {type(event).__name__: event for event in _EVENTS}
