"""Which modules differ between base and head, each change told once and where it happened.

A module's figures include its descendants', so a change in one convolution shows in every
module around it. What decides is the module's *own* part (`metrics.own_values`): a parent is
listed only when its own part differs or its class does. Of an added or removed subtree only the
topmost module is listed, since its figures are the subtree's; and where a leaf became a
container (or the other way round), only the module that changed. The root is never listed: its
figures are the model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ..metrics import BY_NAME, own_values
from ..records import Change, Layer, LayerDelta, MetricDelta

LAYER_METRICS = ("macs", "madds", "params", "read_bytes", "write_bytes")

_ROOT = ""
Side = Mapping[str, Layer]


def layer_deltas(
    base: Sequence[Layer], head: Sequence[Layer], metrics: Sequence[str] = LAYER_METRICS
) -> tuple[LayerDelta, ...]:
    """The modules that differ in these metrics, by path: head's order, then the removed ones."""
    before = {layer.path: layer for layer in base}
    after = {layer.path: layer for layer in head}
    changed = _own_changes(base, head, metrics)
    pairs = [(before.get(path), layer) for path, layer in after.items() if path in changed]
    removed = [before[path] for path in before if path in changed - after.keys()]
    return tuple(_delta(*pair, metrics) for pair in [*pairs, *((layer, None) for layer in removed)])


def _own_changes(base: Sequence[Layer], head: Sequence[Layer], metrics: Sequence[str]) -> set[str]:
    before = {layer.path: layer for layer in base}
    after = {layer.path: layer for layer in head}
    both = before.keys() & after.keys()
    changed = {path for path in both if before[path].type != after[path].type}
    for name in metrics:
        own_before, own_after = own_values(base, name), own_values(head, name)
        changed |= {path for path in both if own_before[path] != own_after[path]}
    for mine, other in ((after, before), (before, after)):
        lone = mine.keys() - other.keys()
        changed |= {path for path in lone if _is_topmost(path, lone, other, changed)}
    return changed - {_ROOT}


def _is_topmost(path: str, lone: set[str], other: Side, changed: set[str]) -> bool:
    """Whether no ancestor already stands for this module that only one side has."""
    ancestors = _ancestors(path)
    if any(ancestor in lone for ancestor in ancestors):
        return False
    parent = next((ancestor for ancestor in ancestors if ancestor in other), _ROOT)
    return parent == _ROOT or parent not in changed or _has_children(parent, other)


def _ancestors(path: str) -> list[str]:
    """From the nearest up, without the root."""
    names = path.split(".")
    return [".".join(names[:length]) for length in range(len(names) - 1, 0, -1)]


def _has_children(path: str, side: Side) -> bool:
    return any(other.startswith(f"{path}.") for other in side)


def _delta(base: Layer | None, head: Layer | None, metrics: Sequence[str]) -> LayerDelta:
    state: Literal["changed", "added", "removed"] = (
        "added" if base is None else "removed" if head is None else "changed"
    )
    present = [layer for layer in (base, head) if layer is not None]
    kinds = dict.fromkeys(layer.type for layer in present)
    return LayerDelta(
        path=present[-1].path,
        type=" → ".join(kinds),
        state=state,
        metrics=tuple(_metric(name, base, head) for name in metrics),
    )


def _metric(name: str, base: Layer | None, head: Layer | None) -> MetricDelta:
    before: int | None = None if base is None else getattr(base, name)
    after: int | None = None if head is None else getattr(head, name)
    if before is None or after is None:
        change: Change = "new" if before is None else "removed"
        return MetricDelta(metric=name, base=before, head=after, change=change)
    return MetricDelta(
        metric=name,
        base=before,
        head=after,
        change=exact_change(before, after, BY_NAME[name].better),
        share=after / before - 1 if before else None,
    )


def exact_change(base: float, head: float, better: Literal["lower", "higher"]) -> Change:
    """An exact metric compares with `==`; which way is good decides the rest."""
    if base == head:
        return "unchanged"
    return "better" if (head < base) == (better == "lower") else "worse"
