"""Times the forwards of one model on real tensors: warm-up, blocks, and their summary.

Inputs are resident on the device and nothing is transferred. On a CPU a monotonic clock times
each forward, in one thread, which is what two busy cores can repeat; on a GPU, CUDA events do.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, floor, sqrt
from typing import Any

import torch
from torch import nn

from ..records import Latency, Mode, ModelSpec, Throughput
from .count import differentiable, initialise_lazy_layers
from .failures import failing_in, failure
from .load import build
from .tensors import Arguments, make_arguments

CPU_THREADS = 1
WARM_UP_FORWARDS = 10
WARM_UP_SECONDS = 0.25
WARM_UP_LIMIT_SECONDS = 3.0
"""Warm after so many forwards and so long, or, with a slow model, after two and the limit."""

_Z95 = 1.959963984540054


@dataclass(slots=True)
class Prepared:
    """A model on its device, warm, with its inputs; the seconds of every forward are kept."""

    device: torch.device
    threads: int
    batch: int
    forward: Callable[[], Any]
    timed: Callable[[], float]
    input_bytes: int
    weight_bytes: int
    seconds: list[float] = field(default_factory=list)

    def run_block(self, seconds: float, at_least: int) -> tuple[int, float]:
        """Run forwards for about `seconds`, `at_least` so many; their number and time."""
        spent, n = 0.0, 0
        with failing_in("forward"), _undisturbed(self.threads):
            while n < at_least or spent < seconds:
                self.seconds.append(self.timed())
                spent += self.seconds[-1]
                n += 1
        return n, spent

    def latency(self) -> Latency:
        """The milliseconds of one forward over every block so far.

        The interval of the median is the binomial one: order statistics n/2 ± 1.96·√n/2.
        """
        times = sorted(1e3 * each for each in self._measured())
        n = len(times)
        reach = _Z95 * sqrt(n) / 2
        low, high = max(floor(n / 2 - reach), 0), min(ceil(n / 2 + reach), n - 1)
        return Latency(
            batch=self.batch,
            n=n,
            median_ms=quantile(times, 0.5),
            p10_ms=quantile(times, 0.1),
            p90_ms=quantile(times, 0.9),
            p99_ms=quantile(times, 0.99),
            ci95_ms=(times[low], times[high]),
        )

    def throughput(self) -> Throughput:
        """Samples per second over every block so far."""
        rates = sorted(self.batch / each for each in self._measured())
        median = quantile(rates, 0.5)
        return Throughput(
            batch=self.batch,
            n=len(rates),
            median_per_s=median,
            p10_per_s=quantile(rates, 0.1),
            p90_per_s=quantile(rates, 0.9),
            input_bytes_per_s=median * self.input_bytes / self.batch,
        )

    def _measured(self) -> list[float]:
        if not self.seconds:
            raise RuntimeError("no block was run")
        return self.seconds


def quantile(ordered: list[float], share: float) -> float:
    """The value below which `share` of the ordered values lie, linear between neighbours."""
    position = (len(ordered) - 1) * share
    below, above = floor(position), ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def prepare(spec: ModelSpec, batch: int) -> Prepared:
    """Build `spec` for real with inputs for `batch` samples, and warm it up.

    Raises:
        ProfileFailure: stage `import`, `build`, `inputs` or `forward`.
    """
    device = choose_device(spec.measure.device)
    model = build(spec, on_meta=False)
    _require_weights(model, spec)
    arguments = make_arguments(spec, model, batch)
    with failing_in("build"):
        model.to(device)
        arguments = arguments.to(device)
    with failing_in("forward"):
        initialise_lazy_layers(model, arguments)
    forward = _forward(model, arguments, spec.measure.mode)
    prepared = Prepared(
        device=device,
        threads=CPU_THREADS if device.type == "cpu" else torch.get_num_threads(),
        batch=batch,
        forward=forward,
        timed=_event_timed(forward, device) if device.type == "cuda" else _clock_timed(forward),
        input_bytes=sum(tensor.nbytes for tensor in arguments.tensors()),
        weight_bytes=sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())),
    )
    _warm_up(prepared)
    return prepared


def choose_device(declared: str) -> torch.device:
    """`auto` is a GPU where there is one.

    Raises:
        ProfileFailure: a GPU was asked for by name and torch sees none.
    """
    if declared == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if declared.startswith("cuda") and not torch.cuda.is_available():
        raise failure("build", f"device = {declared!r}, but torch sees no CUDA device here")
    return torch.device(declared)


def _require_weights(model: nn.Module, spec: ModelSpec) -> None:
    if any(parameter.is_meta for parameter in model.parameters()):
        raise failure(
            "build", f"target {spec.target!r} returns a model without weights (meta device)"
        )


def _forward(model: nn.Module, arguments: Arguments, mode: Mode) -> Callable[[], Any]:
    def inference() -> Any:
        with torch.inference_mode():
            return arguments.passed_to(model)

    def training() -> Any:
        result = arguments.passed_to(model)
        outputs = differentiable(result)
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
        model.zero_grad(set_to_none=True)
        return result

    return inference if mode == "inference" else training


def _clock_timed(forward: Callable[[], Any]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        forward()
        return time.perf_counter() - start

    return timed


def _event_timed(forward: Callable[[], Any], device: torch.device) -> Callable[[], float]:
    def timed() -> float:
        with torch.cuda.device(device):
            start, end = _event(), _event()
            start.record()
            forward()
            end.record()
            end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return timed


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _warm_up(prepared: Prepared) -> None:
    spent, n = 0.0, 0
    with failing_in("forward"), _undisturbed(prepared.threads):
        while n < 2 or (
            spent < WARM_UP_LIMIT_SECONDS and (n < WARM_UP_FORWARDS or spent < WARM_UP_SECONDS)
        ):
            spent += prepared.timed()
            n += 1


@contextmanager
def _undisturbed(threads: int) -> Iterator[None]:
    """No garbage collection and a fixed number of threads; both as before afterwards."""
    threads_before, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        if collecting:
            gc.enable()
