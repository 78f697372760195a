"""Decisions as lines, JSON and CSV. Fields of JSON and CSV are documented in docs/audit.md,
and are not renamed."""

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from events.streams import PeerId
from ztm_chat.printing.terminal import local_time, safe, visible

if TYPE_CHECKING:
    from store.audit.decisions import Decision

COLUMNS = (
    "seq",
    "time",
    "account",
    "kind",
    "conversation",
    "sender",
    "sentAt",
    "message",
    "identity",
    "action",
    "reason",
    "rule",
    "mentioned",
    "policy",
    "toolsAllow",
    "toolsDeny",
    "text",
    "unanswered",
)
"""The columns of CSV."""

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula, some also in full width."""

_KEPT = "\t\n"


def line(decision: "Decision", text: str | None, unanswered: str | None) -> str:
    """One line for a person."""
    shown = f"  {safe(text, 60)}" if text else ""
    outcome = f", not answered: {safe(unanswered)}" if unanswered else ""
    return (
        f"{decision.seq:>9}  {local_time(decision.time_ms)}  {decision.action:<7}"
        f"  {decision.reason} ({decision.rule}){outcome}  {_where(decision)}{shown}"
    )


def as_json(decision: "Decision", text: str | None, unanswered: str | None) -> str:
    """One JSON object in one line, in ASCII: nothing in it moves a cursor."""
    return json.dumps(plain(decision, text, unanswered))


def plain(decision: "Decision", text: str | None, unanswered: str | None) -> dict[str, Any]:
    """A decision as plain values: times in ms, bytes in hexadecimal."""
    address, tools = decision.address, decision.tools
    conversation = (
        {"kind": "peer", "peer": address.name}
        if isinstance(address, PeerId)
        else {"kind": "group", "creator": address.creator, "group": address.group}
    )
    return {
        "seq": decision.seq,
        "time": decision.time_ms,
        "account": address.account,
        "conversation": conversation,
        "sender": decision.sender,
        "sentAt": decision.sent_ms,
        "message": decision.message,
        "identity": decision.identity.hex(),
        "action": decision.action,
        "reason": decision.reason,
        "rule": decision.rule,
        "mentioned": decision.mentioned,
        "policy": decision.policy.hex() or None,
        "tools": {"allow": tools.allow, "deny": tools.deny} if tools else None,
        "text": text,
        "unanswered": unanswered,
    }


def as_csv(decision: "Decision", text: str | None, unanswered: str | None) -> str:
    """One record of CSV."""
    found = plain(decision, text, unanswered)
    tools = found["tools"] or {"allow": (), "deny": ()}
    allow = "*" if tools["allow"] is None else " ".join(tools["allow"])
    cells = found | {
        "kind": found["conversation"]["kind"],
        "conversation": _name(decision),
        "toolsAllow": allow,
        "toolsDeny": " ".join(tools["deny"]),
    }
    return csv_record([cells[name] for name in COLUMNS])


def csv_record(cells: list[Any]) -> str:
    """Cells as one record. A cell that a spreadsheet would run as a formula gets a `'` before
    it; control and invisible characters are escaped, but for tabs and line feeds."""
    written = io.StringIO(newline="")
    texts = ("" if cell is None else str(cell) for cell in cells)
    plain_cells = [visible(cell, _KEPT) for cell in texts]
    guarded = [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in plain_cells]
    csv.writer(written).writerow(guarded)
    return written.getvalue().removesuffix("\r\n")


def _name(decision: "Decision") -> str:
    address = decision.address
    return address.name if isinstance(address, PeerId) else f"{address.creator}/{address.group}"


def _where(decision: "Decision") -> str:
    if isinstance(decision.address, PeerId):
        return safe(_name(decision))
    return f"{safe(decision.sender)} in {safe(_name(decision))}"
