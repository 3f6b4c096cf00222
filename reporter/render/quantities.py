"""The only place where numbers become text.

Three significant digits unless a change needs more to be seen. A number is rounded before its
unit is chosen, so that nothing ever reads `1000.00 µs` or `1024 KiB`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import pairwise

from ..metrics import Unit

MINUS = "−"
SPACE = "\u00a0"
"""A number and its unit stay on one line, in a table's narrow cell too."""

DIGITS = 3
MOST_DIGITS = 6
"""Beyond these a reader counts digits instead of reading: the exact number is shown instead."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class _Scale:
    """One unit of a family: `factor` of the family's base unit, written as `suffix`."""

    factor: Decimal
    suffix: str


def _scales(*steps: tuple[str, str]) -> tuple[_Scale, ...]:
    return tuple(_Scale(Decimal(factor), suffix) for factor, suffix in steps)


_SCALES: Mapping[Unit, Sequence[_Scale]] = {
    "count": _scales(("1", ""), ("1e3", "K"), ("1e6", "M"), ("1e9", "G"), ("1e12", "T")),
    "bytes": tuple(
        _Scale(Decimal(1024**power), suffix)
        for power, suffix in enumerate(("B", "KiB", "MiB", "GiB", "TiB"))
    ),
    "ms": _scales(("1e-3", "µs"), ("1", "ms"), ("1e3", "s")),
    "per_s": _scales(("1", "/s"), ("1e3", "K/s"), ("1e6", "M/s"), ("1e9", "G/s")),
}
_WHOLE: frozenset[Unit] = frozenset({"count", "bytes"})
"""Units that come in whole pieces, and so have no decimals in the smallest scale."""


def quantity(value: float, unit: Unit) -> str:
    """A value in the unit that suits it: `4.09 G`, `97.7 MiB`, `12.3 ms`, `312 /s`."""
    return _written(_decimal(value), _scale_for(_decimal(value), unit), unit, DIGITS)


def pair(base: float, head: float, unit: Unit) -> tuple[str, str]:
    """Both sides of one change, in one unit, with digits enough to tell them apart.

    Sides more than a thousandfold apart each have their own unit: in a shared one the smaller
    would read as nothing.
    """
    before, after = _decimal(base), _decimal(head)
    small, large = sorted((abs(before), abs(after)))
    if small and large > 1000 * small:
        return quantity(base, unit), quantity(head, unit)
    scale = _scale_for(large, unit)
    for digits in range(DIGITS, MOST_DIGITS + 1):
        texts = (_written(before, scale, unit, digits), _written(after, scale, unit, digits))
        if before == after or texts[0] != texts[1]:
            return texts
    return exact(base, unit), exact(head, unit)


def exact(value: float, unit: Unit) -> str:
    """Every digit, in the smallest whole unit: `4,089,284,608`."""
    scale = next(scale for scale in _SCALES[unit] if scale.factor == 1)
    return _with_suffix(f"{_decimal(value):,f}", scale)


def change(base: float, head: float, unit: Unit) -> str:
    """How head differs from base: `+1.2 %`, `−3.4 %`, `±0`.

    Where base is 0, or the share is too small to be read (below 0.001 %), the difference itself
    is shown with its sign: `+12 B`. Two numbers that differ never read as `±0`.
    """
    before, after = _decimal(base), _decimal(head)
    if before == after:
        return "±0"
    share = None if before == 0 else 100 * _EXACT.divide(after - before, abs(before))
    text = None if share is None else _percent(share, is_all=after == 0)
    return text or difference(base, head, unit)


def difference(base: float, head: float, unit: Unit) -> str:
    """`head − base` with its sign: `+12.3 K`, `−4 B`, `±0`."""
    delta = _EXACT.subtract(_decimal(head), _decimal(base))
    if delta == 0:
        return "±0"
    return _sign(delta) + _written(abs(delta), _scale_for(abs(delta), unit), unit, DIGITS)


def share_of(part: float, whole: float) -> str:
    """A part of a whole in per cent: `12.3 %`; a part too small to be read is `< 0.1 %`."""
    if whole == 0:
        return f"0{SPACE}%"
    percent = 100 * _EXACT.divide(_decimal(part), _decimal(whole))
    rounded = _round(percent, 1)
    number = "< 0.1" if part and not rounded else f"{rounded:f}"
    return f"{number}{SPACE}%"


def _percent(share: Decimal, *, is_all: bool) -> str | None:
    """Signed per cent, None where no readable number of decimals shows it for what it is."""
    size = abs(share)
    for decimals in (1, 2, 3):
        rounded = _round(size, decimals)
        looks_gone = share < 0 and rounded == 100 and not is_all
        if rounded and not looks_gone:
            return f"{_sign(share)}{_plain_percent(rounded)}{SPACE}%"
    return None


def _plain_percent(rounded: Decimal) -> str:
    return f"{_round(rounded, 0):,f}" if rounded >= 100 else f"{rounded:f}"


def _sign(value: Decimal) -> str:
    return MINUS if value < 0 else "+"


def _decimal(value: float) -> Decimal:
    """The number a reader would write: 0.1 is a tenth, not the binary fraction nearest to it."""
    return Decimal(int(value)) if value == int(value) else Decimal(repr(value))


def _round(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)


def _scale_for(value: Decimal, unit: Unit) -> _Scale:
    scales = _SCALES[unit]
    for scale, larger in pairwise(scales):
        rounded = _significant(abs(value) / scale.factor, DIGITS, whole=_is_whole(scale, unit))
        if rounded * scale.factor < larger.factor:
            return scale
    return scales[-1]


def _is_whole(scale: _Scale, unit: Unit) -> bool:
    return unit in _WHOLE and scale.factor == 1


def _significant(value: Decimal, digits: int, *, whole: bool) -> Decimal:
    """Rounded to significant digits, but never before the decimal point."""
    if whole or value == 0:
        return _round(value, 0)
    rounded = _round(value, max(0, digits - 1 - value.adjusted()))
    return _round(value, max(0, digits - 1 - rounded.adjusted()))


def _written(value: Decimal, scale: _Scale, unit: Unit, digits: int) -> str:
    scaled = _EXACT.divide(value, scale.factor)
    number = _significant(abs(scaled), digits, whole=_is_whole(scale, unit))
    sign = MINUS if value < 0 and number else ""
    return _with_suffix(f"{sign}{number:,f}", scale)


def _with_suffix(number: str, scale: _Scale) -> str:
    return f"{number}{SPACE}{scale.suffix}" if scale.suffix else number
