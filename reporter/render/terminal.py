"""The same view on a terminal, by rich: colour where there is one, words everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from ..records import ModelError, ModelResult, Snapshot
from .parts import Cell, Column, Limits, Part, ReportView, Section, Table, Tone, counted
from .summary import why_failed
from .tree import GAP, Branch, branches, depth_of, layer_table, totals
from .untrusted import Text, block, clean_line, joined, name, ours

_LEAST_NAME = 16
_LEAST_WORDS = 12
"""Columns that a name and other words keep where they have to break."""

_STYLES: Mapping[Tone, str] = {"better": "green", "worse": "red", "neutral": ""}


def print_report(view: ReportView, console: Console) -> None:
    """Print the verdict, the table, and the sections that ask for something to be done."""
    _line(view.verdict, console, style=f"bold {_STYLES[view.tone]}".strip())
    for line in view.provenance:
        _line(line, console, style="dim")
    for note in view.notes:
        _line(note, console, style="yellow")
    for table in view.tables:
        _print_table(table, console)
    if view.folded:
        _line(view.folded, console)
    for section in (view.errors, view.budgets, view.warnings, view.layers):
        if section is not None:
            _print_section(section, console)


def _line(text: Text, console: Console, *, style: str = "", indent: int = 0) -> None:
    console.print(_indented(RichText(text.plain, style=style), indent))


def _print_section(section: Section, console: Console) -> None:
    console.print()
    console.print(RichText(section.title, style="bold"))
    for part in section.parts:
        _print_part(part, console)


def _print_part(part: Part, console: Console) -> None:
    if part.caption:
        _line(part.caption, console, indent=2)
    for table in part.tables:
        _print_table(table, console)
    for line in part.lines:
        _line(line, console, indent=2)
    for lines in part.blocks:
        console.print(_indented(RichText(lines.plain, style="dim"), 4))
    if part.remark:
        _line(part.remark, console, indent=2)


def _print_table(table: Table, console: Console) -> None:
    """Whole cells where they fit, else each value over its change, else a list of cells a row."""
    for is_narrow in (False, True):
        if _width(table, is_narrow=is_narrow) <= console.width:
            console.print()
            console.print(_rich_table(table, is_narrow=is_narrow))
            console.print()
            return
    for row in table.rows:
        _print_row(table, row, console)
    console.print()


def _width(table: Table, *, is_narrow: bool) -> int:
    """What a table needs: no figure is ever broken, and words only where it is narrow."""
    widths = (
        _column_width(at, column, table, is_narrow=is_narrow)
        for at, column in enumerate(table.columns)
    )
    return sum(widths) + GAP * (len(table.columns) - 1)


def _column_width(at: int, column: Column, table: Table, *, is_narrow: bool) -> int:
    texts = _title(column, is_narrow=is_narrow).split("\n")
    for row in table.rows:
        texts += _styled(column, row[at], is_narrow=is_narrow).plain.split("\n")
    widest = max(map(cell_len, texts))
    least = _LEAST_NAME if at == 0 else _LEAST_WORDS
    return min(widest, least) if is_narrow and not column.numeric else widest


def _rich_table(table: Table, *, is_narrow: bool) -> RichTable:
    made = RichTable(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
    )
    for at, column in enumerate(table.columns):
        made.add_column(
            RichText(_title(column, is_narrow=is_narrow)),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
            min_width=_column_width(at, column, table, is_narrow=is_narrow),
        )
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        made.add_row(*(_styled(column, cell, is_narrow=is_narrow) for column, cell in cells))
    return made


def _title(column: Column, *, is_narrow: bool) -> str:
    return column.title.replace(" ", "\n") if is_narrow else column.title


def _styled(column: Column, cell: Cell, *, is_narrow: bool = False) -> RichText:
    """A cell in its tone; where it has a value and a change, the change alone."""
    text = RichText("\n".join(_lines(column, cell)) if is_narrow else cell.text.plain)
    style, start = _STYLES[cell.tone], 0
    if cell.lines and column.numeric:
        style, start = style or "dim", len(cell.lines[0].plain)
    if style:
        text.stylize(style, start)
    return text


def _lines(column: Column, cell: Cell) -> list[str]:
    """A value over its change; a word a line where there is no figure to keep whole."""
    if cell.lines:
        return [line.plain for line in cell.lines]
    return cell.text.plain.split() if _is_wordy(column, cell) else [cell.text.plain]


def _is_wordy(column: Column, cell: Cell) -> bool:
    return column.numeric and not any(map(str.isdigit, cell.text.plain))


def _print_row(table: Table, row: Sequence[Cell], console: Console) -> None:
    """One line a cell; the cells without a figure share a line for each thing they say."""
    console.print()
    console.print(_indented(RichText(row[0].text.plain, style="bold"), 2))
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    wordy: dict[str, list[str]] = {}
    for column, cell in zip(table.columns[1:], row[1:], strict=True):
        if _is_wordy(column, cell):
            wordy.setdefault(cell.text.plain, []).append(column.title)
        else:
            grid.add_row(RichText(column.title), _styled(column, cell))
    for said, titles in wordy.items():
        grid.add_row(RichText(said), RichText(", ".join(titles)))
    console.print(_indented(grid, 4))


def _indented(what: RichTable | RichText, by: int) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


# One tree, no comparison --------------------------------------------------------------------------


def print_profile(
    snapshot: Snapshot, console: Console, depth: int | None = 2, columns: Sequence[str] = ()
) -> None:
    """Print each model of a snapshot as a tree of its layers.

    Args:
        snapshot: What was profiled.
        console: Where to print.
        depth: Deepest level shown, the root being 0; None shows all.
        columns: The tree's figures, of `tree.COLUMNS`; none leaves the choice to us.
    """
    for result in snapshot.models:
        console.print(RichText(clean_line(result.name), style="bold"))
        _print_model(result, console, depth, columns)
        console.print()


def _print_model(
    result: ModelResult, console: Console, depth: int | None, columns: Sequence[str]
) -> None:
    if result.error is not None:
        _print_error(result.error, console, timed=result.cost is None)
    if result.cost is None:
        return
    shown = [b for b in branches(result.layers) if depth is None or b.depth <= depth]
    made, too_narrow = layer_table(shown, result.cost.macs, console.width, columns)
    console.print()
    console.print(made)
    console.print()
    for line in (*_of_the_tree(result, shown, depth), too_narrow):
        if line is not None:
            _line(line, console, style="dim")
    _print_totals(result, console)


def _of_the_tree(
    result: ModelResult, shown: Sequence[Branch], depth: int | None
) -> Iterator[Text | None]:
    """What a reader of the tree has to know: what `×3` means, and what lies deeper."""
    if any(branch.count > 1 for branch in shown):
        yield ours("×n: n layers alike, with all that is in them; the figures are of each.")
    deeper = sum(depth is not None and depth_of(layer) > depth for layer in result.layers)
    if deeper:
        yield ours(f"{counted(deeper, 'more layer')} further down: --depth all shows them.")


def _print_totals(result: ModelResult, console: Console) -> None:
    grid = RichTable.grid(padding=(0, GAP))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, line, tone in totals(result):
        grid.add_row(label, RichText(line.plain, style=_STYLES[tone]))
    console.print(grid)


def _print_error(error: ModelError, console: Console, *, timed: bool) -> None:
    most = Limits().message_characters
    why = why_failed(error, most) if timed else ("not timed: ", name(error.message, most))
    _line(joined(*why), console, style="red", indent=2)
    if error.traceback.strip():
        _print_part(Part(blocks=(block(error.traceback),)), console)
