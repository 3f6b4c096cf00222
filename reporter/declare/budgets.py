"""The grammar of a budget: a growth in percent, or a cap with a unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from ..metrics import BY_BUDGET_KEY, METRICS, Metric
from ..records import Budget, Json
from .wording import nearest, shown

_NUMBER = r"[0-9][0-9_]*(?:\.[0-9]+)?"
_GROWTH = re.compile(rf"([+-])\s*({_NUMBER})\s*(%?)")
_UNSIGNED_PERCENT = re.compile(rf"({_NUMBER})\s*%")
_QUANTITY = re.compile(rf"({_NUMBER})\s*([^0-9\s].*)?")

_DECIMAL = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SCALES: Mapping[str, Mapping[str, Decimal]] = {
    "count": {prefix: Decimal(factor) for prefix, factor in _DECIMAL.items()},
    "bytes": {
        "": Decimal(1),
        **{f"{prefix}B": Decimal(factor) for prefix, factor in _DECIMAL.items()},
        **{f"{prefix}iB": Decimal(1024) ** n for n, prefix in enumerate("KMGT", start=1)},
    },
    "ms": {
        "": Decimal(1),
        "us": Decimal("0.001"),
        "µs": Decimal("0.001"),
        "μs": Decimal("0.001"),
        "ms": Decimal(1),
        "s": Decimal(1000),
    },
    "per_s": {"": Decimal(1), "/s": Decimal(1)},
}
_NOUNS: Mapping[str, tuple[str, ...]] = {
    "macs": ("MACs", "FLOPs"),
    "madds": ("MAdd",),
    "params": ("params",),
}
_EXAMPLES: Mapping[str, str] = {
    "count": "4.1 G",
    "bytes": "16 GiB",
    "ms": "12 ms",
    "per_s": "100 /s",
}
_UNITS_IN_WORDS: Mapping[str, str] = {
    "count": "k, M, G, T (powers of 1000)",
    "bytes": "B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024)",
    "ms": "us, ms, s",
    "per_s": "/s",
}

ALIASES: Mapping[str, str] = {
    **{metric.name.lower(): metric.budget_key for metric in METRICS},
    **{metric.label.lower(): metric.budget_key for metric in METRICS},
    "memory": "peak",
    "parameters": "params",
}
"""What else a reader may call a budget's key, in lower case."""


def parse_budget(key: str, value: Json) -> Budget:
    """The budget on the metric that `key` names, such as `"+5%"`, `"16 GiB"` or `12000000`.

    A bare number is a cap in the metric's own unit. Where more is better the growth is a loss,
    `"-5%"`, and the cap a floor.

    Raises:
        ValueError: the value is not in the grammar, has the wrong sign, or can never be kept.
    """
    metric = BY_BUDGET_KEY[key]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {_expected(metric)}, found {shown(value)}")
    if not isinstance(value, str):
        return _cap(metric, float(value), str(value))
    text = value.strip()
    if growth := _GROWTH.fullmatch(text):
        return _growth(metric, text, *growth.groups())
    quantity = _QUANTITY.fullmatch(text)
    scale = scales_of(metric).get((quantity[2] or "").strip()) if quantity else None
    if quantity is None or scale is None:
        raise ValueError(f"expected {_expected(metric)}, found {shown(value)}{_mend(metric, text)}")
    return _cap(metric, float(_decimal(quantity[1]) * scale), text)


def scales_of(metric: Metric) -> dict[str, Decimal]:
    """What each unit that a cap on this metric may be written in is worth in the metric's own."""
    scales = _SCALES[metric.unit]
    nouns = ("", *_NOUNS.get(metric.budget_key, ()))
    return {unit + noun: scale for unit, scale in scales.items() for noun in nouns}


def pattern_of(metric: Metric) -> str:
    """The texts `parse_budget` takes for this metric, as a regular expression for a JSON Schema."""
    sign = r"\+" if metric.better == "lower" else "-"
    units = "|".join(sorted(map(re.escape, filter(None, scales_of(metric)))))
    zero = r"[+-]\s*0+(\.0+)?\s*%?"
    growth = rf"{sign}\s*{_NUMBER}\s*%"
    return rf"^\s*({zero}|{growth}|{_NUMBER}\s*({units})?)\s*$"


def describe(metric: Metric) -> str:
    """What a budget on this metric says, for an editor's hover."""
    bound = "at most" if metric.better == "lower" else "at least"
    return (
        f"Limit on {metric.label}: {_expected(metric)}. "
        f"A cap says {bound}; its units: {_UNITS_IN_WORDS[metric.unit]}."
    )


def example_growth(metric: Metric) -> str:
    """A growth budget that this metric takes."""
    return "+5%" if metric.better == "lower" else "-5%"


def example_cap(metric: Metric) -> str:
    """A cap that this metric takes."""
    return _EXAMPLES[metric.unit]


def _growth(metric: Metric, text: str, sign: str, number: str, percent: str) -> Budget:
    share = _decimal(number) / 100
    if share and not percent:
        raise ValueError(f'expected a growth in percent, found "{text}"; did you mean "{text}%"?')
    if share and metric.better == "lower" and sign == "-":
        raise ValueError(
            f'found "{text}", but a budget on {metric.label} limits its growth, so it is written '
            f'with a plus: "+{number}%"; "+0%" allows none'
        )
    if share and metric.better == "higher" and sign == "+":
        raise ValueError(
            f'found "{text}", but more {metric.label.lower()} is better, so its budget limits '
            f'the loss and is written with a minus: "-{number}%"'
        )
    if metric.better == "higher" and share >= 1:
        raise ValueError(f'found "{text}", but nothing can lose more than 100%, so it never breaks')
    limit = float(-share if share and sign == "-" else share)
    return Budget(metric=metric.name, kind="growth", limit=limit, text=text)


def _cap(metric: Metric, limit: float, text: str) -> Budget:
    if not math.isfinite(limit) or limit <= 0:
        raise ValueError(
            f"expected a cap above zero, found {text}; "
            f'to allow no change for the worse, write "+0%"'
        )
    return Budget(metric=metric.name, kind="cap", limit=limit, text=text)


def _decimal(number: str) -> Decimal:
    return Decimal(number.replace("_", ""))


def _expected(metric: Metric) -> str:
    change, cap = ("growth", "cap") if metric.better == "lower" else ("loss", "floor")
    return (
        f'a {change} such as "{example_growth(metric)}" or a {cap} such as "{example_cap(metric)}"'
    )


def _mend(metric: Metric, text: str) -> str:
    if percent := _UNSIGNED_PERCENT.fullmatch(text):
        sign = "+" if metric.better == "lower" else "-"
        return f'; did you mean "{sign}{percent[1]}%"?'
    quantity = _QUANTITY.fullmatch(text)
    if quantity is None or quantity[2] is None:
        return ""
    unit = nearest(quantity[2], filter(None, scales_of(metric)))
    units = f"; its units are {_UNITS_IN_WORDS[metric.unit]}"
    unsure = unit is None or metric.unit == "bytes"
    return units if unsure else f'; did you mean "{quantity[1]} {unit}"?'
