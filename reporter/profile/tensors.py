"""The inputs of a forward, from what the manifest says of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from ..records import InputSpec, ModelSpec
from .failures import failing_in, failure
from .load import SEED, input_dtype, resolve


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the forward is called with."""

    positional: tuple[Any, ...]
    keyword: Mapping[str, Any]

    def to(self, device: torch.device | str) -> Arguments:
        """The same arguments with every tensor, at any depth, on `device`."""
        done: dict[int, Any] = {}
        return Arguments(
            tuple(moved(value, device, done) for value in self.positional),
            {name: moved(value, device, done) for name, value in self.keyword.items()},
        )

    def passed_to(self, model: nn.Module) -> Any:
        """What `model` returns for them; a generator is run to its end."""
        result = model(*self.positional, **self.keyword)
        return list(result) if isinstance(result, Iterator) else result

    def tensors(self) -> list[torch.Tensor]:
        """Every tensor in them, at any depth."""
        return list(tensors_in([*self.positional, *self.keyword.values()]))


def make_arguments(spec: ModelSpec, model: nn.Module, batch: int) -> Arguments:
    """The arguments of one forward at `batch`, on the CPU, the same bytes at every call.

    Raises:
        ProfileFailure: stage `import` or `inputs`.
    """
    if spec.inputs.source is not None:
        return _from_callable(spec.inputs.source, batch)
    generator = torch.Generator().manual_seed(SEED)
    default = input_dtype(spec, model)
    with failing_in("inputs"):
        return Arguments(
            tuple(_value(each, batch, default, generator) for each in spec.inputs.positional),
            {
                name: _value(each, batch, default, generator)
                for name, each in spec.inputs.keyword.items()
            },
        )


def _from_callable(source: str, batch: int) -> Arguments:
    function = resolve(source)
    if not callable(function):
        raise failure(
            "inputs", f"inputs = {source!r} is of type {type(function).__name__}, not a callable"
        )
    with failing_in("inputs"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        made = function(batch)
    if isinstance(made, Mapping):
        return Arguments((), dict(made))
    if isinstance(made, (tuple, list)):
        return Arguments(tuple(made), {})
    return Arguments((made,), {})


def _value(
    spec: InputSpec, batch: int, default: torch.dtype, generator: torch.Generator
) -> torch.Tensor | Any:
    if spec.has_value:
        return _literal(spec)
    shape = [batch if side == "batch" else side for side in spec.shape or ()]
    dtype = default if spec.dtype is None else getattr(torch, spec.dtype)
    return _random(shape, dtype, spec, generator)


def _literal(spec: InputSpec) -> torch.Tensor | Any:
    if spec.dtype is None:
        return spec.value
    return torch.tensor(spec.value, dtype=getattr(torch, spec.dtype))


def _random(
    shape: list[Any], dtype: torch.dtype, spec: InputSpec, generator: torch.Generator
) -> torch.Tensor:
    if dtype.is_floating_point or dtype.is_complex:
        if spec.low is None and spec.high is None:
            return torch.randn(shape, generator=generator).to(dtype)
        low, high = spec.low or 0.0, 1.0 if spec.high is None else spec.high
        return (torch.rand(shape, generator=generator) * (high - low) + low).to(dtype)
    low, high = int(spec.low or 0), 2 if spec.high is None else int(spec.high)
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from tensors_in(getattr(value, each.name))


def moved(value: Any, device: torch.device | str, done: dict[int, Any]) -> Any:
    """`value` with every tensor in it on `device`: in containers, dataclasses, any object.

    `done` keeps what was moved so far by the `id` of the original, so that what was one tensor
    stays one. An object that cannot be copied is handed over as it is.
    """
    if isinstance(value, torch.Tensor):
        return done.setdefault(id(value), value.to(device))
    done.update(kept_on_cpu(value))
    if type(value) in (dict, list, tuple):
        return _moved_parts(value, device, done)
    try:
        with CopyingTo(torch.device(device)):
            return copy.deepcopy(value, done)
    except Exception:
        return _moved_parts(value, device, done)


def kept_on_cpu(value: Any) -> dict[int, torch.Tensor]:
    """By their `id`, copies of the tensors that torch wants on the CPU wherever the others are.

    They are the batch sizes of packed sequences.
    """
    if isinstance(value, PackedSequence):
        return {id(value.batch_sizes): value.batch_sizes.clone()}
    parts = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, (Mapping, tuple, list)):
        return {}
    return {key: copy for part in parts for key, copy in kept_on_cpu(part).items()}


def _moved_parts(value: Any, device: torch.device | str, done: dict[int, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: moved(each, device, done) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(each, device, done) for each in value))
    if isinstance(value, (tuple, list)):
        return type(value)(moved(each, device, done) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = copy.copy(value)
        for each in fields(value):
            object.__setattr__(changed, each.name, moved(getattr(value, each.name), device, done))
        return changed
    return value


class CopyingTo(TorchFunctionMode):
    """Inside, `copy.deepcopy` of a tensor, in whatever object it is kept, gives one on `device`."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer `Tensor.__deepcopy__` ourselves."""
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = copied(tensor, self._device)
        return memo[id(tensor)]


def copied(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The same values on `device`, in memory of their own and without a history."""
    values: torch.Tensor = tensor.detach().to(device, copy=True)
    return values.requires_grad_(tensor.requires_grad)
