"""Markdown becomes one self-contained HTML page, readable offline, on paper and on a phone."""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from .document import our_environment

PAGE = "page.html.j2"

_OURS = re.compile(r"<details>|</details>|<summary>[^<>&]*</summary>")
_LESS_THAN, _AND = "\ue000", "\ue001"
"""Stand in for `<` and `&` while the text is Markdown; taken out of what comes in."""

_LOOSE_AND = re.compile(r"&(?!#\d+;)")
"""Our escapes stay; any other `&` could be half of one, which python-markdown stumbles over."""


def render_page(markdown_text: str, title: str) -> str:
    """The report as one HTML file without a script, and without anything to fetch.

    Only lines that are wholly one of our own tags (`<details>`, `<summary>…</summary>`) stay
    HTML; every other `<` of the Markdown is text, whatever wrote it.

    Args:
        markdown_text: What `render_markdown` returned.
        title: Plain text for the window's title.

    Returns:
        A complete HTML document.
    """
    converter = Markdown(
        extensions=["tables", "fenced_code", "md_in_html", "sane_lists"], output_format="html"
    )
    converter.treeprocessors.register(_PipesInCells(converter), "pipes_in_cells", 0)
    body = converter.convert(_only_our_tags(markdown_text))
    body = body.replace(_LESS_THAN, "&lt;").replace(_AND, "&amp;")
    body = _SCROLLING.sub(r'<div class="wide">\g<0></div>', body)
    template = our_environment().get_template(PAGE)
    return template.render(title=html.escape(title), body=body)


_SCROLLING = re.compile(r"<table>.*?</table>", re.DOTALL)


def _only_our_tags(markdown_text: str) -> str:
    clean = re.sub(f"[{_LESS_THAN}{_AND}]", "\ufffd", markdown_text)
    lines = _LOOSE_AND.sub(_AND, clean).split("\n")
    return "\n".join(map(_line, lines))


def _line(line: str) -> str:
    if not _OURS.fullmatch(line):
        return line.replace("<", _LESS_THAN)
    return line.replace("<details>", '<details markdown="1">')


class _PipesInCells(Treeprocessor):
    r"""GitHub takes the backslash off `\|` in a code span of a cell; python-markdown leaves it."""

    def run(self, root: Element) -> None:
        for cell in (*root.iter("td"), *root.iter("th")):
            for code in cell.iter("code"):
                code.text = AtomicString((code.text or "").replace("\\|", "|"))
