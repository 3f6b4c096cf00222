"""`profile_model`: the same count for a module that lives in the caller's own process."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from ..errors import ProfileError
from ..records import Counting, ModelResult
from .count import Count, count
from .failures import ProfileFailure, failing_in
from .ladder import operations_in_parts
from .load import SEED, is_uninitialised
from .shadows import Shadows, is_weight
from .tensors import Arguments, CopyingTo, copied, kept_on_cpu


def profile_model(model: nn.Module, /, *args: Any, **kwargs: Any) -> ModelResult:
    """Count what `model(*args, **kwargs)` costs in inference, without running it.

    A copy on the meta device runs, in evaluation mode and in the dtypes the model has; where a
    forward needs real values, a real copy on the CPU. The model, its arguments and the random
    number generators are left as they are. Hooks of the model run in the copy as well.

    Args:
        model: The module; its own weights may be on any device, `meta` too.
        args: Positional arguments of the forward: tensors of any device, in nested containers and
            dataclasses, and anything else.
        kwargs: Its keyword arguments.

    Returns:
        The record that a report has for each model: `cost`, `layers`, `counting`. Its `batch` is
        the length of the first tensor's first dimension, 1 where there is none.

    Raises:
        ProfileError: the forward failed; the error it raised is the `__cause__`.
    """
    arguments = Arguments(args, kwargs)
    try:
        counted, counting = _counted(model, arguments)
    except ProfileFailure as failure:
        message = f"{type(model).__name__} cannot be profiled: {failure.error.message}"
        raise ProfileError(message) from failure.__cause__
    return ModelResult(
        name=type(model).__name__,
        status="ok",
        error=None,
        batch=next((each.size(0) for each in arguments.tensors() if each.dim()), 1),
        cost=counted.cost,
        layers=counted.layers,
        counting=counting,
        uncounted_modules=counted.uncounted_modules,
    )


def _counted(model: nn.Module, arguments: Arguments) -> tuple[Count, Counting]:
    try:
        return _count_on("meta", model, arguments), Counting(rung="meta")
    except ProfileFailure as failure:
        if _has_no_values(model, arguments):
            raise
        reason = failure.error.message
    return _count_on("cpu", model, arguments), Counting(rung="real", reason=reason)


def _has_no_values(model: nn.Module, arguments: Arguments) -> bool:
    tensors = (*model.parameters(), *model.buffers(), *arguments.tensors())
    return any(tensor.is_meta for tensor in tensors)


def _count_on(device: str, model: nn.Module, arguments: Arguments) -> Count:
    with _generators_put_back():
        shadows = Shadows() if device == "meta" else None
        with failing_in("build"), nullcontext() if shadows is None else shadows.following():
            alike, inputs = _copied(model, arguments, torch.device(device))
            alike.eval()
        if shadows is not None:
            shadows.forget_weights(alike)
            shadows.building = False
        with failing_in("forward"), operations_in_parts():
            torch.default_generator.manual_seed(SEED)  # `torch.manual_seed` would reach the GPUs'
            return count(alike, inputs, "inference", shadows=shadows)


@contextmanager
def _generators_put_back() -> Iterator[None]:
    """Those of the CPU: torch's, Python's and numpy's."""
    numpy = sys.modules.get("numpy")
    pythons, numpys = random.getstate(), numpy.random.get_state() if numpy else None
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(pythons)
        if numpy:
            numpy.random.set_state(numpys)


# The copy ----------------------------------------------------------------------------------------


def _copied(
    model: nn.Module, arguments: Arguments, device: torch.device
) -> tuple[nn.Module, Arguments]:
    """Both on `device`, sharing among each other what they shared, and nothing with the caller."""
    memo: dict[int, Any] = {id(each): _parameter(each, device) for each in model.parameters()}
    memo.update(kept_on_cpu([arguments.positional, arguments.keyword]))
    with CopyingTo(device):
        alike, args, kwargs = copy.deepcopy(
            (model, arguments.positional, dict(arguments.keyword)), memo
        )
    return alike, Arguments(args, kwargs)


def _parameter(parameter: nn.Parameter, device: torch.device) -> nn.Parameter:
    if is_uninitialised(parameter):
        lazy: Any = type(parameter)
        return lazy(parameter.requires_grad, device, parameter.dtype)  # type: ignore[no-any-return]
    if device.type == "meta" and is_weight(parameter):
        values = torch.empty_like(parameter, device=device)
    else:
        values = copied(parameter, device)
    return nn.Parameter(values, requires_grad=parameter.requires_grad)
