"""The same view on a terminal, by rich: colour where there is one, words everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from ..metrics import BY_NAME, METRICS
from ..records import Layer, ModelError, ModelResult, Snapshot
from . import quantities
from .details import shapes
from .parts import Cell, Part, ReportView, Section, Table, Tone, more
from .summary import why_failed
from .untrusted import Text, block, clean_line, joined, listed, name, ours

_ENDLESS = 10_000
_TREE_METRICS = ("params", "macs", "madds", "read_bytes", "write_bytes")
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
    """As a table where it fits without breaking a cell, else each row as a list of its cells."""
    wide = _rich_table(table)
    if (
        Measurement.get(console, console.options.update(width=_ENDLESS), wide).maximum
        <= console.width
    ):
        console.print(wide)
        return
    for row in table.rows:
        _print_row(table, row, console)


def _rich_table(table: Table) -> RichTable:
    made = RichTable(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in table.columns:
        made.add_column(RichText(column.title), justify="right" if column.numeric else "left")
    for row in table.rows:
        made.add_row(*map(_styled, row))
    return made


def _styled(cell: Cell) -> RichText:
    return RichText(cell.text.plain, style=_STYLES[cell.tone])


def _print_row(table: Table, row: Sequence[Cell], console: Console) -> None:
    """One line a cell; the cells without a figure share a line for each thing they say."""
    console.print()
    console.print(_indented(RichText(row[0].text.plain, style="bold"), 2))
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    wordy: dict[str, list[str]] = {}
    for column, cell in zip(table.columns[1:], row[1:], strict=True):
        if column.numeric and not any(map(str.isdigit, cell.text.plain)):
            wordy.setdefault(cell.text.plain, []).append(column.title)
        else:
            grid.add_row(RichText(column.title), _styled(cell))
    for said, titles in wordy.items():
        grid.add_row(RichText(said), RichText(", ".join(titles)))
    console.print(_indented(grid, 4))


def _indented(what: RichTable | RichText, by: int) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


# One tree, no comparison --------------------------------------------------------------------------


def print_profile(snapshot: Snapshot, console: Console, depth: int | None = 2) -> None:
    """Print each model of a snapshot as a tree of its layers.

    Args:
        snapshot: What was profiled.
        console: Where to print.
        depth: Deepest level shown, the root being 0; None shows all.
    """
    for result in snapshot.models:
        console.print(RichText(clean_line(result.name), style="bold"))
        _print_model(result, console, depth)
        console.print()


def _print_model(result: ModelResult, console: Console, depth: int | None) -> None:
    if result.error is not None:
        _print_error(result.error, console, timed=result.cost is None)
    if result.cost is None:
        return
    shown = [layer for layer in result.layers if depth is None or _depth(layer) <= depth]
    console.print(_layer_tree(shown))
    hidden = more(len(result.layers) - len(shown), "layer")
    for line in (hidden, *_remarks(result)):
        if line is not None:
            _line(line, console, style="dim")


def _print_error(error: ModelError, console: Console, *, timed: bool) -> None:
    why = why_failed(error) if timed else ("not timed: ", name(error.message))
    _line(joined(*why), console, style="red", indent=2)
    if error.traceback.strip():
        _print_part(Part(blocks=(block(error.traceback),)), console)


def _depth(layer: Layer) -> int:
    return layer.path.count(".") + 1 if layer.path else 0


def _layer_tree(layers: Sequence[Layer]) -> RichTable:
    tree = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    tree.add_column("Layer", no_wrap=True, overflow="ellipsis", ratio=1)
    tree.add_column("Output", max_width=15)
    for metric in _TREE_METRICS:
        tree.add_column(BY_NAME[metric].label, justify="right", no_wrap=True)
    for layer in layers:
        figures = ((getattr(layer, m), BY_NAME[m].unit) for m in _TREE_METRICS)
        values = (ours(quantities.quantity(*figure)).plain for figure in figures)
        tree.add_row(_branch(layer), shapes(layer), *values)
    return tree


def _branch(layer: Layer) -> RichText:
    own_name = layer.path.rpartition(".")[2] or "(model)"
    branch = RichText("  " * _depth(layer) + clean_line(own_name))
    return branch.append(f" {clean_line(layer.type)}", style="dim")


def _remarks(result: ModelResult) -> Iterator[Text]:
    """What the tree does not show: activations, timings, and what could not be counted."""
    assert result.cost is not None
    deltas = ((metric, metric.value_of(result)) for metric in METRICS)
    yield ours(
        f"At batch {result.batch}: "
        + " · ".join(
            f"{metric.label} {quantities.quantity(value, metric.unit)}"
            for metric, value in deltas
            if value is not None and metric.name not in _TREE_METRICS
        )
    )
    if result.cost.uncounted:
        calls = (joined(name(op), f" × {count:,}") for op, count in result.cost.uncounted.items())
        yield joined("Not counted, no formula: ", listed(calls, 8))
