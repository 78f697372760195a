"""An export as a page: one HTML file, with no part elsewhere and nothing that runs.

Everything that others wrote is escaped, and what can't be seen in it is shown as an escape.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from events.streams import GroupId, PeerId
from ztm_chat.shown import moment, safe

if TYPE_CHECKING:
    from store.audit.export import Said

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
    """The page up to its first conversation. `about`: what it is an export of."""
    return f"{_HEAD}<h1>Conversations</h1>\n<p>{_shown(about)}</p>\n"


def end_page() -> str:
    """What closes the page."""
    return "</body>\n</html>\n"


def conversation_lines(address: PeerId | GroupId, said: Iterable["Said"]) -> Iterator[str]:
    """One conversation."""
    if isinstance(address, PeerId):
        title = f"{address.name} (account {address.account})"
    else:
        title = f"group {address.creator}/{address.group} (account {address.account})"
    yield f"<h2><bdi>{_shown(title)}</bdi></h2>\n"
    for line in said:
        yield _article(line)


def _article(one: "Said") -> str:
    kind = "ours" if one.ours else "theirs"
    outcome = " · ".join(part for part in (one.outcome or "waiting", one.why) if part)
    files = f" · {one.files} files" if one.files else ""
    return (
        f'<article class="{kind}"><header><bdi>{_shown(one.sender)}</bdi>'
        f" · {moment(one.time_ms)} · {_shown(outcome)}{files} · event {one.seq}</header>"
        f"{_words(one)}</article>\n"
    )


def _words(one: "Said") -> str:
    if one.text is None:
        kept = "Not kept." if one.outcome == "ignore" and "," not in one.why else "Erased."
        return f'<p class="gone">{kept}</p>'
    lines = "\n".join(_shown(line) for line in one.text.split("\n"))
    return f'<p dir="auto">{lines}</p>'


def _shown(text: str) -> str:
    return escape(safe(text, len(text)))
