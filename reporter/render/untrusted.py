"""Text that a pull request wrote, made harmless for Markdown, HTML and terminals.

Model names, error texts, paths and class names are data. In a line they become code spans, where
no Markdown, HTML, mention, reference or link is alive; our own sentences that quote such data are
escaped as prose; whole texts go into fences. Control characters and marks that reorder
text are gone from all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MOST_CHARACTERS = 120

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_GONE = frozenset({"Cc", "Cs", "Co", "Cn"})
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#+!|~&@$^=]")
_REFERENCE = re.compile(r"://|(?<=www)\.|(?<=@)|(?<=#)|(?<=gh)-(?=\d)", re.IGNORECASE)
_LINE_START = re.compile(r"^(\d+)([.)])|^([-:])")
_ZERO_WIDTH = "\u200b"
_COMMAND = re.compile(r"(?:\A|[\r\n])[\s\u200b\ufeff]*:(?=:)")


@dataclass(frozen=True, slots=True)
class Text:
    """A line in two forms: safe Markdown, which is also `str()` of it, and plain for terminals."""

    markdown: str
    plain: str

    def __str__(self) -> str:
        return self.markdown

    @property
    def cell(self) -> str:
        """The Markdown for a table's cell, where a pipe ends the cell even inside a code span."""
        return self.markdown.replace("|", "\\|")


def name(text: str, most: int = MOST_CHARACTERS) -> Text:
    """Data from the pull request as a code span."""
    clean = shorten(clean_line(text), most) or "(empty)"
    longest = max((len(run) for run in re.findall("`+", clean)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if clean[0] == "`" or clean[-1] == "`" else ""
    return Text(f"{ticks}{pad}{clean}{pad}{ticks}", clean)


def prose(text: str) -> Text:
    """A sentence that may quote data: reads as it is, and none of it is markup."""
    clean = clean_line(text)
    broken = _REFERENCE.sub(lambda found: f"{_ZERO_WIDTH}{found[0]}", clean)
    escaped = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", broken)
    return Text(_LINE_START.sub(_escaped_start, escaped), clean)


def ours(text: str) -> Text:
    """Words of this program, without data in them; terminals break lines themselves."""
    return Text(text, text.replace("\u00a0", " "))


def joined(*parts: Text | str) -> Text:
    """One line of several parts; a plain `str` among them is our own words."""
    texts = [ours(part) if isinstance(part, str) else part for part in parts]
    return Text("".join(t.markdown for t in texts), "".join(t.plain for t in texts))


def listed(items: Iterable[Text], most: int) -> Text:
    """`a, b, c and 4 more`."""
    texts = list(items)
    shown = [part for text in texts[:most] for part in (", ", text)][1:]
    rest = len(texts) - most
    return joined(*shown, f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that are shown as they are; `str()` is a fence that none of them can close."""

    plain: str
    language: str = ""

    def __str__(self) -> str:
        runs = re.findall("`{3,}", self.plain)
        ticks = "`" * (max(map(len, runs), default=2) + 1)
        return f"{ticks}{self.language}\n{self.plain}\n{ticks}"


def block(text: str, *, language: str = "", most_lines: int = 40) -> Block:
    """A text from the pull request as a block: its last lines, where an error says what it is."""
    lines = [clean_characters(line, keep="\t") for line in text.split("\n")]
    lines = lines[:-1] if lines[-1] == "" else lines
    dropped = len(lines) - most_lines
    kept = lines[-most_lines:] if dropped > 0 else lines
    above = [f"… {dropped} lines above"] if dropped > 0 else []
    shown = "\n".join(above + [shorten(line, 500) for line in kept])
    return Block(without_commands(shown), language)


def clean_line(text: str) -> str:
    """One line without control characters; any white space becomes one space."""
    return clean_characters(" ".join(text.split()))


def clean_characters(text: str, keep: str = "") -> str:
    """Control, private and reordering characters replaced by �; no old workflow command."""
    clean = "".join(c if c in keep or not _is_harmful(c) else "\ufffd" for c in text)
    return clean.replace("##[", f"##{_ZERO_WIDTH}[")


def without_commands(text: str) -> str:
    """Lines to print, of which a runner of GitHub Actions takes none for a workflow command.

    It looks for `::` behind the white space a line begins with, and for `##[` anywhere.
    """
    new = _COMMAND.sub(lambda found: f"{found[0]}{_ZERO_WIDTH}", text)
    return new.replace("##[", f"##{_ZERO_WIDTH}[")


def _is_harmful(character: str) -> bool:
    return character in _REORDERING or unicodedata.category(character) in _GONE | {"Zl", "Zp"}


def shorten(text: str, most: int = MOST_CHARACTERS) -> str:
    """At most so many characters, the last one an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _escaped_start(found: re.Match[str]) -> str:
    digits, mark, sign = found.groups()
    return f"{digits}&#{ord(mark)};" if digits else f"&#{ord(sign)};"
