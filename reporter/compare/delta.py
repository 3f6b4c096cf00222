"""Two snapshots and the budgets become one `Comparison`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..metrics import BY_NAME, METRICS, Metric
from ..records import (
    Budget,
    Change,
    Comparison,
    Json,
    LayerDelta,
    Machine,
    MetricDelta,
    ModelDelta,
    ModelResult,
    ModelState,
    Side,
    Snapshot,
)
from .budgets import judge_budget
from .layers import LAYER_METRICS, exact_change, layer_deltas
from .noise import judge, spread_of, why_not_comparable
from .question import declared_differently, why_other_question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One model on both sides, with the machines the two were seen on."""

    base: ModelResult | None
    head: ModelResult | None
    machines: tuple[Machine | None, Machine | None]
    has_base: bool

    @property
    def declared_differently(self) -> tuple[str, ...]:
        if self.base is None or self.head is None:
            return ()
        return declared_differently(self.base, self.head)

    def why_not_comparable(self, metric: Metric) -> str | None:
        if self.base is None or self.head is None:
            return None
        asked = why_other_question(metric, self.base, self.head)
        return asked or self.why_measured_apart(metric)

    def why_measured_apart(self, metric: Metric) -> str | None:
        if self.base is None or self.head is None:
            return None
        return why_not_comparable(metric, self.base, self.head, self.machines)


def compare(
    base: Snapshot | None,
    head: Snapshot,
    budgets: Mapping[str, tuple[Budget, ...]],
    notes: Sequence[str] = (),
) -> Comparison:
    """Hold head against base, model by model and metric by metric.

    Args:
        base: What was profiled of the base; None where there is none, and then every model is
            `single`, caps are still judged, and growth budgets are `unknown`.
        head: What was profiled of the change.
        budgets: Each model's budgets, by the model's name.
        notes: Sentences the reader must see; why timings were not compared is added to them.

    Returns:
        The comparison: head's models in head's order, then the removed ones.
    """
    before = {} if base is None else {result.name: result for result in base.models}
    after = {result.name: result for result in head.models}
    pairs = {
        name: _Pair(
            base=before.get(name),
            head=after.get(name),
            machines=(_machine(name, before, base), _machine(name, after, head)),
            has_base=base is not None,
        )
        for name in (*after, *(name for name in before if name not in after))
    }
    return Comparison(
        schema=head.schema,
        head=_side(head),
        base=None if base is None else _side(base),
        models=tuple(_model(name, pair, budgets.get(name, ())) for name, pair in pairs.items()),
        notes=(*_told(base, head), *notes, *_notes(pairs)),
    )


def _machine(
    name: str, results: Mapping[str, ModelResult], snapshot: Snapshot | None
) -> Machine | None:
    result = results.get(name)
    own = result.machine if result is not None else None
    return own or (snapshot.machine if snapshot is not None else None)


def _told(base: Snapshot | None, head: Snapshot) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(base.notes if base else ()), *head.notes)))


def _side(snapshot: Snapshot) -> Side:
    return Side(tool=snapshot.tool, revision=snapshot.revision, machine=snapshot.machine)


def _model(name: str, pair: _Pair, budgets: tuple[Budget, ...]) -> ModelDelta:
    state = _state(pair)
    metrics = tuple(_metrics(pair, state))
    by_name = {delta.metric: delta for delta in metrics}
    incomparable = {metric.name: pair.why_not_comparable(metric) for metric in METRICS}
    return ModelDelta(
        name=name,
        state=state,
        metrics=metrics,
        layers=_layers(pair, state),
        budgets=tuple(
            judge_budget(
                name, state, budget, by_name.get(budget.metric), incomparable[budget.metric]
            )
            for budget in budgets
            if state != "removed"
        ),
        base=pair.base,
        head=pair.head,
        declaration_changes=tuple(_declaration_changes(pair)),
        declared_differently=pair.declared_differently,
    )


def _state(pair: _Pair) -> ModelState:
    if pair.head is None:
        return "removed"
    if pair.head.status == "failed":
        return "failed"
    if pair.base is None:
        return "new" if pair.has_base else "single"
    return "base failed" if pair.base.status == "failed" else "compared"


def _metrics(pair: _Pair, state: ModelState) -> Iterator[MetricDelta]:
    for metric in METRICS:
        base = None if pair.base is None else metric.value_of(pair.base)
        head = None if pair.head is None else metric.value_of(pair.head)
        if base is None and head is None:
            continue
        yield MetricDelta(
            metric=metric.name,
            base=base,
            head=head,
            change=_change(metric, pair, state, (base, head)),
            share=head / base - 1 if base and head is not None else None,
        )


_LONE: Mapping[ModelState, Change] = {"new": "new", "removed": "removed"}


def _change(
    metric: Metric, pair: _Pair, state: ModelState, values: tuple[float | None, float | None]
) -> Change:
    base, head = values
    if pair.base is None or pair.head is None or base is None or head is None:
        return _LONE.get(state, "not measured")
    if pair.why_not_comparable(metric):
        return "not comparable"
    if not metric.timed:
        return exact_change(base, head, metric.better)
    spreads = spread_of(metric, pair.base), spread_of(metric, pair.head)
    if spreads[0] is None or spreads[1] is None:
        return "not measured"
    return judge(spreads[0], spreads[1], metric.better)


def _layers(pair: _Pair, state: ModelState) -> tuple[LayerDelta, ...]:
    if state != "compared" or pair.base is None or pair.head is None:
        return ()
    metrics = [BY_NAME[name] for name in LAYER_METRICS]
    comparable = (metric.name for metric in metrics if not pair.why_not_comparable(metric))
    return layer_deltas(pair.base.layers, pair.head.layers, tuple(comparable))


def _notes(pairs: Mapping[str, _Pair]) -> list[str]:
    """One sentence for each reason that kept measurements of the same from being compared."""
    by_reason: dict[str, list[str]] = {}
    for name, pair in pairs.items():
        reasons: dict[str, list[str]] = {}
        for metric in METRICS:
            reason = pair.why_measured_apart(metric)
            if (
                reason
                and not pair.declared_differently
                and pair.base
                and pair.head
                and _both(metric, pair.base, pair.head)
            ):
                reasons.setdefault(reason, []).append(metric.label)
        for reason, labels in reasons.items():
            by_reason.setdefault(reason, []).append(f"{name} ({', '.join(labels)})")
    return [f"Not compared, {why}: {', '.join(which)}." for why, which in by_reason.items()]


def _both(metric: Metric, base: ModelResult, head: ModelResult) -> bool:
    return metric.value_of(base) is not None and metric.value_of(head) is not None


# What was asked ----------------------------------------------------------------------------


def _declaration_changes(pair: _Pair) -> Iterator[str]:
    if pair.base is None or pair.head is None:
        return
    before, after = dict(_flat(pair.base.declaration)), dict(_flat(pair.head.declaration))
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield f"{key}: {before.get(key, 'not set')} → {after.get(key, 'not set')}"


def _flat(declaration: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as dotted keys, so that one changed keyword is one change."""
    for key, value in declaration.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False, default=str)
