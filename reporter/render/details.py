"""The folded sections of a report, each built from the comparison alone; None where empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..metrics import BY_NAME, own_values
from ..records import (
    BudgetVerdict,
    Comparison,
    Layer,
    LayerDelta,
    Machine,
    MetricDelta,
    ModelDelta,
    ModelError,
    ModelResult,
    Side,
    Timing,
)
from . import quantities
from .parts import Cell, Limits, Part, Section, Table, Tone, cell, counted, more, table
from .summary import change_words, why_failed
from .untrusted import Text, block, joined, listed, name, ours, prose
from .verdict import by_severity

_SHA = re.compile(r"[0-9a-f]{7,64}")


def _section(title: str, parts: Sequence[Part]) -> Section | None:
    return Section(title=title, parts=tuple(parts)) if parts else None


# Layers that changed ------------------------------------------------------------------------


def layer_changes(comparison: Comparison, limits: Limits) -> Section | None:
    """Per model, the modules that differ, the largest change first."""
    changed = [model for model in by_severity(comparison.models) if _cost_changed(model)]
    parts = [_layer_part(model, limits) for model in changed[: limits.models]]
    if len(changed) > limits.models:
        parts.append(Part(remark=more(len(changed) - limits.models, "model")))
    return _section(f"Layers that changed ({counted(len(changed), 'model')})", parts)


def _cost_changed(model: ModelDelta) -> bool:
    exact = (delta for delta in model.metrics if delta.metric in ("macs", "madds", "params"))
    return bool(model.layers) or any(delta.change in ("better", "worse") for delta in exact)


def _layer_part(model: ModelDelta, limits: Limits) -> Part:
    if not model.layers:
        own = ours("The change is in the model's own forward, outside its submodules.")
        return Part(caption=name(model.name), remark=own)
    ordered = sorted(model.layers, key=_size, reverse=True)
    shown = ordered[: limits.layers]
    return Part(
        caption=name(model.name),
        tables=(_layer_table(shown),),
        remark=more(len(ordered) - len(shown), "layer"),
    )


def _size(layer: LayerDelta) -> tuple[float, ...]:
    """By FLOPs, then by MAdd and so on down the metrics."""
    return tuple(abs((delta.head or 0) - (delta.base or 0)) for delta in layer.metrics)


def _layer_table(layers: Sequence[LayerDelta]) -> Table:
    columns = [d.metric for d in layers[0].metrics if any(_differs(x, d.metric) for x in layers)]
    titles = ["Layer", "Class", *(BY_NAME[column].label for column in columns)]
    rows = [_layer_row(layer, columns) for layer in layers]
    return table(titles, rows, numbers=slice(2, None))


def _differs(layer: LayerDelta, metric: str) -> bool:
    return any(d.metric == metric and d.change != "unchanged" for d in layer.metrics)


def _layer_row(layer: LayerDelta, columns: Sequence[str]) -> list[Cell]:
    deltas = {delta.metric: delta for delta in layer.metrics}
    label = {"added": " (added)", "removed": " (removed)", "changed": ""}[layer.state]
    values = (_layer_cell(deltas[column]) for column in columns)
    return [cell(name(layer.path), label), cell(name(layer.type)), *values]


def _layer_cell(delta: MetricDelta) -> Cell:
    unit = BY_NAME[delta.metric].unit
    if delta.base is None or delta.head is None:
        only = delta.head if delta.base is None else delta.base
        return cell("was " if delta.head is None else "", quantities.quantity(only or 0, unit))
    if delta.change == "unchanged":
        return cell(quantities.quantity(delta.head, unit), " (±0)")
    before, after = quantities.pair(delta.base, delta.head, unit)
    tone: Tone = "better" if delta.change == "better" else "worse"
    return cell(f"{before} → {after} ({change_words(delta)})", tone=tone)


# Where the FLOPs go --------------------------------------------------------------------------


def top_layers(comparison: Comparison, limits: Limits) -> Section | None:
    """Per model at head, the modules with the most FLOPs of their own."""
    results = [model.head for model in by_severity(comparison.models) if model.head is not None]
    counted_ones = [result for result in results if result.cost and result.layers]
    parts = [_top_part(result, limits) for result in counted_ones[: limits.models]]
    if len(counted_ones) > limits.models:
        parts.append(Part(remark=more(len(counted_ones) - limits.models, "model")))
    return _section("Where the FLOPs go", parts)


def _top_part(result: ModelResult, limits: Limits) -> Part:
    assert result.cost is not None
    total = result.cost.macs
    own = own_values(result.layers, "macs")
    ordered = sorted(result.layers, key=lambda layer: own[layer.path], reverse=True)
    shown = [layer for layer in ordered[: limits.top_layers] if own[layer.path]]
    rest = total - sum(own[layer.path] for layer in shown)
    modules = counted(len(result.layers), "module")
    caption = f": {quantities.quantity(total, 'count')} FLOPs in {modules}"
    titles = ["Layer", "Class", "Output", "Own FLOPs", "Share of model", "Params"]
    rows = [_top_row(layer, own[layer.path], total) for layer in shown]
    return Part(
        caption=joined(name(result.name), caption),
        tables=(table(titles, rows, numbers=slice(3, None)),) if rows else (),
        remark=_rest(len(result.layers) - len(shown), rest, total),
    )


def _top_row(layer: Layer, own: int, total: int) -> list[Cell]:
    where = name(layer.path) if layer.path else ours("the model itself")
    return [
        cell(where),
        cell(name(layer.type)),
        cell(shapes(layer)),
        cell(quantities.quantity(own, "count")),
        cell(quantities.share_of(own, total)),
        cell(quantities.quantity(layer.params, "count")),
    ]


def shapes(layer: Layer) -> str:
    """`1×64×112×112`; several outputs are separated by commas."""
    texts = ["×".join(map(str, shape)) or "scalar" for shape in layer.output_shapes]
    return ", ".join(texts[:2]) + (", …" if len(texts) > 2 else "") or "no tensor"


def _rest(modules: int, rest: int, total: int) -> Text | None:
    if not modules:
        return None
    value, share = quantities.quantity(rest, "count"), quantities.share_of(rest, total)
    return ours(f"{counted(modules, 'more module')}: {value} FLOPs ({share}).")


# What went wrong -----------------------------------------------------------------------------


def errors(comparison: Comparison, limits: Limits) -> Section | None:
    """Every model that failed on a side, with the user's own traceback."""
    parts = [
        _error_part(result, error, sides, limits)
        for model in by_severity(comparison.models)
        for result, error, sides in _errors(model)
    ]
    return _section(f"Errors ({len(parts)})", parts)


