"""The pages of the documentation, read for the tests that hold them to the code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) +(.+)$", re.MULTILINE)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def fences(info: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in FENCE.finditer(page.read_text()):
            if block["info"] == info:
                yield page, block["content"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for _, title in HEADING.findall(prose(page)))
    return {title.replace(" ", "-") for title in plain}


def section(page: Path, title: str) -> str:
    """What stands under the heading `title`, subsections left out."""
    parts = HEADING.split(page.read_text())
    titled = zip(parts[2::3], parts[3::3], strict=True)
    found = [content for heading, content in titled if heading == title]
    assert len(found) == 1, f"{page_id(page)} has {len(found)} headings {title!r}"
    return found[0]


def rows(page: Path, *titles: str) -> dict[str, list[str]]:
    """The rows of the tables under `titles`, by the code in their first cell."""
    lines = (line for title in titles for line in section(page, title).splitlines())
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line)
    return {row[0].strip("`"): row for row in cells if row[0].startswith("`")}
