"""From a `module:attribute` to a built model: the user's code runs here."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from ..records import Measure, ModelSpec
from .failures import ProfileFailure, failing_in, failure

SEED = 0
"""Weights and inputs are drawn from this seed, so that both sides see the same numbers."""

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def resolve(target: str) -> Any:
    """The object that `module:attribute` names, importing its module.

    Raises:
        ProfileFailure: stage `target`, when there is no such module or attribute; stage `import`,
            when the module is there and does not import.
    """
    module_name, _, attribute_path = target.partition(":")
    found = _imported(module_name, target)
    for attribute in attribute_path.split("."):
        if not hasattr(found, attribute):
            raise failure("target", _no_such_attribute(target, found, attribute))
        found = getattr(found, attribute)
    return found


def _imported(module_name: str, target: str) -> Any:
    try:
        with failing_in("import"), _seeded():
            return importlib.import_module(module_name)
    except ProfileFailure as failed:
        cause = failed.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is None or not f"{module_name}.".startswith(f"{missing}."):
            raise
    raise failure("target", f"target {target!r}: there is no module {missing!r}")


def _no_such_attribute(target: str, owner: Any, attribute: str) -> str:
    owner_name = getattr(owner, "__name__", type(owner).__name__)
    names = [name for name in dir(owner) if not name.startswith("_")]
    near = get_close_matches(attribute, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"target {target!r}: {owner_name!r} has no attribute {attribute!r}{hint}"


def build(spec: ModelSpec, *, on_meta: bool) -> nn.Module:
    """The model of `spec`, in its declared mode and dtype, on the meta device or on the CPU.

    A target that is a module already is copied, without its weights for the meta device.

    Raises:
        ProfileFailure: stage `import` or `build`.
    """
    found = resolve(spec.target)
    if isinstance(found, nn.Module):
        model = _as_declared(found, spec)
    else:
        model = _call(found, spec, on_meta=on_meta)
    with failing_in("build"):
        if on_meta:
            model = weightless_copy(model)
        elif model is found:
            model = copy.deepcopy(model)
        return _configured(model, spec.measure)


def _as_declared(model: nn.Module, spec: ModelSpec) -> nn.Module:
    if spec.kwargs:
        raise failure(
            "build",
            f"target {spec.target!r} is a module already and takes no kwargs "
            f"({', '.join(spec.kwargs)}); name its class or a function that builds it",
        )
    return model


def _call(factory: Any, spec: ModelSpec, *, on_meta: bool) -> nn.Module:
    if not callable(factory):
        raise failure(
            "build",
            f"target {spec.target!r} is of type {type(factory).__name__}, "
            "neither a torch.nn.Module nor a callable that returns one",
        )
    with failing_in("build"), _seeded(), torch.device("meta" if on_meta else "cpu"):
        model = factory(**spec.kwargs)
    if not isinstance(model, nn.Module):
        raise failure(
            "build",
            f"target {spec.target!r} returned a {type(model).__name__}, not a torch.nn.Module",
        )
    return model


@contextmanager
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


def weightless_copy(model: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers are on the meta device; no weight is copied."""
    copies: dict[int, Any] = {}
    for tensor in _tensors_anywhere(model):
        copies[id(tensor)] = _on_meta(tensor)
    return copy.deepcopy(model, copies)


def _tensors_anywhere(model: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers, and tensors that modules hold as plain attributes."""
    yield from tensors_of(model)
    for module in model.modules():
        yield from (each for each in vars(module).values() if isinstance(each, torch.Tensor))


def _on_meta(tensor: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        weightless = tensor.to("meta").detach()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(weightless, requires_grad=tensor.requires_grad)
    return weightless


def _configured(model: nn.Module, measure: Measure) -> nn.Module:
    model.train(measure.mode == "train")
    dtype = DTYPES.get(measure.dtype)
    if dtype is not None:
        _cast_floating(model, dtype)
    return model


def _cast_floating(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast floating tensors only: `Module.to(dtype)` would strip complex buffers of a half."""

    def cast(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    if any(t.dtype != dtype and t.is_floating_point() for t in tensors_of(model)):
        model._apply(cast)  # type: ignore[no-untyped-call]


def tensors_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers; not those of lazy layers, which have no shape yet."""
    for tensor in (*model.parameters(), *model.buffers()):
        if not is_uninitialised(tensor):
            yield tensor


def is_uninitialised(tensor: torch.Tensor) -> bool:
    """Whether it is a lazy layer's, which gets its shape at the first call."""
    return isinstance(
        tensor, (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
    )


def input_dtype(spec: ModelSpec, model: nn.Module) -> torch.dtype:
    """The dtype of floating inputs that declare none: the model's."""
    declared = DTYPES.get(spec.measure.dtype)
    if declared is not None:
        return declared
    own = (tensor.dtype for tensor in tensors_of(model) if tensor.is_floating_point())
    return next(own, torch.float32)
