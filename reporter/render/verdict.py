"""The first line of a report, and the order of its rows: what became of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from ..metrics import BY_NAME
from ..records import BudgetVerdict, Comparison, MetricDelta, ModelDelta, ModelState, Stage
from . import quantities
from .parts import Limits, Tone, counted
from .untrusted import Text, joined, listed, name, ours

Status = Literal[
    "failed",
    "worse",
    "mixed",
    "partly measured",
    "not compared",
    "declared differently",
    "removed",
    "new",
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
    if model.declared_differently:
        return "declared differently"
    changes = {delta.change for delta in model.metrics}
    if {"better", "worse"} <= changes:
        return "mixed"
    by_change: Sequence[tuple[str, Status]] = (
        ("worse", "worse"),
        ("not measured", "partly measured"),
        ("better", "better"),
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
    said = broken_budgets(model) or is_untimed(model)
    return status_of(model) == "unchanged" and not said


def is_untimed(model: ModelDelta) -> bool:
    """Whether a model was counted at head, and its timing failed."""
    head = model.head
    return head is not None and head.cost is not None and head.error is not None


_MEASURED = {"latency_ms", "throughput_per_s", "peak_bytes"}


def unjudged_budgets(model: ModelDelta, *, measured: bool) -> list[BudgetVerdict]:
    """The budgets that could not be judged, and not because nothing was asked to judge them by.

    Growth has nothing to grow from where the report, or the base, does not have the model; and
    a time has no limit to keep in a run that nobody asked to measure times.
    """
    unknown = [budget for budget in model.budgets if budget.state == "unknown"]
    if not measured:
        unknown = [budget for budget in unknown if budget.budget.metric not in _MEASURED]
    if model.state in ("single", "new"):
        return [budget for budget in unknown if budget.budget.kind == "cap"]
    return unknown


def tone_of(comparison: Comparison) -> Tone:
    """The colour of the verdict, where there is colour."""
    statuses = {status_of(model) for model in comparison.models}
    broken = any(broken_budgets(model) for model in comparison.models)
    worse = any(delta.change == "worse" for model in comparison.models for delta in model.metrics)
    if broken or worse or "failed" in statuses:
        return "worse"
    return "better" if "better" in statuses else "neutral"


# The line itself ------------------------------------------------------------------------------


def verdict(comparison: Comparison, limits: Limits) -> Text:
    """The report in one line: a clause a model while they are few, else a clause a status."""
    models = by_severity(comparison.models)
    if not models:
        return ours("No model was profiled.")
    if all(is_quiet(model) for model in models):
        no_change = ("No change in ", counted(len(models), "model"), _timings(models))
        return joined(*no_change, _ending(comparison))
    telling = [model for model in models if not _is_plain(model)]
    plain = [model for model in models if _is_plain(model)]
    few = len(telling) <= limits.names
    clauses = [_clause(m, limits) for m in telling] if few else _counts(telling, limits)
    clauses += _plain_clauses(plain, with_noun=few)
    spaced = [part for clause in clauses for part in ("; ", clause)][1:]
    return joined(*spaced, _ending(comparison))


def _is_plain(model: ModelDelta) -> bool:
    return is_quiet(model) or (status_of(model) == "profiled" and not broken_budgets(model))


def _plain_clauses(models: Sequence[ModelDelta], *, with_noun: bool) -> list[Text]:
    """`4 models unchanged (timings within noise)`."""
    groups = _by_status(models)
    return [
        joined(_number(len(members), with_noun), f" {status}", _timings(members))
        for status, members in groups.items()
    ]


def _number(count: int, with_noun: bool) -> str:
    return counted(count, "model") if with_noun else f"{count:,}"


def _timings(models: Sequence[ModelDelta]) -> str:
    changes = {delta.change for model in models for delta in model.metrics}
    said = " or ".join(word for word in ("within noise", "not comparable") if word in changes)
    return f" (timings {said})" if said else ""


def _ending(comparison: Comparison) -> str:
    untimed = sum(map(is_untimed, comparison.models))
    sides = [side for model in comparison.models for side in (model.base, model.head) if side]
    measured = any(side.timing or side.error for side in sides)
    unjudged = sum(len(unjudged_budgets(each, measured=measured)) for each in comparison.models)
    said = [f"; {untimed:,} not timed"] if untimed else []
    said += [f"; {counted(unjudged, 'budget')} not judged"] if unjudged else []
    alone = [] if comparison.base else ["; there is no base to compare with"]
    return "".join([*said, *alone, "."])


def _by_status(models: Sequence[ModelDelta]) -> dict[Status, list[ModelDelta]]:
    groups: dict[Status, list[ModelDelta]] = {}
    for model in models:
        groups.setdefault(status_of(model), []).append(model)
    return groups


# One model --------------------------------------------------------------------------------------

_FAILS: Mapping[Stage, str] = {
    "target": "is not found",
    "import": "fails on import",
    "build": "fails to build",
    "inputs": "fails on its inputs",
    "forward": "fails in forward",
    "worker": "loses its process",
}


def _clause(model: ModelDelta, limits: Limits) -> Text:
    """`a` breaks 2 budgets (…): the model's name and what became of it."""
    broken = broken_budgets(model)
    said = _breaks(broken, limits) if broken else _CLAUSES[status_of(model)](model)
    return joined(name(model.name), " ", said)


