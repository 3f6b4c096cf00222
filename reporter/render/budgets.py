"""The section on budgets: what is broken or could not be judged, and a line for all the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from ..metrics import BY_NAME, METRICS
from ..records import BudgetVerdict, Comparison, ModelDelta
from . import quantities
from .parts import Cell, Part, Section, Table, Tone, cell, counted, table
from .untrusted import Text, joined, listed, name, ours, prose
from .verdict import by_severity

_ORDER: tuple[Literal["broken", "unknown", "kept"], ...] = ("broken", "unknown", "kept")
_MOST_KINDS = 12


def budgets(comparison: Comparison) -> Section | None:
    """How the budgets were kept: the broken and the unknown in a table, the others in lines."""
    models = by_severity(comparison.models)
    verdicts = [verdict for model in models for verdict in model.budgets]
    if not verdicts:
        return None
    told = [v for model in models for v in model.budgets if _has_row(model, v)]
    told.sort(key=lambda verdict: _ORDER.index(verdict.state))
    lines = (*_kept(verdicts), *_need_base(models), *_of_failed(models))
    states = Counter(verdict.state for verdict in verdicts)
    said = ", ".join(f"{states[state]} {state}" for state in _ORDER if states[state])
    part = Part(tables=(_table(told),) if told else (), lines=lines)
    return Section(title=f"Budgets ({said})", parts=(part,))


def _has_row(model: ModelDelta, verdict: BudgetVerdict) -> bool:
    if verdict.state == "unknown":
        return model.state != "failed" and not _needs_base(model, verdict)
    return verdict.state == "broken"


def _needs_base(model: ModelDelta, verdict: BudgetVerdict) -> bool:
    """Whether the report has no base at all, and this budget nothing to grow from."""
    alone = model.state == "single" and verdict.head is not None
    return alone and verdict.state == "unknown" and verdict.budget.kind == "growth"


def _kept(verdicts: Sequence[BudgetVerdict]) -> Iterator[Text]:
    """`8 kept: FLOPs +0% × 6, Params +1% × 2.`."""
    kept = [v.budget for v in verdicts if v.state == "kept"]
    if not kept:
        return
    order = [metric.name for metric in METRICS]
    kinds = Counter((order.index(budget.metric), budget.text) for budget in kept)
    each = (
        joined(f"{METRICS[at].label} ", name(text), f" × {count:,}" if count > 1 else "")
        for (at, text), count in sorted(kinds.items())
    )
    yield joined(f"{len(kept):,} kept: ", listed(each, _MOST_KINDS), ".")


def _need_base(models: Sequence[ModelDelta]) -> Iterator[Text]:
    number = sum(_needs_base(model, verdict) for model in models for verdict in model.budgets)
    if number:
        verb = "needs" if number == 1 else "need"
        said = f"{counted(number, 'growth budget')} {verb} a base: run with "
        yield joined(said, name("--base"), ".")


def _of_failed(models: Sequence[ModelDelta]) -> Iterator[Text]:
    for model in models:
        if model.state == "failed" and model.budgets:
            number = counted(len(model.budgets), "budget")
            yield joined(name(model.name), f" failed: {number} not judged.")


def _table(verdicts: Sequence[BudgetVerdict]) -> Table:
    titles = ["Model", "Metric", "Budget", "Base", "Head", "Change", "Verdict"]
    return table(titles, list(map(_row, verdicts)), numbers=slice(3, 6))


def _row(verdict: BudgetVerdict) -> list[Cell]:
    unit = BY_NAME[verdict.budget.metric].unit
    sides = [
        cell("no figure" if value is None else quantities.quantity(value, unit))
        for value in (verdict.base, verdict.head)
    ]
    said: list[Text | str] = [verdict.state]
    said += [": ", prose(verdict.reason)] if verdict.reason else []
    tone: Tone = "worse" if verdict.state == "broken" else "neutral"
    texts = (name(verdict.model), ours(BY_NAME[verdict.budget.metric].label))
    words = [*map(cell, texts), cell(name(verdict.budget.text))]
    return [*words, *sides, cell(_change(verdict)), cell(*said, tone=tone)]


def _change(verdict: BudgetVerdict) -> str:
    if verdict.base is None or verdict.head is None:
        return "unknown"
    if verdict.state == "unknown":
        return "not comparable"
    return quantities.change(verdict.base, verdict.head, BY_NAME[verdict.budget.metric].unit)
