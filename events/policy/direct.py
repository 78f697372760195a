"""Who may be answered in a direct conversation: the table "DM Policy Check Order"."""

from events.policy.account_policy import RULES_VERSION, AccountPolicy, Verdict
from events.policy.names import is_nobody, listed


def decide_direct(
    policy: AccountPolicy,
    sender: str,
    *,
    paired: bool,
    ambiguous: bool = False,
    rules: int = RULES_VERSION,
) -> Verdict:
    """What `policy` says of a direct message from `sender` (exact name).

    `paired`: the operator approved this sender for this account. `ambiguous`: only their exact
    name may match, see `names`; so is `rules`. Rows, first match decides:

    | rule | condition | verdict |
    | --- | --- | --- |
    | `empty-sender` | nobody's name | ignore, denied |
    | `allow-from` | in `allowFrom`, or `*` is | process, whitelisted, under every policy |
    | `paired` | approved by pairing | process, whitelisted, under every policy |
    | `dm-policy` | `allow` | process, allowed |
    | | `pairing` | pairing, pending |
    | | `deny`, or a value that no version knows | ignore, denied |
    """
    if is_nobody(sender, rules):
        return Verdict("ignore", "denied", "empty-sender")
    if listed(policy.allow_from, sender, ambiguous=ambiguous, everyone=True, rules=rules):
        return Verdict("process", "whitelisted", "allow-from")
    if paired:
        return Verdict("process", "whitelisted", "paired")
    match policy.dm_policy:
        case "allow":
            return Verdict("process", "allowed", "dm-policy")
        case "pairing":
            return Verdict("pairing", "pending", "dm-policy")
        case _:
            return Verdict("ignore", "denied", "dm-policy")
