"""Repeated blocks told once: `encoder.{0…11}.mlp.0` for twelve layers that show the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

_Component = str | frozenset[int]


@dataclass(frozen=True, slots=True)
class Group[Item]:
    """Layers that show the same, under one path: exactly those its numbers multiply out to."""

    path: str
    members: tuple[Item, ...]


def grouped[Item](
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
    found = [(_components(path_of(item)), shown_of(item), (item,)) for item in items]
    longest = max((len(components) for components, *_ in found), default=0)
    for position in range(longest):
        found = _merged_at(position, found)
    return [Group(_written(components), members) for components, _, members in found]


def _merged_at[Item](
    position: int, rows: Sequence[tuple[tuple[_Component, ...], Hashable, tuple[Item, ...]]]
) -> list[tuple[tuple[_Component, ...], Hashable, tuple[Item, ...]]]:
    """Rows that differ in the numbers at this position only become one, the union of them."""
    merged: dict[Hashable, tuple[tuple[_Component, ...], Hashable, tuple[Item, ...]]] = {}
    for components, shown, members in rows:
        numbers = components[position] if position < len(components) else ""
        if isinstance(numbers, str):
            merged[components, shown, len(merged)] = (components, shown, members)
            continue
        before, after = components[:position], components[position + 1 :]
        key = (before, after, shown)
        seen = merged.get(key)
        known = seen[0][position] if seen else frozenset()
        assert isinstance(known, frozenset)
        union = (*before, known | numbers, *after)
        merged[key] = (union, shown, (*(seen[2] if seen else ()), *members))
    return list(merged.values())


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
