"""Repeated blocks told once: `encoder.{0…11}.mlp.0` for twelve layers that show the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

Item = TypeVar("Item")
_Component = str | frozenset[int]


@dataclass(frozen=True, slots=True)
class Group(Generic[Item]):
    """Layers that show the same, under one path: exactly those its numbers multiply out to."""

    path: str
    members: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Row(Generic[Item]):
    components: tuple[_Component, ...]
    shown: Hashable
    members: tuple[Item, ...]


def grouped(
    items: Iterable[Item], path_of: Callable[[Item], str], shown_of: Callable[[Item], Hashable]
) -> list[Group[Item]]:
    """Merge items whose paths differ in numbers only and which show the same.

    Args:
        items: Layers, or whatever stands for one.
        path_of: The dotted path of an item.
        shown_of: All that its row would show; items that differ in it are never merged.

    Returns:
        The groups, each where its first member stood.
    """
    rows = [_Row(_components(path_of(item)), shown_of(item), (item,)) for item in items]
    for position in range(max((len(row.components) for row in rows), default=0)):
        rows = _merged_at(position, rows)
    return [Group(_written(row.components), row.members) for row in rows]


def _merged_at(position: int, rows: Sequence[_Row[Item]]) -> list[_Row[Item]]:
    alike: dict[Hashable, list[_Row[Item]]] = {}
    for row in rows:
        alike.setdefault(_all_but(position, row), []).append(row)
    return [_union(position, same) for same in alike.values()]


def _all_but(position: int, row: _Row[Item]) -> Hashable:
    """What rows have in common that differ in their numbers at this position only."""
    components = row.components
    if position >= len(components) or isinstance(components[position], str):
        return components, row.shown
    return components[:position], components[position + 1 :], row.shown


def _union(position: int, rows: Sequence[_Row[Item]]) -> _Row[Item]:
    first = rows[0]
    if len(rows) == 1:
        return first
    found = (row.components[position] for row in rows)
    numbers = frozenset(n for some in found if not isinstance(some, str) for n in some)
    components = (*first.components[:position], numbers, *first.components[position + 1 :])
    return _Row(components, first.shown, tuple(item for row in rows for item in row.members))


def _components(path: str) -> tuple[_Component, ...]:
    return tuple(map(_component, path.split(".")))


def _component(text: str) -> _Component:
    """A number only where the text is how a number is written: `01` and `x1` are names."""
    is_number = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    return frozenset({int(text)}) if is_number else text


def _written(components: Iterable[_Component]) -> str:
    return ".".join(c if isinstance(c, str) else numbers(c) for c in components)


def numbers(several: Iterable[int]) -> str:
    """`3` for one, `{0…3, 5}` for several: three in a row and more are a run."""
    ordered = sorted(several)
    if len(ordered) == 1:
        return str(ordered[0])
    runs = (
        [number for _, number in run]
        for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])
    )
    return "{" + ", ".join(map(_run, runs)) + "}"


def _run(run: Sequence[int]) -> str:
    return f"{run[0]}…{run[-1]}" if len(run) > 2 else ", ".join(map(str, run))
