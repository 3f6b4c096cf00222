"""The folded section on what another counter says of the same forwards, and why it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..records import Comparison, Cost, ModelResult, OpinionLayer, SecondOpinion
from . import quantities
from .parts import Cell, Limits, Part, Section, cell, more, table
from .untrusted import Text, joined, name, ours, prose
from .verdict import by_severity

TITLE = "Second opinion: thop"

_TITLES = (
    *("Model", "FLOPs", "FLOPs by thop", "Difference"),
    *("Params", "Params by thop", "Params differ by", "Why"),
)
_WORTH_A_LOOK = 0.01
_MOST_REASONS = 2


def second_opinion(comparison: Comparison, limits: Limits) -> Section | None:
    """Ours and theirs of every model at head; where they are far apart, layer by layer."""
    heads = [model.head for model in by_severity(comparison.models) if model.head is not None]
    asked = [(head, head.second_opinion, head.cost) for head in heads]
    known = [(head, said, cost) for head, said, cost in asked if said and cost]
    if not known:
        return None
    rows = [_row(head, said, cost) for head, said, cost in known[: limits.rows]]
    every = Part(
        tables=(table(_TITLES, rows, numbers=slice(1, 7)),),
        remark=more(len(known) - limits.rows, "model"),
    )
    apart = [(head, said) for head, said, cost in known if _is_far_apart(said, cost)]
    parts = [_layers(head, said, limits) for head, said in apart[: limits.models]]
    return Section(title=TITLE, parts=(every, *parts))


def _is_far_apart(said: SecondOpinion, cost: Cost) -> bool:
    return (
        bool(said.layers)
        and said.macs is not None
        and (abs(said.macs - cost.macs) > _WORTH_A_LOOK * cost.macs)
    )


def _row(head: ModelResult, said: SecondOpinion, cost: Cost) -> list[Cell]:
    figures = [*_beside(cost.macs, said.macs), *_beside(cost.params, said.params)]
    return [cell(name(head.name)), *map(cell, figures), cell(_why(said))]


def _beside(ours_: int, theirs: int | None) -> tuple[str, str, str]:
    mine = quantities.quantity(ours_, "count")
    if theirs is None:
        return mine, "not known", "not known"
    both = quantities.pair(ours_, theirs, "count")
    return *both, quantities.change(ours_, theirs, "count")


def _why(said: SecondOpinion) -> Text:
    if said.error is not None:
        return prose(said.error)
    weights: Counter[str] = Counter()
    for layer in said.layers:
        weights[layer.reason] += abs(layer.macs - layer.their_macs)
    reasons = [prose(reason) for reason, _ in weights.most_common(_MOST_REASONS)]
    return joined(*_separated(reasons)) if reasons else ours("both agree")


def _separated(texts: list[Text]) -> Iterator[Text | str]:
    for at, text in enumerate(texts):
        yield from ("; ", text) if at else (text,)


def _layers(head: ModelResult, said: SecondOpinion, limits: Limits) -> Part:
    differing = [layer for layer in said.layers if layer.macs != layer.their_macs]
    rows = [_layer(layer) for layer in differing[: limits.top_layers]]
    titles = ["Layer", "Type", "FLOPs", "FLOPs by thop", "Why"]
    return Part(
        caption=name(head.name),
        tables=(table(titles, rows, numbers=slice(2, 4)),),
        remark=more(len(differing) - limits.top_layers, "layer"),
    )


def _layer(layer: OpinionLayer) -> list[Cell]:
    figures = quantities.pair(layer.macs, layer.their_macs, "count")
    where = name(layer.path) if layer.path else ours("(model)")
    return [cell(where), cell(name(layer.type)), *map(cell, figures), cell(prose(layer.reason))]
