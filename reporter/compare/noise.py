"""Whether a measured change is larger than the spread it was measured with.

Timings come from one pair of processes, which carries a bias of its own, so the rule is a
conservative one: a change counts only when the middle 80 % of both sides do not even touch, when
the medians are at least `MINIMUM_EFFECT` apart, and when neither side was run fewer than
`MINIMUM_FORWARDS` times. If the two sides cannot be held against each other at all, the answer is
"not comparable", never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..metrics import Metric
from ..records import Machine, ModelResult, Timing

MINIMUM_EFFECT = 0.20
"""Share of base below which a change may be the bias of this pair of processes.

Two processes with the same ResNet-50 have been seen 10 % apart in throughput, block after block,
and in the next run 10 % apart the other way; no number of blocks of one pair tells that."""

MINIMUM_FORWARDS = 5
"""Of one side. Two sides of five that are alike lie wholly apart in 2 of C(10, 5) = 252 draws,
two of three in 2 of C(6, 3) = 20."""

Judgement = Literal["better", "worse", "within noise"]

_MACHINE_FIELDS = ("system", "cpu", "cpu_count", "threads", "accelerator")
"""Versions of Python, torch and CUDA are left out: a pull request may change them on purpose,
and what that does to the time is a true answer. The amount of memory does not set the pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of `n` forwards between their 10th and 90th percentile, in the metric's unit."""

    n: int
    low: float
    median: float
    high: float


def _latency(timing: Timing) -> Spread | None:
    seen = timing.latency
    if seen is None:
        return None
    return Spread(n=seen.n, low=seen.p10_ms, median=seen.median_ms, high=seen.p90_ms)


def _throughput(timing: Timing) -> Spread | None:
    seen = timing.throughput
    if seen is None:
        return None
    return Spread(n=seen.n, low=seen.p10_per_s, median=seen.median_per_s, high=seen.p90_per_s)


_SPREADS: Mapping[str, Callable[[Timing], Spread | None]] = {
    "latency_ms": _latency,
    "throughput_per_s": _throughput,
}


def _latency_batch(_: ModelResult, timing: Timing) -> int | None:
    return None if timing.latency is None else timing.latency.batch


def _throughput_batch(_: ModelResult, timing: Timing) -> int | None:
    return None if timing.throughput is None else timing.throughput.batch


_BATCHES: Mapping[str, Callable[[ModelResult, Timing], int | None]] = {
    "latency_ms": _latency_batch,
    "throughput_per_s": _throughput_batch,
    "peak_bytes": lambda result, _: result.batch,
}
"""The batch each measured metric belongs to; metrics that are not here are counted."""


def spread_of(metric: Metric, result: ModelResult) -> Spread | None:
    """The spread of a timed metric, None where it was not measured."""
    return None if result.timing is None else _SPREADS[metric.name](result.timing)


def why_machines_differ(base: Machine | None, head: Machine | None) -> str | None:
    """In words, why times of these two machines cannot be compared; None where they can."""
    if base is None or head is None:
        return "the machine of one side is not known"
    differing = [name for name in _MACHINE_FIELDS if getattr(base, name) != getattr(head, name)]
    if not differing:
        return None
    parts = (
        f"{name.replace('_', ' ')} {getattr(base, name)} → {getattr(head, name)}"
        for name in differing
    )
    return "different machines: " + ", ".join(parts)


def why_not_comparable(
    metric: Metric,
    base: ModelResult,
    head: ModelResult,
    machines: tuple[Machine | None, Machine | None],
) -> str | None:
    """In words, why a measured metric of two results cannot be compared; None where it can."""
    batch_of = _BATCHES.get(metric.name)
    if batch_of is None or base.timing is None or head.timing is None:
        return None
    pairs = (
        ("batch", batch_of(base, base.timing), batch_of(head, head.timing)),
        ("device", base.timing.device, head.timing.device),
        ("threads", base.timing.threads, head.timing.threads),
    )
    for what, before, after in pairs:
        if before != after:
            return f"different {what}: {before} → {after}"
    return why_machines_differ(*machines)


def judge(base: Spread, head: Spread, better: Literal["lower", "higher"]) -> Judgement:
    """Hold two spreads against each other by the rule of this module."""
    touching = base.low <= head.high and head.low <= base.high
    too_close = abs(head.median - base.median) < MINIMUM_EFFECT * base.median
    if touching or too_close or min(base.n, head.n) < MINIMUM_FORWARDS:
        return "within noise"
    return "better" if (head.median < base.median) == (better == "lower") else "worse"
