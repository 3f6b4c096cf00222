"""Counts a forward as torch dispatches it, operation by operation, each to its module.

In inference mode composite operations (linear, conv2d, attention, lstm) arrive whole; one that
has no rule is taken apart into those that do. Every operation is a formula, a movement, a view,
or unknown, and an unknown one is reported, never silently zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any, Literal

import torch
from torch import nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from ..records import Cost, Layer, Mode
from .activations import LiveStorages, storage_key
from .modules import ModuleCalls, Tally, initialised_parameters
from .op_rules import (
    MOVEMENT,
    NOTHING,
    READ_AS_MUCH_AS_RETURNED,
    RULES,
    WRITTEN_IN_PART,
    WRITTEN_ONLY,
    Rule,
    per_output,
)
from .tensors import Arguments, tensors_in

Kind = Literal["formula", "movement", "composite", "unknown"]


@dataclass(frozen=True, slots=True)
class Count:
    """What one forward costs, in total and layer by layer."""

    cost: Cost
    layers: tuple[Layer, ...]


def count(model: nn.Module, arguments: Arguments, mode: Mode) -> Count:
    """Run `model` once on `arguments` and count it; in `train` mode, its backward too.

    The model's tensors and the arguments may be on the meta device or real.
    """
    weights = [*model.parameters(), *model.buffers()]
    storages = LiveStorages(excluded=weights)
    for tensor in arguments.tensors():
        storages.add(tensor)
    with ModuleCalls(model) as calls:
        counter = CountingMode(calls, storages)
        _run(model, arguments, mode, counter)
    return _result(model, calls, counter, storages)


def _run(model: nn.Module, arguments: Arguments, mode: Mode, counter: CountingMode) -> None:
    if mode == "inference":
        with torch.inference_mode(), counter:
            model(*arguments.positional, **arguments.keyword)
        return
    with torch.enable_grad(), counter:
        result = model(*arguments.positional, **arguments.keyword)
    outputs = differentiable(result)
    seeds = [torch.ones_like(output) for output in outputs]
    with counter:
        torch.autograd.backward(outputs, seeds)


def differentiable(result: Any) -> list[torch.Tensor]:
    """The tensors in a forward's result that a backward can start from.

    Raises:
        ValueError: there is none, so that the model cannot be trained as it stands.
    """
    outputs = [tensor for tensor in tensors_in(result) if tensor.requires_grad]
    if not outputs:
        raise ValueError('mode = "train", but no tensor the forward returns requires a gradient')
    return outputs


def _result(
    model: nn.Module, calls: ModuleCalls, counter: CountingMode, storages: LiveStorages
) -> Count:
    layers = calls.layers()
    root = layers[0]
    parameters = list(initialised_parameters(model))
    buffers = list(model.buffers())
    cost = Cost(
        macs=root.macs,
        madds=root.madds,
        params=root.params,
        param_bytes=_bytes(parameters),
        trainable_params=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(buffer.numel() for buffer in buffers),
        buffer_bytes=_bytes(buffers),
        read_bytes=root.read_bytes,
        write_bytes=root.write_bytes,
        activation_peak_bytes=storages.peak_bytes,
        uncounted=dict(sorted(counter.uncounted.items())),
    )
    return Count(cost, layers)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


# One operation ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Operation:
    """What is known of an operator before any call of it."""

    name: str
    kind: Kind
    rule: Rule
    argument_names: tuple[str, ...]
    defaults: Mapping[str, Any]
    mutated: tuple[str, ...]
    unread: frozenset[str]


def _free_of_arithmetic(arg: Mapping[str, Any], out: Sequence[Sequence[int]]) -> Any:
    return NOTHING


@cache
def _operation(func: OpOverload) -> _Operation:
    schema = func._schema
    arguments = schema.arguments
    mutated = tuple(a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write)
    kind, rule = _classify(func, schema.name)
    return _Operation(
        name=schema.name,
        kind=kind,
        rule=rule,
        argument_names=tuple(a.name for a in arguments),
        defaults={a.name: a.default_value for a in arguments if a.has_default_value()},
        mutated=mutated,
        unread=frozenset(a.name for a in arguments if a.name in mutated and a.is_out)
        | frozenset({WRITTEN_ONLY[schema.name]} if schema.name in WRITTEN_ONLY else ()),
    )


def _classify(func: OpOverload, name: str) -> tuple[Kind, Rule]:
    base_name = name if name.endswith("__") else name.removesuffix("_")
    for known in (name, base_name):
        if known in RULES:
            return "formula", RULES[known]
        if known in MOVEMENT:
            return "movement", _free_of_arithmetic
    if torch.Tag.pointwise in func.tags:
        return "formula", per_output(1)
    if torch.Tag.view_copy in func.tags:
        return "movement", _free_of_arithmetic
    if func._can_decompose() and not func.is_view:
        return "composite", _free_of_arithmetic
    return "unknown", _free_of_arithmetic


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation while active; `calls.own` and `uncounted` hold what it saw."""

    def __init__(self, calls: ModuleCalls, storages: LiveStorages) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uncounted: Counter[str] = Counter()
        self._calls = calls
        self._storages = storages

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, in parts where it has no rule of its own, and add up its cost."""
        kwargs = kwargs or {}
        operation = _operation(func)
        if operation.kind == "composite":
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        self._record(_Call.of(operation, args, kwargs, result))
        return result

    def _record(self, call: _Call) -> None:
        if not call.moves_anything:
            return
        operation = call.operation
        if operation.kind == "unknown":
            self.uncounted[operation.name] += 1
        work = operation.rule(call.shapes(), [tuple(tensor.shape) for tensor in call.outputs])
        tally = Tally(work.macs, work.madds, call.read_bytes(), call.write_bytes())
        self._calls.own[self._calls.current].add(tally)
        for tensor in call.created:
            self._storages.add(tensor)


@dataclass(slots=True)
class _Call:
    """One call of an operation: its arguments by name and what came out."""

    operation: _Operation
    arguments: dict[str, Any]
    outputs: list[torch.Tensor]
    created: list[torch.Tensor] = field(default_factory=list)

    @classmethod
    def of(
        cls, operation: _Operation, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> _Call:
        given = dict(zip(operation.argument_names, args, strict=False))
        call = cls(operation, {**operation.defaults, **given, **kwargs}, list(tensors_in(result)))
        inputs = {storage_key(tensor) for tensor in tensors_in(list(call.arguments.values()))}
        call.created = [tensor for tensor in call.outputs if storage_key(tensor) not in inputs]
        return call

    @property
    def moves_anything(self) -> bool:
        """False for a view, and for an operation that hands its argument back."""
        return bool(self.created or self.operation.mutated)

    def shapes(self) -> dict[str, Any]:
        return {
            name: _shape_of(self.arguments[name])
            for name in self.operation.argument_names
            if name in self.arguments
        }

    def read_bytes(self) -> int:
        looked_up = READ_AS_MUCH_AS_RETURNED.get(self.operation.name)
        seen: dict[tuple[Any, ...], int] = {}
        for name, value in self.arguments.items():
            if name in self.operation.unread:
                continue
            for tensor in tensors_in(value):
                seen[_identity(tensor)] = (
                    self.outputs[0].numel() * tensor.element_size()
                    if name == looked_up
                    else touched_bytes(tensor)
                )
        return sum(seen.values())

    def write_bytes(self) -> int:
        return sum(map(touched_bytes, self.created)) + sum(
            map(self._mutated, self.operation.mutated)
        )

    def _mutated(self, name: str) -> int:
        target = self.arguments.get(name)
        part = self.arguments.get(WRITTEN_IN_PART.get(self.operation.name, ""))
        if isinstance(target, torch.Tensor) and isinstance(part, torch.Tensor):
            return part.numel() * target.element_size()
        return sum(map(touched_bytes, tensors_in(target)))


def _identity(tensor: torch.Tensor) -> tuple[Any, ...]:
    return storage_key(tensor), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def touched_bytes(tensor: torch.Tensor) -> int:
    """Bytes of the distinct elements of a strided tensor: an expanded dimension counts once."""
    if tensor.layout != torch.strided:
        return tensor.numel() * tensor.element_size()
    sides = zip(tensor.shape, tensor.stride(), strict=True)
    return prod(size for size, stride in sides if stride != 0 or size == 0) * tensor.element_size()


def _shape_of(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, (list, tuple)) and any(isinstance(each, torch.Tensor) for each in value):
        return tuple(_shape_of(each) for each in value)
    return value
