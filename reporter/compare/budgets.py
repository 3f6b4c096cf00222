"""Budgets held against what was seen, and the exit code that follows from a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from ..errors import ExitCode, most_telling
from ..metrics import BY_NAME
from ..records import (
    Budget,
    BudgetVerdict,
    Comparison,
    FailOn,
    MetricDelta,
    ModelResult,
    ModelState,
)

Verdict = Literal["kept", "broken", "unknown"]

_WITHOUT_BASE: Mapping[ModelState, str] = {
    "single": "there is no base to compare with",
    "new": "the model is new",
    "base failed": "the model could not be profiled at base",
}
_WITHOUT_HEAD: Mapping[ModelState, str] = {"failed": "the model could not be profiled"}


def judge_budget(
    model: str,
    state: ModelState,
    budget: Budget,
    delta: MetricDelta | None,
    incomparable: str | None = None,
) -> BudgetVerdict:
    """Hold one budget against one metric; `incomparable` says why base cannot stand beside head.

    A growth budget on a timed metric is broken only by a change that is more than noise. A cap
    is held against head alone; for a metric where more is better it is the least allowed.
    """
    base, head = (None, None) if delta is None else (delta.base, delta.head)
    reason = _missing(state, budget, base, head) or (
        incomparable if budget.kind == "growth" else None
    )
    verdict: Verdict = "unknown"
    if reason is None and delta is not None:
        verdict = "broken" if _is_broken(budget, delta) else "kept"
    return BudgetVerdict(
        model=model,
        budget=budget,
        state=verdict,
        base=base,
        head=head,
        share=None if delta is None else delta.share,
        reason=reason,
    )


def _missing(
    state: ModelState, budget: Budget, base: float | None, head: float | None
) -> str | None:
    if head is None:
        return _WITHOUT_HEAD.get(state, "not measured at head")
    if base is None and budget.kind == "growth":
        return _WITHOUT_BASE.get(state, "not measured at base")
    return None


def _is_broken(budget: Budget, delta: MetricDelta) -> bool:
    assert delta.head is not None
    metric = BY_NAME[budget.metric]
    head, limit = Fraction(delta.head), Fraction(budget.limit)
    if budget.kind == "growth":
        assert delta.base is not None
        if metric.timed and delta.change != "worse":
            return False
        # The manifest's decimal, not the binary float nearest to it: exactly +5 % keeps "+5%".
        limit = Fraction(delta.base) * (1 + limit.limit_denominator(10**9))
    return head > limit if metric.better == "lower" else head < limit


def uncounted_at_head(comparison: Comparison) -> Mapping[str, ModelResult]:
    """The models of head, by name, of whose operations some have no formula."""
    heads = {model.name: model.head for model in comparison.models}
    return {
        name: head for name, head in heads.items() if head and head.cost and head.cost.uncounted
    }


def exit_code(comparison: Comparison, fail_on: FailOn, *, strict: bool = False) -> ExitCode:
    """What the program should tell its caller about a finished comparison.

    Args:
        comparison: The finished comparison.
        fail_on: `budget`: a broken budget is a failure; `regression`: so is any metric that got
            worse by more than noise; `never`: neither is.
        strict: Whether a model with uncounted operations at head counts as one that failed.

    Returns:
        `REGRESSED`, `MODEL_FAILED` (whatever `fail_on` says, also where only the timing of a model
        failed) or `FINE`.
    """
    codes: set[ExitCode] = set()
    models = comparison.models
    if fail_on != "never" and any(b.state == "broken" for m in models for b in m.budgets):
        codes.add(ExitCode.REGRESSED)
    if fail_on == "regression" and any(d.change == "worse" for m in models for d in m.metrics):
        codes.add(ExitCode.REGRESSED)
    if any(model.head is not None and model.head.error is not None for model in models):
        codes.add(ExitCode.MODEL_FAILED)
    if strict and uncounted_at_head(comparison):
        codes.add(ExitCode.MODEL_FAILED)
    return most_telling(codes)
