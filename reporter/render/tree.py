"""One profiled model for a terminal: the tree of its layers, and its totals under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text as RichText

from ..records import Cost, Latency, Layer, ModelResult, Throughput
from . import quantities
from .details import called_in
from .grouping import numbers
from .layers import shapes
from .parts import Tone
from .untrusted import Text, clean_line, joined, listed, ours

GAP = 2
_LEAST_FIGURES = 3


@dataclass(frozen=True, slots=True)
class Branch:
    """A row of the tree: one layer, or several siblings alike in all that is below them too."""

    layer: Layer
    label: str
    count: int = 1

    @property
    def depth(self) -> int:
        """The distance from the root."""
        return depth_of(self.layer)


def depth_of(layer: Layer) -> int:
    """The distance from the root."""
    return layer.path.count(".") + 1 if layer.path else 0


def branches(layers: Sequence[Layer]) -> Iterator[Branch]:
    """The layers from the root down; of numbered siblings alike, the first stands for all."""
    children = _children(layers)
    kinds = _kinds(layers, children)

    def walk(parent: Layer) -> Iterator[Branch]:
        own = children[parent.path]
        for alike in _runs(own, parent, kinds):
            first, label = alike[0], _label(alike, parent)
            yield Branch(first, label, len(alike))
            yield from walk(first)

    for root in layers[:1]:
        yield Branch(root, "(model)")
        yield from walk(root)


def _children(layers: Sequence[Layer]) -> Mapping[str, list[Layer]]:
    """By path; a layer whose parent was not recorded hangs on the nearest that was."""
    children: dict[str, list[Layer]] = {layer.path: [] for layer in layers}
    for layer in layers[1:]:
        parent = layer.path.rpartition(".")[0]
        while parent not in children:
            parent = parent.rpartition(".")[0]
        children[parent].append(layer)
    return children


def _kinds(layers: Sequence[Layer], children: Mapping[str, list[Layer]]) -> Mapping[str, int]:
    """A number for each path, the same for layers that show the same at every level below."""
    kinds: dict[str, int] = {}
    numbered: dict[tuple[object, ...], int] = {}
    for layer in sorted(layers, key=depth_of, reverse=True):
        below = [(c.path[len(layer.path) :], kinds[c.path]) for c in children[layer.path]]
        figures = (layer.params, layer.macs, layer.madds, layer.read_bytes, layer.write_bytes)
        seen = (layer.type, layer.calls, layer.output_shapes, figures, tuple(below))
        kinds[layer.path] = numbered.setdefault(seen, len(numbered))
    return kinds


def _runs(own: Sequence[Layer], parent: Layer, kinds: Mapping[str, int]) -> Iterator[list[Layer]]:
    def key(layer: Layer) -> tuple[object, ...]:
        label = _own_name(layer, parent)
        return (kinds[layer.path],) if _is_number(label) else (kinds[layer.path], label)

    return (list(run) for _, run in groupby(own, key))


def _own_name(layer: Layer, parent: Layer) -> str:
    return layer.path[len(parent.path) + 1 :] if parent.path else layer.path


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text


def _label(alike: Sequence[Layer], parent: Layer) -> str:
    names = [_own_name(layer, parent) for layer in alike]
    return names[0] if len(names) == 1 else numbers(map(int, names)).strip("{}")


# The table --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Figure:
    title: str
    of: Callable[[Layer, int], str]
    is_number: bool = True


def _count(field: str) -> Callable[[Layer, int], str]:
    return lambda layer, _: _plain(quantities.quantity(getattr(layer, field), "count"))


def _bytes(field: str) -> Callable[[Layer, int], str]:
    return lambda layer, _: _plain(quantities.quantity(getattr(layer, field), "bytes"))


def _plain(text: str) -> str:
    return ours(text).plain


_FIGURES: Mapping[str, _Figure] = {
    "input": _Figure("Input", lambda layer, _: shapes(layer.input_shapes), is_number=False),
    "output": _Figure("Output", lambda layer, _: shapes(layer.output_shapes), is_number=False),
    "params": _Figure("Params", _count("params")),
    "flops": _Figure("FLOPs", _count("macs")),
    "share": _Figure("Share", lambda layer, total: _plain(quantities.share_of(layer.macs, total))),
    "madd": _Figure("MAdd", _count("madds")),
    "read": _Figure("MemRead", _bytes("read_bytes")),
    "write": _Figure("MemWrite", _bytes("write_bytes")),
}
COLUMNS = tuple(_FIGURES)

_BY_DEFAULT = ("output", "params", "flops", "share", "madd", "read", "write")
"""The least needed last: those go first where the terminal is narrow."""


def layer_table(
    shown: Sequence[Branch], total: int, width: int, columns: Sequence[str] = ()
) -> tuple[RichTable, Text | None]:
    """The tree as a table, with as many figures as fit beside whole names.

    Args:
        shown: The rows.
        total: The model's FLOPs, which shares are of.
        width: Columns of the terminal.
        columns: The figures, of `COLUMNS`, where they are chosen; then all of them are shown.

    Returns:
        The table, and a line that names the figures for which it is too narrow.
    """
    figures = [_FIGURES[key] for key in columns or _BY_DEFAULT]
    names = [_branch(branch) for branch in shown]
    cells = [[figure.of(branch.layer, total) for branch in shown] for figure in figures]
    number = len(figures) if columns else _fitting(names, figures, cells, width)
    made = _made(names, figures[:number], cells[:number])
    hidden = ", ".join(figure.title for figure in figures[number:])
    return made, ours(f"This terminal is too narrow for: {hidden}.") if hidden else None


def _fitting(
    names: Sequence[RichText],
    figures: Sequence[_Figure],
    cells: Sequence[Sequence[str]],
    width: int,
) -> int:
    widths = [_widest([f.title, *column]) + GAP for f, column in zip(figures, cells, strict=True)]
    room = width - _widest(["Layer", *(text.plain for text in names)])
    fitting = [at for at in range(1, len(figures) + 1) if sum(widths[:at]) <= room]
    return max(len(fitting), _LEAST_FIGURES)


def _made(
    names: Sequence[RichText], figures: Sequence[_Figure], cells: Sequence[Sequence[str]]
) -> RichTable:
    made = RichTable(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
    )
    made.add_column("Layer", no_wrap=True, overflow="ellipsis")
    for figure, column in zip(figures, cells, strict=True):
        if figure.is_number:
            made.add_column(figure.title, justify="right", no_wrap=True, min_width=_widest(column))
        else:
            made.add_column(figure.title, no_wrap=True, overflow="ellipsis")
    for row in zip(names, *cells, strict=True):
        made.add_row(*row)
    return made


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _branch(branch: Branch) -> RichText:
    text = RichText("  " * branch.depth + clean_line(branch.label))
    text.append(f" {clean_line(branch.layer.type)}", style="dim")
    return text.append(f" ×{branch.count}") if branch.count > 1 else text


# The totals ---------------------------------------------------------------------------------------


def totals(result: ModelResult) -> Iterator[tuple[str, Text, Tone]]:
    """What the whole model costs and took, a label and a line each; what is missing, too."""
    cost, timing = result.cost, result.timing
    if cost is None:
        return
    lines = {"FLOPs": _flops(cost, result.batch), "Params": _params(cost), "Memory": _memory(cost)}
    if timing and timing.latency:
        lines["Latency"] = f"{_latency(timing.latency)}, on {clean_line(timing.device)}"
    if timing and timing.throughput:
        lines["Throughput"] = _throughput(timing.throughput)
    if timing and timing.peak_bytes is not None:
        lines["Peak memory"] = quantities.quantity(timing.peak_bytes, "bytes")
    for label, line in lines.items():
        yield label, ours(line), "neutral"
    if cost.uncounted:
        calls = (called_in(result, op, count) for op, count in cost.uncounted.items())
        said = " (no formula: their FLOPs, MAdd and memory are missing above)"
        yield "Not counted", joined(listed(calls, 8), said), "worse"


def _flops(cost: Cost, batch: int) -> str:
    macs, madds = (quantities.quantity(value, "count") for value in (cost.macs, cost.madds))
    return f"{macs} at batch {batch:,}, MAdd {madds}"


def _params(cost: Cost) -> str:
    trained = quantities.quantity(cost.trainable_params, "count")
    all_trained = cost.trainable_params == cost.params
    said = [
        f"{quantities.quantity(cost.params, 'count')} "
        f"({quantities.quantity(cost.param_bytes, 'bytes')})",
        "all trainable" if all_trained else f"{trained} trainable",
    ]
    if cost.buffers:
        number = quantities.quantity(cost.buffers, "count")
        said.append(f"buffers {number} ({quantities.quantity(cost.buffer_bytes, 'bytes')})")
    return ", ".join(said)


def _memory(cost: Cost) -> str:
    sizes = (cost.read_bytes, cost.write_bytes, cost.activation_peak_bytes)
    read, written, peak = (quantities.quantity(value, "bytes") for value in sizes)
    return f"{read} read, {written} written, activations at most {peak} at a time"


def _latency(seen: Latency) -> str:
    values = (seen.median_ms, seen.p10_ms, seen.p90_ms)
    median, low, high = (quantities.quantity(value, "ms") for value in values)
    return f"{median} at batch {seen.batch:,} (p10 {low}, p90 {high}, {seen.n:,} forwards)"


def _throughput(seen: Throughput) -> str:
    values = (seen.median_per_s, seen.p10_per_s, seen.p90_per_s)
    median, low, high = (quantities.quantity(value, "per_s") for value in values)
    return f"{median} at batch {seen.batch:,} (p10 {low}, p90 {high}, {seen.n:,} forwards)"
