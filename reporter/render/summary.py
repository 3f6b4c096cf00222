"""The part of a report that is always seen: where it comes from, its notes and its main table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..metrics import BY_NAME, Metric
from ..records import (
    Change,
    Comparison,
    MetricDelta,
    ModelDelta,
    ModelError,
    ModelState,
    Revision,
    Side,
    Stage,
)
from . import quantities
from .parts import Cell, Limits, Part, Section, Table, Tone, cell, counted, more, table, value_cell
from .untrusted import MOST_CHARACTERS, Text, joined, listed, name, ours, prose
from .verdict import Status, broken_budgets, by_severity, headline, is_quiet, is_untimed, status_of

_AT_STAGE: Mapping[Stage, str] = {
    "target": "not found",
    "import": "failed on import",
    "build": "failed to build",
    "inputs": "failed on its inputs",
    "forward": "failed in forward",
    "worker": "its process failed",
}
TONES: Mapping[str, Tone] = {"better": "better", "worse": "worse", "failed": "worse"}


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


_MAIN = ("macs", "params", "activation_peak_bytes", "peak_bytes", "latency_ms", "throughput_per_s")
_TRAFFIC = ("madds", "read_bytes", "write_bytes")
_IDLE: frozenset[Status] = frozenset({"profiled", "unchanged"})
"""What a whole column need not repeat: the cells, or the want of a base, say it already."""


def main_table(comparison: Comparison, limits: Limits) -> tuple[Table, Text | None]:
    """The table of models by metrics, and the line that stands for the rows it does not show."""
    models = by_severity(comparison.models)
    quiet = [model for model in models if is_quiet(model)]
    candidates = [model for model in models if not is_quiet(model)] or quiet
    folded = _folded(quiet, limits) if quiet and candidates is not quiet else None
    below = [line for line in (_cut(candidates, limits), folded) if line is not None]
    spaced = [part for line in below for part in (" ", line)][1:]
    shown = _with_status(candidates[: limits.rows], _existing(_MAIN, comparison))
    return shown, joined(*spaced) if spaced else None


def traffic(comparison: Comparison, limits: Limits) -> Section | None:
    """The exact metrics that stand beside the main ones, for the same models."""
    models = [m for m in by_severity(comparison.models) if m.metrics and m.state != "failed"]
    candidates = [model for model in models if not is_quiet(model)] or models
    metrics = _existing(_TRAFFIC, comparison)
    if not candidates or not metrics:
        return None
    shown = candidates[: limits.rows]
    values = [[_value_cell(m, metric, beside_status=False) for metric in metrics] for m in shown]
    part = Part(tables=(_table(shown, metrics, values),), remark=_cut(candidates, limits))
    return Section(title="MAdd and memory traffic", parts=(part,))


def _cut(models: Sequence[ModelDelta], limits: Limits) -> Text | None:
    return more(len(models) - limits.rows, "model")


def _existing(names: Sequence[str], comparison: Comparison) -> list[Metric]:
    seen = {delta.metric for model in comparison.models for delta in model.metrics}
    return [BY_NAME[metric] for metric in names if metric in seen]


def _with_status(models: Sequence[ModelDelta], metrics: Sequence[Metric]) -> Table:
    names = [metric.name for metric in metrics]
    statuses = [_status_cell(model, names) for model in models]
    values = [[_value_cell(model, metric) for metric in metrics] for model in models]
    words = {status.text.plain for status in statuses}
    if len(words) == 1 and words <= _IDLE:
        return _table(models, metrics, values)
    rows = [[cell(name(m.name)), s, *v] for m, s, v in zip(models, statuses, values, strict=True)]
    titles = ["Model", "Status", *(metric.label for metric in metrics)]
    return table(titles, rows, numbers=slice(2, None))


def _table(
    models: Sequence[ModelDelta], metrics: Sequence[Metric], values: Sequence[Sequence[Cell]]
) -> Table:
    rows = [[cell(name(model.name)), *row] for model, row in zip(models, values, strict=True)]
    titles = ["Model", *(metric.label for metric in metrics)]
    return table(titles, rows, numbers=slice(1, None))


def _folded(quiet: Sequence[ModelDelta], limits: Limits) -> Text:
    which = listed((name(model.name) for model in quiet), 3 * limits.names)
    return joined(f"{counted(len(quiet), 'model')} unchanged: ", which, ".")


def _status_cell(model: ModelDelta, shown: Sequence[str]) -> Cell:
    status = status_of(model)
    failed = {"failed": model.head, "not compared": model.base}.get(status)
    if failed is not None and failed.error is not None:
        return _failure_cell(model, failed.error)
    tone = TONES.get(status, "neutral")
    said = [ours(_said_of_base(model) or status), *_unseen(model, shown)]
    said += [ours("not timed")] if is_untimed(model) else []
    if broken_budgets(model):
        said, tone = [*said, ours("over budget")], "worse"
    lines = [joined(line, ",") for line in said[:-1]] + said[-1:]
    spaced = [part for line in lines for part in (" ", line)][1:]
    return Cell(joined(*spaced), tone, tuple(lines))


def _said_of_base(model: ModelDelta) -> str | None:
    failed = model.base is not None and model.base.status == "failed"
    return "removed (failed at base)" if failed and model.state == "removed" else None


def _unseen(model: ModelDelta, shown: Sequence[str]) -> list[Text]:
    """The first change of each direction that no cell of the row shows: `MemRead +4 B`."""
    seen = {delta.change for delta in model.metrics if delta.metric in shown}
    first = {d.change: d for d in reversed(model.metrics) if d.change in ("better", "worse")}
    word = " {}" if status_of(model) == "mixed" else ""
    return [
        ours(headline(delta) + word.format(change))
        for change, delta in first.items()
        if change not in seen and model.state == "compared"
    ]


def _failure_cell(model: ModelDelta, error: ModelError) -> Cell:
    at_head = status_of(model) == "failed"
    too = at_head and model.base is not None and model.base.status == "failed"
    side = "" if at_head else "at base "
    also = "(at base too)" if too else ""
    short = tuple(ours(line) for line in (f"{side}{_AT_STAGE[error.stage]}", also) if line)
    return Cell(joined(side, *why_failed(error), f" {also}" if too else ""), "worse", short)


def why_failed(error: ModelError, most: int = MOST_CHARACTERS) -> tuple[Text | str, ...]:
    """`failed in forward: ` and the error's own line."""
    return f"{_AT_STAGE[error.stage]}: ", name(error.message, most)