def _errors(model: ModelDelta) -> Iterator[tuple[ModelResult, ModelError, str]]:
    head, base = model.head and model.head.error, model.base and model.base.error
    if model.head and head:
        yield model.head, head, "head and base" if head == base else "head"
    if model.base and base and head != base:
        yield model.base, base, "base"


def _error_part(result: ModelResult, error: ModelError, sides: str, limits: Limits) -> Part:
    text = error.traceback
    fence = block(text, language="pytb", most_lines=limits.traceback_lines)
    untimed = ("counted, but not timed: ", name(error.message))
    why = why_failed(error) if result.status == "failed" else untimed
    return Part(
        caption=joined(name(result.name), f" at {sides}: ", *why),
        blocks=(fence,) if text.strip() else (),
    )


def warnings(comparison: Comparison) -> Section | None:
    """What makes a figure less than it seems."""
    lines = [line for model in by_severity(comparison.models) for line in _warnings(model)]
    parts = [Part(lines=tuple(lines))] if lines else []
    return _section(f"Warnings ({len(lines)})", parts)


def _warnings(model: ModelDelta) -> Iterator[Text]:
    for side, result in (("head", model.head), ("base", model.base)):
        if result is not None and result.cost is not None and result.cost.uncounted:
            yield _uncounted(result, side, result.cost.uncounted)
        if result is not None and result.counting and result.counting.rung != "meta":
            why = result.counting.reason or "no reason given"
            yield joined(
                name(result.name), f" at {side}: counted on real tensors, because ", name(why)
            )
    if model.declaration_changes:
        changes = listed(map(name, model.declaration_changes), 6)
        yield joined(name(model.name), ": declared differently than at base: ", changes)


def _uncounted(result: ModelResult, side: str, operations: Mapping[str, int]) -> Text:
    calls = (joined(name(op), f" × {count:,}") for op, count in operations.items())
    said = f" at {side}: operations without a formula, missing from FLOPs, MAdd and memory: "
    return joined(name(result.name), said, listed(calls, 8))


# Budgets and timings ---------------------------------------------------------------------------


def budgets(comparison: Comparison) -> Section | None:
    """Every budget and how it was kept, the broken ones first."""
    order = ("broken", "unknown", "kept")
    verdicts = [v for model in by_severity(comparison.models) for v in model.budgets]
    verdicts.sort(key=lambda verdict: order.index(verdict.state))
    titles = ["Model", "Metric", "Budget", "Base", "Head", "Change", "Verdict"]
    rows = [_budget_row(verdict) for verdict in verdicts]
    shown = table(titles, rows, numbers=slice(3, 6))
    states = (f"{n} {s}" for s in order if (n := sum(v.state == s for v in verdicts)))
    parts = [Part(tables=(shown,))] if rows else []
    return _section(f"Budgets ({', '.join(states)})", parts)


