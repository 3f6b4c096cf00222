"""What a rule is and what it returns, and the two formulas that every family builds on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

Shape = Sequence[int]
Arguments = Mapping[str, Any]


class Work(NamedTuple):
    """Multiply-accumulates of contractions, and all multiplications and additions."""

    macs: int
    madds: int


NOTHING = Work(0, 0)
Rule = Callable[[Arguments, Sequence[Shape]], Work]


def contraction(outputs: int, depth: int, *, bias: bool = False) -> Work:
    """`outputs` elements, each the sum of `depth` products: n mul, n - 1 add, + 1 for a bias."""
    if depth == 0 or outputs == 0:
        return Work(0, outputs if bias else 0)
    return Work(outputs * depth, outputs * (2 * depth - 1 + bias))


def total(*parts: Work) -> Work:
    """The work of all parts together."""
    return Work(sum(part.macs for part in parts), sum(part.madds for part in parts))


def per_output(operations: int) -> Rule:
    """`operations` multiplications and additions for every element of the first result."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        return Work(0, operations * prod(out[0])) if out else NOTHING

    return rule
