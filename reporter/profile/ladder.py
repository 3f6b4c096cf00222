"""On which tensors a model is counted: meta ones where it runs on them, real ones where not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn

from ..records import Counting, Mode, ModelSpec
from .count import Count, count
from .failures import ProfileFailure, failing_in
from .formulas import Formulas, own_formulas
from .load import SEED, build, resolve, tensors_of, weightless_copy
from .machine import memory_bytes
from .shadows import Shadows
from .tensors import Arguments, make_arguments

_NOT_FOR_WANT_OF_VALUES = ("target", "import", "inputs")
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

    Meta tensors need neither weights nor time. A model that asks for values which depend on its
    weights (`.item()`, numpy, boolean masks) cannot run on them and is counted for real, by the
    same rules; if only its construction asks, it is built for real and run on meta tensors.

    Raises:
        ProfileFailure: no rung worked; the error is that of the last one tried.
    """
    try:
        return _on(spec, "meta", _without_weights, reason=None)
    except ProfileFailure as failure:
        refusal = failure
    if refusal.error.stage in _NOT_FOR_WANT_OF_VALUES or not _fits_in_memory(spec):
        raise refusal
    if refusal.error.stage == "build":
        with suppress(ProfileFailure):
            reason = f"built with real weights: {refusal.error.message}"
            return _on(spec, "meta", _with_weights_left_behind, reason)
    return _on(spec, "real", _for_real, reason=refusal.error.message)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A model, what to call it with, and what is known of its meta tensors' values."""

    model: nn.Module
    arguments: Arguments
    shadows: Shadows | None
    formulas: Formulas


def _without_weights(spec: ModelSpec) -> _Ready:
    resolve(spec.target)
    shadows = Shadows()
    with shadows.following():
        model = build(spec, on_meta=True)
    return _on_meta(spec, model, shadows)


def _with_weights_left_behind(spec: ModelSpec) -> _Ready:
    shadows = Shadows()
    model = build(spec, on_meta=False)
    with shadows.following():
        model = weightless_copy(model)
    return _on_meta(spec, model, shadows)


def _on_meta(spec: ModelSpec, model: nn.Module, shadows: Shadows) -> _Ready:
    arguments = make_arguments(spec, model, spec.measure.latency_batch)
    with shadows.following():
        arguments = arguments.to("meta")
    shadows.forget_weights(model)
    shadows.building = False
    return _Ready(model, arguments, shadows, own_formulas(spec.formulas))


def _for_real(spec: ModelSpec) -> _Ready:
    model = build(spec, on_meta=False)
    arguments = make_arguments(spec, model, spec.measure.latency_batch)
    return _Ready(model, arguments, None, own_formulas(spec.formulas))


def _on(
    spec: ModelSpec, rung: Rung, prepare: Callable[[ModelSpec], _Ready], reason: str | None
) -> CountedModel:
    try:
        counted = _counted(prepare(spec), spec.measure.mode, graph=False)
    except ProfileFailure as failure:
        if not any(words in failure.error.message for words in _WANTS_GRADIENTS):
            raise
        counted = _counted(prepare(spec), spec.measure.mode, graph=True)
    return CountedModel(spec.measure.latency_batch, counted, Counting(rung=rung, reason=reason))


def _counted(ready: _Ready, mode: Mode, *, graph: bool) -> Count:
    with failing_in("forward"), torch.random.fork_rng(devices=[]), operations_in_parts():
        torch.manual_seed(SEED)
        return count(
            ready.model,
            ready.arguments,
            mode,
            graph=graph,
            formulas=ready.formulas,
            shadows=ready.shadows,
        )


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
        with _flex_attention_anywhere():
            yield
    finally:
        torch._C._set_mkldnn_enabled(one_dnn)
        torch.backends.mha.set_fastpath_enabled(fast_path)


@contextmanager
def _flex_attention_anywhere() -> Iterator[None]:
    """`flex_attention` neither compiles itself nor refuses the meta device.

    Torch refuses the first while operations are watched.
    """
    module = sys.modules.get("torch.nn.attention.flex_attention")
    settings = {"_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG": True, "_validate_device": _any_device}
    before = {name: getattr(module, name) for name in settings if hasattr(module, name)}
    for name in before:
        setattr(module, name, settings[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _any_device(*_: Any) -> None:
    pass


def _fits_in_memory(spec: ModelSpec) -> bool:
    """Whether the weights fit; True where the model cannot even be built without them."""
    available = memory_bytes()
    try:
        with Shadows().following():
            model = build(spec, on_meta=True)
    except ProfileFailure:
        return True
    needed = sum(tensor.nbytes for tensor in tensors_of(model))
    return available is None or needed <= available * _SHARE_OF_MEMORY
