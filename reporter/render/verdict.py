"""The first line of a report, and the order of its rows: what became of each model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from ..metrics import BY_NAME
from ..records import BudgetVerdict, Comparison, MetricDelta, ModelDelta, ModelState
from . import quantities
from .parts import Limits, Tone, counted
from .untrusted import Text, joined, listed, name, ours

Status = Literal[
    "failed",
    "worse",
    "mixed",
    "partly measured",
    "not compared",
    "removed",
    "new",
    "changed",
    "better",
    "unchanged",
    "profiled",
]
"""The gravest first: also the order of the rows."""

_SEVERITY: Mapping[Status, int] = {status: rank for rank, status in enumerate(get_args(Status))}

_OF_STATE: Mapping[ModelState, Status] = {
    "failed": "failed",
    "base failed": "not compared",
    "new": "new",
    "removed": "removed",
    "single": "profiled",
}


def status_of(model: ModelDelta) -> Status:
    """What became of a model, all its metrics taken together."""
    if model.state != "compared":
        return _OF_STATE[model.state]
    changes = {delta.change for delta in model.metrics}
    if {"better", "worse"} <= changes:
        return "mixed"
    by_change: Sequence[tuple[str, Status]] = (
        ("worse", "worse"),
        ("not measured", "partly measured"),
        ("better", "better"),
        ("changed", "changed"),
    )
    return next((status for change, status in by_change if change in changes), "unchanged")


def broken_budgets(model: ModelDelta) -> list[BudgetVerdict]:
    """The budgets a model does not keep."""
    return [budget for budget in model.budgets if budget.state == "broken"]


def by_severity(models: Sequence[ModelDelta]) -> list[ModelDelta]:
    """Broken budgets and failures first, then worse before better, then as declared."""
    return sorted(models, key=lambda m: (not broken_budgets(m), _SEVERITY[status_of(m)]))


def is_quiet(model: ModelDelta) -> bool:
    """Whether a model may be folded away beside others that have something to say."""
    return status_of(model) == "unchanged" and not broken_budgets(model)


def verdict(comparison: Comparison, limits: Limits) -> Text:
    """The report in one line."""
    models = by_severity(comparison.models)
    if not models:
        return ours("No models are declared.")
    if all(is_quiet(model) for model in models):
        return joined("No change in ", counted(len(models), "model"), _noise(models), ".")
    groups: dict[Status, list[ModelDelta]] = {}
    for model in sorted(models, key=lambda m: _SEVERITY[status_of(m)]):
        groups.setdefault(status_of(model), []).append(model)
    clauses = [_clause(status, members, limits) for status, members in groups.items()]
    return joined(_budgets(models, limits), *_sentence(clauses), _ending(comparison))


def _sentence(clauses: Sequence[tuple[int, Text]]) -> Iterator[Text | str]:
    """`2 models worse (…); 1 new (…); 4 unchanged`: the noun is said once."""
    for at, (count, said) in enumerate(clauses):
        yield f"; {count:,}" if at else counted(count, "model")
        yield said


def tone_of(comparison: Comparison) -> Tone:
    """The colour of the verdict, where there is colour."""
    statuses = {status_of(model) for model in comparison.models}
    broken = any(broken_budgets(model) for model in comparison.models)
    if broken or statuses & {"failed", "worse", "mixed"}:
        return "worse"
    return "better" if "better" in statuses else "neutral"


def _noise(models: Sequence[ModelDelta]) -> str:
    changes = {delta.change for model in models for delta in model.metrics}
    return ", timings within noise" if "within noise" in changes else ""


def _ending(comparison: Comparison) -> str:
    return "." if comparison.base else "; there is no base to compare with."


def _budgets(models: Sequence[ModelDelta], limits: Limits) -> Text:
    broken = [budget for model in models for budget in broken_budgets(model)]
    if not broken:
        return ours("")
    which = (joined(name(b.model), " ", BY_NAME[b.budget.metric].label) for b in broken)
    said = f"{counted(len(broken), 'budget')} broken ("
    return joined(said, listed(which, limits.names), "). ")


def _clause(status: Status, members: Sequence[ModelDelta], limits: Limits) -> tuple[int, Text]:
    """How many, and ` worse (`a` FLOPs +2.0 %, `b` …)`; what is quiet is only counted."""
    if status in ("unchanged", "profiled"):
        return len(members), ours(f" {status}")
    which = listed((_with_headline(model) for model in members), limits.names)
    return len(members), joined(f" {status} (", which, ")")


def _with_headline(model: ModelDelta) -> Text:
    status = status_of(model)
    if status not in ("better", "worse"):
        return name(model.name)
    first = next(delta for delta in model.metrics if delta.change == status)
    return joined(name(model.name), f" {_headline(first)}")


def _headline(delta: MetricDelta) -> str:
    metric = BY_NAME[delta.metric]
    assert delta.base is not None and delta.head is not None
    return f"{metric.label} {quantities.change(delta.base, delta.head, metric.unit)}"
