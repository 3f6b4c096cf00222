"""Whether base and head were asked the same: a changed question is no changed answer.

`kwargs` and `target` are the model itself, so a change in them is what a report is about.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..metrics import Metric
from ..records import Json, ModelResult

_MEASURE = ("dtype", "mode", "latency_batch")
_INDEPENDENT: Mapping[str, frozenset[str]] = {
    "params": frozenset({"inputs", *_MEASURE}),
    "throughput_per_s": frozenset({"latency_batch"}),
}
"""By metric, what of a declaration does not matter to it; all of it matters to the others."""


def declared_differently(base: ModelResult, head: ModelResult) -> tuple[str, ...]:
    """What differs in the two declarations of all that figures depend on.

    A side that recorded no declaration tells only its batch.
    """
    differing = []
    if base.declaration and head.declaration:
        before, after = _asked(base.declaration), _asked(head.declaration)
        differing = [key for key in before if before[key] != after[key]]
    if base.batch != head.batch and "latency_batch" not in differing:
        differing.append("latency_batch")
    return tuple(differing)


def _asked(declaration: Mapping[str, Json]) -> dict[str, Json]:
    measure = declaration.get("measure") or {}
    return {"inputs": declaration.get("inputs"), **{key: measure.get(key) for key in _MEASURE}}


def why_other_question(metric: Metric, base: ModelResult, head: ModelResult) -> str | None:
    """In words, why two values of a metric answer two questions; None where they answer one."""
    irrelevant = _INDEPENDENT.get(metric.name, frozenset())
    relevant = [key for key in declared_differently(base, head) if key not in irrelevant]
    return f"declared differently: {', '.join(relevant)}" if relevant else None
