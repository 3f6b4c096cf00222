"""On which tensors a model is counted: meta ones where it runs on them, real ones where not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from ..records import Counting, ModelSpec
from .count import Count, count
from .failures import ProfileFailure, failing_in
from .load import build
from .machine import memory_bytes
from .tensors import make_arguments

_NOT_FOR_WANT_OF_VALUES = ("import", "inputs")
"""Steps that do not know about meta tensors, so that a second try would fail as the first."""

_SHARE_OF_MEMORY = 0.6
"""Weights above this share of the machine's memory are not tried for real."""


@dataclass(frozen=True, slots=True)
class CountedModel:
    """The cost of one model at `batch`, and the rung that gave it."""

    batch: int
    count: Count
    counting: Counting

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON."""
        return {
            "batch": self.batch,
            "cost": asdict(self.count.cost),
            "layers": [asdict(layer) for layer in self.count.layers],
            "counting": asdict(self.counting),
        }


def count_model(spec: ModelSpec) -> CountedModel:
    """Count one forward of `spec` at its latency batch.

    Meta tensors need neither weights nor time. A model that reads its own values (`.item()`,
    numpy, boolean masks) cannot run on them and is counted for real, by the same rules.

    Raises:
        ProfileFailure: no rung worked; the error is that of the last one tried.
    """
    refusal: ProfileFailure
    try:
        return _on(spec, "meta", reason=None)
    except ProfileFailure as failure:
        refusal = failure
    if refusal.error.stage in _NOT_FOR_WANT_OF_VALUES or not _fits_in_memory(spec):
        raise refusal
    return _on(spec, "real", reason=refusal.error.message)


def _on(spec: ModelSpec, rung: Any, reason: str | None) -> CountedModel:
    on_meta = rung == "meta"
    device = torch.device("meta" if on_meta else "cpu")
    batch = spec.measure.latency_batch
    model = build(spec, on_meta=on_meta)
    arguments = make_arguments(spec, model, batch).to(device)
    with failing_in("forward"), torch.random.fork_rng(devices=[]), device, _SlowPathAttention():
        counted = count(model, arguments, spec.measure.mode)
    return CountedModel(batch, counted, Counting(rung=rung, reason=reason))


class _SlowPathAttention:
    """`nn.MultiheadAttention` by its parts: the fused fast path is one opaque operation."""

    def __enter__(self) -> None:
        self._was_enabled = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)

    def __exit__(self, *_: object) -> None:
        torch.backends.mha.set_fastpath_enabled(self._was_enabled)


def _fits_in_memory(spec: ModelSpec) -> bool:
    """Whether the weights fit; True where the model cannot even be built without them."""
    available = memory_bytes()
    try:
        model: nn.Module = build(spec, on_meta=True)
    except ProfileFailure:
        return True
    needed = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    return available is None or needed <= available * _SHARE_OF_MEMORY
