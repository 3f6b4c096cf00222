"""The sections on layers: which changed, and where the FLOPs go; repeated blocks told once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..metrics import BY_NAME, own_values
from ..records import Comparison, Layer, LayerDelta, MetricDelta, ModelDelta, ModelResult
from . import quantities
from .grouping import Group, grouped
from .parts import Cell, Limits, Part, Section, Table, cell, counted, more, table
from .summary import changed_cell
from .untrusted import Text, joined, name, ours
from .verdict import Status, by_severity, status_of

_COLUMNS = ("macs", "params", "read_bytes", "write_bytes")


def _repeated(group: Group[Layer] | Group[LayerDelta]) -> str:
    return f" ×{len(group.members)}" if len(group.members) > 1 else ""


# Layers that changed ------------------------------------------------------------------------------


def layer_changes(comparison: Comparison, limits: Limits) -> Section | None:
    """Per model, the modules that differ, the largest change first."""
    changed = [model for model in by_severity(comparison.models) if _cost_changed(model)]
    parts = [_layer_part(model, limits) for model in changed[: limits.models]]
    if len(changed) > limits.models:
        parts.append(Part(remark=more(len(changed) - limits.models, "model")))
    title = f"Layers that changed ({counted(len(changed), 'model')})"
    return Section(title=title, parts=tuple(parts)) if parts else None


def _cost_changed(model: ModelDelta) -> bool:
    exact = (delta for delta in model.metrics if delta.metric in ("macs", "madds", "params"))
    return bool(model.layers) or any(delta.change in ("better", "worse") for delta in exact)


def _layer_part(model: ModelDelta, limits: Limits) -> Part:
    if not model.layers:
        own = ours("The change is in the model's own forward, outside its submodules.")
        return Part(caption=name(model.name), remark=own)
    columns = _columns(model.layers)
    groups = grouped(model.layers, lambda layer: layer.path, lambda layer: _shown(layer, columns))
    groups.sort(key=_size, reverse=True)
    shown = groups[: limits.layers]
    status = status_of(model)
    titles = ["Layer", "Class", *(BY_NAME[column].label for column in columns)]
    rows = [_layer_row(group, columns, status) for group in shown]
    hidden = sum(len(group.members) for group in groups[limits.layers :])
    each = "; the figures are of each" if any(len(group.members) > 1 for group in shown) else ""
    said = f" ({status}): {counted(len(model.layers), 'layer')}{each}"
    return Part(
        caption=joined(name(model.name), said),
        tables=(table(titles, rows, numbers=slice(2, None)),),
        remark=more(hidden, "layer"),
    )


def _columns(layers: Sequence[LayerDelta]) -> list[str]:
    """The metrics that differ somewhere; MAdd only for layers that differ in nothing else."""
    differing = [_differing(layer) for layer in layers]
    columns = [metric for metric in _COLUMNS if any(metric in seen for seen in differing)]
    lone = any(seen == {"madds"} for seen in differing)
    return [*columns, "madds"] if lone else columns


def _differing(layer: LayerDelta) -> set[str]:
    return {delta.metric for delta in layer.metrics if delta.change != "unchanged"}


def _shown(layer: LayerDelta, columns: Sequence[str]) -> tuple[object, ...]:
    deltas = (delta for delta in layer.metrics if delta.metric in columns)
    return layer.type, layer.state, *((delta.base, delta.head) for delta in deltas)


def _size(group: Group[LayerDelta]) -> tuple[float, ...]:
    """Of all its layers together: by FLOPs, then by MAdd and so on down the metrics."""
    deltas = group.members[0].metrics
    return tuple(len(group.members) * abs((d.head or 0) - (d.base or 0)) for d in deltas)


def _layer_row(group: Group[LayerDelta], columns: Sequence[str], direction: Status) -> list[Cell]:
    layer = group.members[0]
    deltas = {delta.metric: delta for delta in layer.metrics}
    label = {"added": " (added)", "removed": " (removed)", "changed": ""}[layer.state]
    values = (_layer_cell(deltas[column], direction) for column in columns)
    return [cell(name(group.path), _repeated(group), label), cell(name(layer.type)), *values]


def _layer_cell(delta: MetricDelta, direction: Status) -> Cell:
    unit = BY_NAME[delta.metric].unit
    if delta.head is None:
        return cell("was ", quantities.quantity(delta.base or 0, unit))
    value = quantities.quantity(delta.head, unit)
    return cell(value) if delta.base is None else changed_cell(value, delta, direction)


# Where the FLOPs go -------------------------------------------------------------------------------


def top_layers(comparison: Comparison, limits: Limits) -> Section | None:
    """Per model at head, the modules with the most FLOPs of their own."""
    results = [model.head for model in by_severity(comparison.models) if model.head is not None]
    told = [result for result in results if result.cost and result.layers]
    parts = [_top_part(result, limits) for result in told[: limits.models]]
    if len(told) > limits.models:
        parts.append(Part(remark=more(len(told) - limits.models, "model")))
    return Section(title="Where the FLOPs go", parts=tuple(parts)) if parts else None


def _top_part(result: ModelResult, limits: Limits) -> Part:
    assert result.cost is not None
    total, own = result.cost.macs, own_values(result.layers, "macs")
    params = own_values(result.layers, "params")
    groups = grouped(
        (layer for layer in result.layers if own[layer.path]),
        lambda layer: layer.path,
        lambda layer: (
            layer.type,
            shapes(layer.output_shapes),
            own[layer.path],
            params[layer.path],
        ),
    )
    groups.sort(key=lambda group: _together(group, own), reverse=True)
    shown = groups[: limits.top_layers]
    modules = len(result.layers) - sum(len(group.members) for group in shown)
    rest = total - sum(_together(group, own) for group in shown)
    of_all = f"{quantities.quantity(total, 'count')} FLOPs in "
    return Part(
        caption=joined(name(result.name), ": ", of_all, counted(len(result.layers), "module")),
        tables=(_top_table(shown, own, params, total),) if shown else (),
        remark=_rest(modules, rest, total),
    )


def _together(group: Group[Layer], own: Mapping[str, int]) -> int:
    return sum(own[layer.path] for layer in group.members)


def _top_table(
    groups: Sequence[Group[Layer]], own: Mapping[str, int], params: Mapping[str, int], total: int
) -> Table:
    together = any(len(group.members) > 1 for group in groups)
    figures = _FIGURES_OF_GROUPS if together else _FIGURES
    rows = [
        [
            *_names(group),
            cell(quantities.quantity(own[group.members[0].path], "count")),
            cell(quantities.quantity(params[group.members[0].path], "count")),
            cell(quantities.share_of(_together(group, own), total)),
        ]
        for group in groups
    ]
    return table(["Layer", "Class", "Output", *figures], rows, numbers=slice(3, None))


_FIGURES = ("Own FLOPs", "Own params", "Share of model")
_FIGURES_OF_GROUPS = ("Own FLOPs, each", "Own params, each", "Share of model, together")


def _names(group: Group[Layer]) -> list[Cell]:
    layer = group.members[0]
    where = name(group.path) if layer.path else ours("the model itself")
    return [
        cell(where, _repeated(group)),
        cell(name(layer.type)),
        cell(shapes(layer.output_shapes)),
    ]


def shapes(seen: Sequence[Sequence[int]]) -> str:
    """`1×64×112×112`; several are separated by commas."""
    texts = ["×".join(map(str, shape)) or "scalar" for shape in seen]
    return ", ".join(texts[:2]) + (", …" if len(texts) > 2 else "") or "no tensor"


def _rest(modules: int, rest: int, total: int) -> Text | None:
    if not modules:
        return None
    value, share = quantities.quantity(rest, "count"), quantities.share_of(rest, total)
    told = f"{value} FLOPs ({share})" if rest else "no own FLOPs"
    return ours(f"{counted(modules, 'more module')}: {told}.")
