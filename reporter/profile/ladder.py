"""On which tensors a model is counted: meta ones where it runs on them, real ones where not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn

from ..records import Counting, ModelSpec
from .count import Count, count
from .failures import ProfileFailure, failing_in
from .formulas import own_formulas
from .load import SEED, build, tensors_of
from .machine import memory_bytes
from .tensors import make_arguments

_NOT_FOR_WANT_OF_VALUES = ("import", "inputs")
"""Steps that do not know about meta tensors, so that a second try would fail as the first."""

_WANTS_GRADIENTS = ("does not require grad", "nference tensor")
"""What torch says where a forward differentiates something and may not in inference mode."""

Rung = Literal["meta", "real"]

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
            "uncounted_modules": self.count.uncounted_modules,
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


def _on(spec: ModelSpec, rung: Rung, reason: str | None) -> CountedModel:
    try:
        counted = _counted(spec, rung, graph=False)
    except ProfileFailure as failure:
        if not any(words in failure.error.message for words in _WANTS_GRADIENTS):
            raise
        counted = _counted(spec, rung, graph=True)
    return CountedModel(spec.measure.latency_batch, counted, Counting(rung=rung, reason=reason))


def _counted(spec: ModelSpec, rung: Rung, *, graph: bool) -> Count:
    on_meta = rung == "meta"
    device = torch.device("meta" if on_meta else "cpu")
    formulas = own_formulas(spec.formulas)
    model = build(spec, on_meta=on_meta)
    arguments = make_arguments(spec, model, spec.measure.latency_batch).to(device)
    with failing_in("forward"), torch.random.fork_rng(devices=[]), device, operations_in_parts():
        torch.manual_seed(SEED)
        return count(model, arguments, spec.measure.mode, graph=graph, formulas=formulas)


@contextmanager
def operations_in_parts() -> Iterator[None]:
    """No fused kernels that show their shapes to nobody.

    `nn.MultiheadAttention` takes no fast path, and oneDNN, which under autograd would run a
    whole LSTM layer at once, stays out of it: real tensors then show what meta ones do.
    """
    fast_path, one_dnn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        torch._C._set_mkldnn_enabled(False)
        with _flex_attention_uncompiled():
            yield
    finally:
        torch._C._set_mkldnn_enabled(one_dnn)
        torch.backends.mha.set_fastpath_enabled(fast_path)


@contextmanager
def _flex_attention_uncompiled() -> Iterator[None]:
    """`flex_attention` compiles itself, which torch refuses while operations are watched."""
    module = sys.modules.get("torch.nn.attention.flex_attention")
    switch = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
    if module is None or not hasattr(module, switch):
        yield
        return
    before = getattr(module, switch)
    setattr(module, switch, True)
    try:
        yield
    finally:
        setattr(module, switch, before)


def _fits_in_memory(spec: ModelSpec) -> bool:
    """Whether the weights fit; True where the model cannot even be built without them."""
    available = memory_bytes()
    try:
        model: nn.Module = build(spec, on_meta=True)
    except ProfileFailure:
        return True
    needed = sum(tensor.nbytes for tensor in tensors_of(model))
    return available is None or needed <= available * _SHARE_OF_MEMORY