def _value_cell(model: ModelDelta, metric: Metric, *, beside_status: bool = True) -> Cell:
    delta = next((d for d in model.metrics if d.metric == metric.name), None)
    if delta is None:
        failed = model.state == "failed" or _said_of_base(model) is not None
        return cell("failed" if failed else "not measured")
    if delta.head is None:
        was = f"was {quantities.quantity(delta.base or 0, metric.unit)}"
        return cell("not measured, " if model.state == "compared" else "", was)
    value = quantities.quantity(delta.head, metric.unit)
    if delta.base is not None:
        return changed_cell(value, delta, status_of(model) if beside_status else None)
    lacking = _LACKING.get(model.state)
    said = lacking is None or (beside_status and model.state != "compared")
    return cell(value) if said else value_cell(value, lacking or "")


_LACKING: Mapping[ModelState, str] = {
    "compared": "no figure at base",
    "base failed": "no figure at base",
    "new": "new",
}


_WORDS: Mapping[Change, str] = {
    "better": "{} better",
    "worse": "{} worse",
    "within noise": "{}, within noise",
    "not comparable": "not comparable",
}


def changed_cell(value: str, delta: MetricDelta, direction: Status | None) -> Cell:
    """A value and its change: `504 M (+8.3 %)`.

    Better and worse are words only where they are not the direction that is already said of the
    whole row, by its status or its table's caption.
    """
    assert delta.base is not None and delta.head is not None
    amount = quantities.change(delta.base, delta.head, BY_NAME[delta.metric].unit)
    word = "{}" if delta.change == direction else _WORDS.get(delta.change, "{}")
    return value_cell(value, word.format(amount), tone=TONES.get(delta.change, "neutral"))