def _budget_row(verdict: BudgetVerdict) -> list[Cell]:
    metric = BY_NAME[verdict.budget.metric]
    sides = [
        cell("no figure" if value is None else quantities.quantity(value, metric.unit))
        for value in (verdict.base, verdict.head)
    ]
    known = verdict.base is not None and verdict.head is not None
    change = (
        quantities.change(verdict.base or 0, verdict.head or 0, metric.unit) if known else "unknown"
    )
    said: list[Text | str] = [verdict.state]
    said += [": ", prose(verdict.reason)] if verdict.reason else []
    tone: Tone = "worse" if verdict.state == "broken" else "neutral"
    texts = [cell(name(verdict.model)), cell(metric.label), cell(name(verdict.budget.text))]
    return [*texts, *sides, cell(change), cell(*said, tone=tone)]


def timings(comparison: Comparison) -> Section | None:
    """The spread behind every timed figure."""
    rows = [
        [cell(name(model.name)), cell(what), cell(side), *map(cell, figures)]
        for model in by_severity(comparison.models)
        for what, read in _SPREADS.items()
        for side, result in (("base", model.base), ("head", model.head))
        if result is not None and result.timing is not None
        if (figures := read(result.timing)) is not None
    ]
    titles = ["Model", "Metric", "Side", "Batch", "Median", "p10", "p90", "Forwards"]
    shown = table(titles, rows, numbers=slice(3, None))
    parts = [Part(tables=(shown,))] if rows else []
    return _section("Timings and their spread", parts)


def _latency(timing: Timing) -> tuple[str, ...] | None:
    seen = timing.latency
    if seen is None:
        return None
    values = (seen.median_ms, seen.p10_ms, seen.p90_ms)
    return str(seen.batch), *(quantities.quantity(value, "ms") for value in values), str(seen.n)


def _throughput(timing: Timing) -> tuple[str, ...] | None:
    seen = timing.throughput
    if seen is None:
        return None
    values = (seen.median_per_s, seen.p10_per_s, seen.p90_per_s)
    return str(seen.batch), *(quantities.quantity(value, "per_s") for value in values), str(seen.n)


_SPREADS: Mapping[str, Callable[[Timing], tuple[str, ...] | None]] = {
    "Latency": _latency,
    "Throughput": _throughput,
}


# Where and how -----------------------------------------------------------------------------------

_MACHINE: Mapping[str, Callable[[Machine], str]] = {
    "System": lambda machine: machine.system,
    "CPU": lambda machine: f"{machine.cpu} ({counted(machine.cpu_count, 'core')})",
    "Threads": lambda machine: str(machine.threads),
    "Memory": lambda machine: (
        "not known"
        if machine.memory_bytes is None
        else quantities.quantity(machine.memory_bytes, "bytes")
    ),
    "Accelerator": lambda machine: machine.accelerator or "none",
    "CUDA": lambda machine: machine.cuda or "none",
    "Python": lambda machine: machine.python,
    "torch": lambda machine: machine.torch,
}


def machine(comparison: Comparison) -> Section | None:
    """The machine and the versions behind both sides."""
    sides = [side for side in (comparison.base, comparison.head) if side is not None]
    titles = ["What", *(["Base", "Head"] if comparison.base else ["Head"])]
    tool = [cell("Report"), *(cell(name(f"{s.tool.name} {s.tool.version}")) for s in sides)]
    rows = [tool]
    rows += [[cell(what), *(_of(side, read) for side in sides)] for what, read in _MACHINE.items()]
    return _section("Machine and versions", [Part(tables=(table(titles, rows, numbers=slice(0)),))])


def _of(side: Side, read: Callable[[Machine], str]) -> Cell:
    return cell("not known" if side.machine is None else name(read(side.machine)))


def reproduce(comparison: Comparison) -> Section | None:
    """The commands that make this report again; only from SHAs that really are SHAs."""
    head, base = comparison.head.revision, comparison.base
    lines = [f"git checkout {head.sha}"] if head.sha and _SHA.fullmatch(head.sha) else []
    based = base.revision.sha if base else None
    option = f" --base {based}" if based and _SHA.fullmatch(based) else ""
    lines.append(f"modelperf-report{option}")
    remark = ours("Uncommitted changes were included; they are not in that commit.")
    fence = block("\n".join(lines), language="sh")
    return _section(
        "Reproduce", [Part(blocks=(fence,), remark=remark if head.dirty and head.sha else None)]
    )
