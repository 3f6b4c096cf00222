"""The most memory a model's tensors hold during one forward, from the allocator's own records."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from .failures import failing_in
from .timing import Prepared


def peak_bytes(prepared: Prepared) -> int:
    """Bytes at the peak of one forward of the prepared model, weights and inputs included.

    On a GPU `max_memory_allocated`. On a CPU the profiler's memory events, each an allocation or
    a release: what is resident before, plus the largest running sum of them.
    """
    with failing_in("forward"):
        if prepared.device.type == "cuda":
            return _cuda_peak(prepared)
        return prepared.weight_bytes + prepared.input_bytes + _cpu_growth(prepared)


def _cuda_peak(prepared: Prepared) -> int:
    torch.cuda.synchronize(prepared.device)
    torch.cuda.reset_peak_memory_stats(prepared.device)
    prepared.forward()
    torch.cuda.synchronize(prepared.device)
    return torch.cuda.max_memory_allocated(prepared.device)


def _cpu_growth(prepared: Prepared) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        prepared.forward()
    kineto = recorded.profiler.kineto_results if recorded.profiler else None
    events = kineto.events() if kineto else []
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    return peak
