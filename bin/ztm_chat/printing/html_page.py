"""Conversations as one HTML page that loads nothing and runs nothing (`export --html`).

Everything that others wrote is escaped; invisible characters are shown as escapes.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from events.streams import GroupId, PeerId
from ztm_chat.printing.terminal import local_time, safe

if TYPE_CHECKING:
    from store.audit.export import ExportedMessage

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>Conversations</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }
h2 { border-bottom: 1px solid #8888; margin-top: 2em }
article { margin: .7em 0; padding: .4em .8em; border-radius: .5em; background: #8881 }
article.ours { margin-left: 3em; background: #48f2 }
header { font-size: .8em; opacity: .75 }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
p.gone { font-style: italic; opacity: .6 }
</style>
</head>
<body>
"""


def begin_page(about: str) -> str:
    """The page up to its first conversation. `about` says what was exported, and when."""
    return f"{_HEAD}<h1>Conversations</h1>\n<p>{_shown(about)}</p>\n"


def end_page() -> str:
    """The end of the page."""
    return "</body>\n</html>\n"


def conversation_lines(
    address: PeerId | GroupId, said: Iterable["ExportedMessage"]
) -> Iterator[str]:
    """One conversation."""
    if isinstance(address, PeerId):
        title = f"{address.name} (account {address.account})"
    else:
        title = f"group {address.creator}/{address.group} (account {address.account})"
    yield f"<h2><bdi>{_shown(title)}</bdi></h2>\n"
    for message in said:
        yield _article(message)


def _article(message: "ExportedMessage") -> str:
    kind = "ours" if message.ours else "theirs"
    outcome = " · ".join(part for part in (message.outcome or "waiting", message.why) if part)
    files = f" · {message.files} files" if message.files else ""
    when = local_time(message.time_ms)
    return (
        f'<article class="{kind}"><header><bdi>{_shown(message.sender)}</bdi>'
        f" · {when} · {_shown(outcome)}{files} · event {message.seq}</header>"
        f"{_text(message)}</article>\n"
    )


def _text(message: "ExportedMessage") -> str:
    if message.text is None:
        kept = (
            "Not stored." if message.outcome == "ignore" and "," not in message.why else "Erased."
        )
        return f'<p class="gone">{kept}</p>'
    lines = "\n".join(_shown(line) for line in message.text.split("\n"))
    return f'<p dir="auto">{lines}</p>'


def _shown(text: str) -> str:
    return escape(safe(text, len(text)))
