"""The metrics by name: what a reader calls each, its unit, which way is better, where it stands.

One table for every stage, so that a budget, a comparison and a report speak of the same thing.
The definitions themselves are in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .records import Cost, Layer, ModelResult, Timing

Unit = Literal["count", "bytes", "ms", "per_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `timed` ones carry noise; the others are exact and compare with `==`.

    `budget_key` is its name in a `[budget]` table; `value_of` reads it from a result, None where
    the result does not have it.
    """

    name: str
    label: str
    budget_key: str
    unit: Unit
    better: Literal["lower", "higher"]
    timed: bool
    value_of: Callable[[ModelResult], float | None]


def _cost(name: str, label: str, budget_key: str, unit: Unit) -> Metric:
    def value_of(result: ModelResult) -> float | None:
        cost: Cost | None = result.cost
        return None if cost is None else getattr(cost, name)

    return Metric(
        name=name,
        label=label,
        budget_key=budget_key,
        unit=unit,
        better="lower",
        timed=False,
        value_of=value_of,
    )


def _latency_ms(timing: Timing) -> float | None:
    return None if timing.latency is None else timing.latency.median_ms


def _throughput_per_s(timing: Timing) -> float | None:
    return None if timing.throughput is None else timing.throughput.median_per_s


def _of_timing(read: Callable[[Timing], float | None]) -> Callable[[ModelResult], float | None]:
    return lambda result: None if result.timing is None else read(result.timing)


METRICS: tuple[Metric, ...] = (
    _cost("macs", "FLOPs", "macs", "count"),
    _cost("madds", "MAdd", "madds", "count"),
    _cost("params", "Params", "params", "count"),
    _cost("read_bytes", "MemRead", "read", "bytes"),
    _cost("write_bytes", "MemWrite", "write", "bytes"),
    _cost("activation_peak_bytes", "Activations", "activations", "bytes"),
    Metric(
        name="latency_ms",
        label="Latency",
        budget_key="latency",
        unit="ms",
        better="lower",
        timed=True,
        value_of=_of_timing(_latency_ms),
    ),
    Metric(
        name="throughput_per_s",
        label="Throughput",
        budget_key="throughput",
        unit="per_s",
        better="higher",
        timed=True,
        value_of=_of_timing(_throughput_per_s),
    ),
    Metric(
        name="peak_bytes",
        label="Peak memory",
        budget_key="peak",
        unit="bytes",
        better="lower",
        timed=False,
        value_of=_of_timing(lambda timing: timing.peak_bytes),
    ),
)
"""In the order a report shows them."""

BY_NAME = {metric.name: metric for metric in METRICS}
BY_BUDGET_KEY = {metric.budget_key: metric for metric in METRICS}


def own_values(layers: Sequence[Layer], field: str) -> dict[str, int]:
    """By path, each module's own part of a `Layer` figure: its total less its children's.

    A container that is never called itself (a `ModuleList`) may have no figures, and then its
    children are taken for children of the module above it. Weights tied across children count
    once in their parent, so a difference below zero is no own part: it is 0.
    """
    totals: dict[str, int] = {layer.path: getattr(layer, field) for layer in layers}
    carriers = {layer.path for layer in layers if totals[layer.path]}
    own = dict(totals)
    for path in carriers - {""}:
        parent = path
        while parent:
            parent = parent.rpartition(".")[0]
            if parent in carriers:
                own[parent] -= totals[path]
                break
    return {path: max(0, value) for path, value in own.items()}
