"""The part of a report that is always seen: where it comes from, its notes and its main table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..metrics import BY_NAME, METRICS, Metric
from ..records import Change, Comparison, MetricDelta, ModelDelta, ModelError, Revision, Side, Stage
from . import quantities
from .parts import Cell, Limits, Table, Tone, cell, counted, more, table
from .untrusted import Text, joined, listed, name, prose
from .verdict import by_severity, is_quiet, status_of

_AT_STAGE: Mapping[Stage, str] = {
    "import": "failed on import",
    "build": "failed to build",
    "inputs": "failed on its inputs",
    "forward": "failed in forward",
    "worker": "its process failed",
}
_TONES: Mapping[str, Tone] = {"better": "better", "worse": "worse", "failed": "worse"}


def provenance(comparison: Comparison) -> tuple[Text, ...]:
    """Which two trees were compared, how base was chosen, and where they were measured."""
    head = _revision(comparison.head.revision)
    if comparison.base is None:
        return (joined("Head ", head, *_machine(comparison.head)),)
    base = comparison.base.revision
    compared = joined("Base ", _revision(base), " → head ", head, *_machine(comparison.head))
    how = (joined("Base: ", prose(base.how.rstrip(".")), "."),) if base.how else ()
    return (compared, *how)


def _revision(revision: Revision) -> Text:
    named = [name(part) for part in (revision.label, (revision.sha or "")[:12]) if part]
    spaced = [part for text in named for part in (" ", text)][1:] or ["outside git"]
    return joined(*spaced, ", uncommitted changes included" if revision.dirty else "")


def _machine(side: Side) -> list[Text | str]:
    machine = side.machine
    if machine is None:
        return []
    where = name(machine.accelerator or machine.cpu)
    return [" · on ", where, " · torch ", name(machine.torch)]


def notes(comparison: Comparison, limits: Limits) -> tuple[Text, ...]:
    """What a reader must know before trusting the table."""
    uncounted = [
        name(model.name)
        for model in comparison.models
        if any(side and side.cost and side.cost.uncounted for side in (model.base, model.head))
    ]
    said = [prose(note) for note in comparison.notes]
    if uncounted:
        which = listed(uncounted, limits.names)
        said.append(joined("Incomplete figures, some operations have no formula: ", which, "."))
    return tuple(said)


def main_table(comparison: Comparison, limits: Limits) -> tuple[Table, Text | None]:
    """The table of models by metrics, and the line that stands for the rows it does not show."""
    models = by_severity(comparison.models)
    quiet = [model for model in models if is_quiet(model)]
    loud = [model for model in models if not is_quiet(model)]
    candidates = loud or quiet
    shown = candidates[: limits.rows]
    cut = more(len(candidates) - len(shown), "model")
    folded = _folded(quiet, limits) if loud and quiet else None
    below = [line for line in (cut, folded) if line is not None]
    metrics = [metric for metric in METRICS if _exists(metric, comparison.models)]
    rows = [_row(model, metrics) for model in shown]
    columns = ["Model", "Status", *(metric.label for metric in metrics)]
    spaced = [part for line in below for part in (" ", line)][1:]
    return _without_idle_status(table(columns, rows, numbers=slice(2, None)), shown), joined(
        *spaced
    ) if spaced else None


def _without_idle_status(full: Table, shown: Sequence[ModelDelta]) -> Table:
    """A column that says `profiled` in every row says nothing."""
    if any(status_of(model) != "profiled" for model in shown):
        return full
    rows = tuple((row[0], *row[2:]) for row in full.rows)
    return Table((full.columns[0], *full.columns[2:]), rows)


def _exists(metric: Metric, models: Sequence[ModelDelta]) -> bool:
    return any(delta.metric == metric.name for model in models for delta in model.metrics)


def _folded(quiet: Sequence[ModelDelta], limits: Limits) -> Text:
    which = listed((name(model.name) for model in quiet), 4 * limits.names)
    return joined(f"{counted(len(quiet), 'model')} unchanged: ", which, ".")


def _row(model: ModelDelta, metrics: Sequence[Metric]) -> list[Cell]:
    deltas = {delta.metric: delta for delta in model.metrics}
    values = (_value_cell(model, deltas.get(metric.name)) for metric in metrics)
    return [cell(name(model.name)), _status_cell(model), *values]


def _status_cell(model: ModelDelta) -> Cell:
    status = status_of(model)
    failed = {"failed": model.head, "not compared": model.base}.get(status)
    if failed is None or failed.error is None:
        return cell(status, tone=_TONES.get(status, "neutral"))
    side = "" if status == "failed" else "at base "
    too = status == "failed" and model.base is not None and model.base.status == "failed"
    return cell(side, *why_failed(failed.error), " (at base too)" if too else "", tone="worse")


def why_failed(error: ModelError) -> tuple[Text | str, ...]:
    """`failed in forward: ` and the error's own line."""
    return f"{_AT_STAGE[error.stage]}: ", name(error.message)


def _value_cell(model: ModelDelta, delta: MetricDelta | None) -> Cell:
    if delta is None:
        return cell("failed" if model.state == "failed" else "not measured")
    unit = BY_NAME[delta.metric].unit
    if delta.head is None:
        was = f"was {quantities.quantity(delta.base or 0, unit)}"
        lost = "not measured, " if model.state == "compared" else ""
        return cell(lost, was)
    value = quantities.quantity(delta.head, unit)
    if delta.base is None:
        partly = " (no figure at base)" if model.state == "compared" else ""
        return cell(value, partly)
    return cell(value, f" ({change_words(delta)})", tone=_TONES.get(delta.change, "neutral"))


_WORDS: Mapping[Change, str] = {
    "better": "{} better",
    "worse": "{} worse",
    "within noise": "{}, within noise",
    "not comparable": "not comparable",
}


def change_words(delta: MetricDelta) -> str:
    """The change of a metric that both sides have, with what it means: `+1.2 % worse`."""
    assert delta.base is not None and delta.head is not None
    amount = quantities.change(delta.base, delta.head, BY_NAME[delta.metric].unit)
    word = _WORDS.get(delta.change, "{}")
    return word.format(amount)
