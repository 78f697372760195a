"""A model's thoughts, where a server leaves them in the answer's text. Pure."""

import re

_TAG = re.compile(r"<\s*(?P<closing>/?)\s*(?:think|thinking|thought)\s*>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """`text` without the thoughts that it begins with; blank if they never end.

    Templates of several models write the opening tag themselves, so that the answer holds the
    closing one alone: it ends a thought, too, and everything before it goes.
    """
    begin, thinks, opened = 0, False, False
    for tag in _TAG.finditer(text):
        if not tag["closing"]:
            thinks = thinks or not text[begin : tag.start()].strip()
            opened = True
        else:
            if thinks or not opened:
                begin = tag.end()
            thinks = opened = False
    return "" if thinks else text[begin:]
