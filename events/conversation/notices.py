"""What the daemon itself says to people."""


def pairing_code(username: str, code: str) -> str:
    """The answer to a stranger under the policy `pairing`."""
    return (
        f"This bot answers only people its operator knows. Your ZTM user name: {username}\n"
        f"Pairing code: {code} (valid for 1 hour)\n\n"
        f"Ask the operator to approve it with:\n"
        f"ztm-chat pairing approve ztm-chat {code}"
    )


APPROVED = "You are approved; please write again."
"""Sent once after an approval: what was written before it stays decided as it was."""

BUDGET_SPENT = "That was too much at once. I'll stay quiet for a while."
"""Sent once when a sender's budget of turns is spent."""

CUT_SHORT = "\n\n[… the answer ends here: it reached the model's length limit]"
"""Sent after an answer that the model could not finish."""