def _breaks(broken: Sequence[BudgetVerdict], limits: Limits) -> Text:
    which = listed(map(_overrun, broken), limits.names)
    return joined(f"breaks {counted(len(broken), 'budget')} (", which, ")")


def _overrun(verdict: BudgetVerdict) -> Text:
    """`FLOPs +5.3 %` for growth, `Peak memory 17.0 GiB, over 16 GiB` for a cap."""
    metric = BY_NAME[verdict.budget.metric]
    assert verdict.head is not None
    if verdict.budget.kind == "growth" and verdict.base is not None:
        change = quantities.change(verdict.base, verdict.head, metric.unit)
        return ours(f"{metric.label} {change}")
    past = "over" if metric.better == "lower" else "under"
    value = quantities.quantity(verdict.head, metric.unit)
    return joined(f"{metric.label} {value}, {past} ", name(verdict.budget.text))


def _fails(model: ModelDelta) -> Text:
    error = model.head and model.head.error
    too = model.base is not None and model.base.status == "failed"
    return ours((_FAILS[error.stage] if error else "fails") + (", as at base" if too else ""))


def _not_compared(model: ModelDelta) -> Text:
    error = model.base and model.base.error
    why = f" ({_FAILS[error.stage]} at base)" if error else ""
    return ours(f"cannot be compared{why}")


def _declared_differently(model: ModelDelta) -> Text:
    """`is declared differently (inputs)`, and what can be compared all the same."""
    moved = [headline(d) for d in model.metrics if d.change in ("better", "worse")]
    also = f", {', '.join(moved)}" if moved else ""
    return ours(f"is declared differently ({', '.join(model.declared_differently)}){also}")


def _moves(change: str, of_cost: str, of_time: str) -> Callable[[ModelDelta], Text]:
    """`is cheaper and faster (FLOPs −41.3 %, Latency −53.4 %)`: the first metric of each kind."""

    def said(model: ModelDelta) -> Text:
        firsts = _firsts(model, change)
        words = [of_time if BY_NAME[delta.metric].timed else of_cost for delta in firsts]
        told = ", ".join(map(headline, firsts))
        return ours(f"is {' and '.join(words)} ({told})")

    return said


def _firsts(model: ModelDelta, change: str) -> list[MetricDelta]:
    """Of the metrics that changed so, the first exact and the first timed one."""
    moved = [delta for delta in model.metrics if delta.change == change]
    kinds = ([d for d in moved if BY_NAME[d.metric].timed is timed] for timed in (False, True))
    return [kind[0] for kind in kinds if kind]


def _mixed(model: ModelDelta) -> Text:
    told = (f"{headline(_firsts(model, change)[0])} {change}" for change in ("better", "worse"))
    return ours(f"is mixed ({', '.join(told)})")


def headline(delta: MetricDelta) -> str:
    """`FLOPs +5.3 %`."""
    metric = BY_NAME[delta.metric]
    assert delta.base is not None and delta.head is not None
    return f"{metric.label} {quantities.change(delta.base, delta.head, metric.unit)}"


def _words(said: str) -> Callable[[ModelDelta], Text]:
    return lambda _: ours(said)


_CLAUSES: Mapping[Status, Callable[[ModelDelta], Text]] = {
    "failed": _fails,
    "worse": _moves("worse", "costlier", "slower"),
    "mixed": _mixed,
    "partly measured": _words("is only partly measured"),
    "not compared": _not_compared,
    "declared differently": _declared_differently,
    "removed": _words("is removed"),
    "new": _words("is new"),
    "better": _moves("better", "cheaper", "faster"),
    "unchanged": _words("is unchanged"),
    "profiled": _words("is profiled"),
}


# Many models --------------------------------------------------------------------------------------


def _counts(models: Sequence[ModelDelta], limits: Limits) -> list[Text]:
    """`2 models break 3 budgets (…)`, `5 worse (…)`: each model once, the noun too."""
    breaking = [model for model in models if broken_budgets(model)]
    others = _by_status([model for model in models if not broken_budgets(model)])
    clauses = [_breaking(breaking, limits)] if breaking else []
    for status, members in others.items():
        number = _number(len(members), with_noun=not clauses)
        which = listed(map(_with_headline, members), limits.names)
        clauses.append(joined(number, f" {status} (", which, ")"))
    return clauses


def _breaking(models: Sequence[ModelDelta], limits: Limits) -> Text:
    number = sum(len(broken_budgets(model)) for model in models)
    which = listed(
        (joined(name(m.name), " ", _overrun(broken_budgets(m)[0])) for m in models), limits.names
    )
    verb = "breaks" if len(models) == 1 else "break"
    said = f"{counted(len(models), 'model')} {verb} {counted(number, 'budget')} ("
    return joined(said, which, ")")


def _with_headline(model: ModelDelta) -> Text:
    status = status_of(model)
    if status not in ("better", "worse"):
        return name(model.name)
    return joined(name(model.name), f" {headline(_firsts(model, status)[0])}")
