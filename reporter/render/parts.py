"""What a report is made of: cells, tables, sections, and the `ReportView` that holds them all.

A `ReportView` is what templates see: text only, with nothing left to decide. Whatever comes from
the pull request is a `Text` or a `Block`, whose `str()` is safe Markdown; a plain `str` is always
this program's own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .untrusted import Block, Text, joined, ours

Tone = Literal["better", "worse", "neutral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of everything is shown; what is cut off is counted in words."""

    rows: int = 50
    names: int = 4
    models: int = 10
    layers: int = 15
    top_layers: int = 8
    traceback_lines: int = 40
    message_characters: int = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `tone` is a second telling of what its words say, for colour where there is one.

    `lines` is what a narrow column shows instead: a value over its change, or fewer words.
    """

    text: Text
    tone: Tone = "neutral"
    lines: tuple[Text, ...] = ()

    def __str__(self) -> str:
        return self.text.cell


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head and the Markdown rule under it, which aligns it."""

    title: str
    numeric: bool = True

    @property
    def rule(self) -> str:
        """`---:` for numbers, which line up on the right."""
        return "---:" if self.numeric else "---"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: every row has as many cells as there are columns, and none is blank."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a section: a caption over tables, lines, blocks and a closing remark."""

    caption: Text | None = None
    tables: tuple[Table, ...] = ()
    lines: tuple[Text, ...] = ()
    blocks: tuple[Block, ...] = ()
    remark: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What is folded away under a title."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The whole report, in the order it is read; a section that has nothing to say is None."""

    title: str
    verdict: Text
    tone: Tone
    provenance: tuple[Text, ...]
    notes: tuple[Text, ...]
    table: Table
    folded: Text | None
    layers: Section | None
    errors: Section | None
    budgets: Section | None
    warnings: Section | None
    traffic: Section | None
    timings: Section | None
    top_layers: Section | None
    second_opinion: Section | None
    machine: Section | None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The main table, none where not a row of it is left to show."""
        return (self.table,) if self.table.rows else ()

    @property
    def sections(self) -> Iterator[Section]:
        """The sections that have something to say, the most pressing first."""
        ordered = (self.errors, self.budgets, self.warnings, self.layers)
        details = (self.top_layers, self.traffic, self.timings)
        reference = (self.second_opinion, self.machine)
        return (section for section in (*ordered, *details, *reference) if section is not None)


def cell(*parts: Text | str, tone: Tone = "neutral") -> Cell:
    """A cell of our own words and of `Text`s."""
    return Cell(joined(*parts), tone)


def value_cell(value: str, aside: str, *, tone: Tone = "neutral") -> Cell:
    """`18.5 G (+5.3 %)`, or the value over what is said of it."""
    lines = (value, *aside.split(", "))
    return Cell(ours(f"{value} ({aside})"), tone, tuple(map(ours, lines)))


def table(titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, numbers: slice) -> Table:
    """A table; the columns in `numbers` hold numbers, the others words."""
    numeric = range(len(titles))[numbers]
    columns = tuple(Column(title, numeric=at in numeric) for at, title in enumerate(titles))
    return Table(columns, tuple(tuple(row) for row in rows))


def more(count: int, what: str) -> Text | None:
    """`And 12 more layers.`, None where nothing was cut."""
    return ours(f"And {counted(count, f'more {what}')}.") if count > 0 else None


def counted(count: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
