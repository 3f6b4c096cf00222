"""One operation: what is known of its operator, and what one call of it costs and moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any, Literal

import torch
from torch._ops import HigherOrderOperator, OpOverload

from .activations import storage_key
from .op_rules import RULES
from .op_rules.traffic import (
    MOVEMENT,
    READ_AS_MUCH_AS_RETURNED,
    READ_ROW_BY_ROW,
    UNWRITTEN,
    WRITTEN_IN_PART,
    WRITTEN_ONLY,
)
from .op_rules.work import NOTHING, Rule, Work, per_output
from .tensors import tensors_in
from .value_kernels import VALUE_KERNELS

Kind = Literal["formula", "movement", "view", "composite", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operator before any call of it.

    `unread` names the arguments that are written without a look at what was there. `may_alias`:
    a result may be one of the arguments. `repeatable`: the same arguments give the same values.
    `minds_values`: some of its arguments' values may matter where others are not known.
    """

    name: str
    kind: Kind
    rule: Rule
    argument_names: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    mutated: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    may_alias: bool = True
    takes_device: bool = False
    repeatable: bool = True
    minds_values: bool = False

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by their schema names and in that order, with the defaults."""
        given = dict(zip(self.argument_names, args, strict=False))
        known = {**self.defaults, **given, **kwargs}
        return {name: known[name] for name in self.argument_names if name in known}


def _free_of_arithmetic(arg: Mapping[str, Any], out: Sequence[Sequence[int]]) -> Work:
    return NOTHING


@cache
def operation(func: OpOverload) -> Operation:
    """What torch's schema and our tables say of `func`."""
    schema = func._schema
    arguments = schema.arguments
    mutated = tuple(a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write)
    kind, rule = _classify(func, schema.name)
    takes_device = any(a.name == "device" for a in arguments)
    return Operation(
        name=schema.name,
        kind=kind,
        rule=rule,
        argument_names=tuple(a.name for a in arguments),
        defaults={a.name: a.default_value for a in arguments if a.has_default_value()},
        mutated=mutated,
        unread=frozenset(a.name for a in arguments if a.name in mutated and a.is_out)
        | frozenset({WRITTEN_ONLY[schema.name]} if schema.name in WRITTEN_ONLY else ()),
        may_alias=kind != "formula"
        or func._can_decompose()
        or bool(mutated)
        or any(a.alias_info is not None for a in schema.returns),
        takes_device=takes_device,
        repeatable=torch.Tag.nondeterministic_seeded not in func.tags
        and schema.name not in UNWRITTEN,
        minds_values=takes_device or bool(mutated) or schema.name in VALUE_KERNELS,
    )


def _classify(func: OpOverload, name: str) -> tuple[Kind, Rule]:
    if torch.Tag.inplace_view in func.tags or _is_plain_view(func, name):
        return "view", _free_of_arithmetic
    base_name = name if name.endswith("__") else name.removesuffix("_")
    listed = RULES.get(name, RULES.get(base_name))
    if listed is not None:
        return "formula", listed
    if torch.Tag.view_copy in func.tags or not MOVEMENT.isdisjoint((name, base_name)):
        return "movement", _free_of_arithmetic
    if torch.Tag.pointwise in func.tags:
        return "formula", per_output(1)
    if func._can_decompose() and not func.is_view:
        return "composite", _free_of_arithmetic
    return "unknown", _free_of_arithmetic


def _is_plain_view(func: OpOverload, name: str) -> bool:
    """Whether it never copies; what torch makes of other operations (`reshape`) may."""
    return func.is_view and not func._can_decompose() and name != "aten::lift_fresh"


_HIGHER_ORDER_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "flex_attention": ("query", "key", "value"),
}


@cache
def higher_order_operation(func: HigherOrderOperator) -> Operation:
    """The same of an operator that takes functions; it has no schema."""
    own_name = str(func.name())  # type: ignore[no-untyped-call]
    name = f"higher_order::{own_name}"
    rule = RULES.get(name)
    return Operation(
        name=name,
        kind="unknown" if rule is None else "formula",
        rule=rule or _free_of_arithmetic,
        argument_names=_HIGHER_ORDER_ARGUMENTS.get(own_name, ()),
    )


@dataclass(slots=True)
class Call:
    """One call of an operation: its arguments by name, and what came out.

    `created` holds the results that are new storage, not an argument or a view of one.
    """

    operation: Operation
    arguments: dict[str, Any]
    outputs: list[torch.Tensor]
    created: list[torch.Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, operation: Operation, arguments: dict[str, Any], result: Any) -> Call:
        """The call of `operation` on `arguments` that returned `result`."""
        outputs = [result] if isinstance(result, torch.Tensor) else list(tensors_in(result))
        call = cls(operation, arguments, outputs)
        call.created = call._new(outputs) if operation.may_alias else outputs
        return call

    def _new(self, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        inputs = {storage_key(tensor) for _, tensor in self._tensors()}
        return [tensor for tensor in outputs if storage_key(tensor) not in inputs]

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, value in self.arguments.items():
            if isinstance(value, torch.Tensor):
                yield name, value
            elif isinstance(value, (list, tuple)):
                for tensor in tensors_in(value):
                    yield name, tensor

    @property
    def moves_anything(self) -> bool:
        """False for a view, and for an operation that hands its argument back."""
        return self.operation.kind != "view" and bool(self.created or self.operation.mutated)

    def work(self) -> Work | None:
        """What the formula says; None where there is none for arguments of this kind."""
        if self.operation.kind == "unknown":
            return None
        try:
            arguments = {name: _shape_of(value) for name, value in self.arguments.items()}
            return self.operation.rule(arguments, [tuple(each.shape) for each in self.outputs])
        except (RuntimeError, LookupError, TypeError, ValueError):
            return None

    def read_bytes(self) -> int:
        """Bytes of the distinct tensors that are read; of a lookup, the rows looked up."""
        returned = READ_AS_MUCH_AS_RETURNED.get(self.operation.name)
        table, indices = READ_ROW_BY_ROW.get(self.operation.name, (None, ""))
        seen: dict[tuple[Any, ...], int] = {}
        for name, tensor in self._tensors():
            if name in self.operation.unread:
                continue
            if name == returned:
                size = self.outputs[0].numel() * tensor.element_size()
            elif name == table:
                rows = self.arguments[indices].numel()
                size = rows * tensor.shape[-1] * tensor.element_size()
            else:
                size = touched_bytes(tensor)
            seen[_identity(tensor)] = size
        return sum(seen.values())

    def write_bytes(self) -> int:
        """Bytes of the new results, and of the arguments that are written to."""
        if self.operation.name in UNWRITTEN:
            return 0
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
    if tensor.layout != torch.strided or tensor.is_nested:
        return (id(tensor),)
    return storage_key(tensor), tensor.storage_offset(), tensor.shape, tensor.stride()


def touched_bytes(tensor: torch.Tensor) -> int:
    """Bytes of the distinct elements of a tensor: an expanded dimension counts once.

    Of a sparse tensor, those of its values and indices.
    """
    if tensor.layout != torch.strided:
        return sum(part.nbytes for part in _sparse_parts(tensor))
    if tensor.is_nested:
        return tensor.numel() * tensor.element_size()
    strides = tensor.stride()
    if 0 not in strides:
        return tensor.nbytes
    sides = zip(tensor.shape, strides, strict=True)
    return prod(size for size, stride in sides if stride != 0 or size == 0) * tensor.element_size()


_SPARSE_PARTS: Mapping[torch.layout, tuple[str, ...]] = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


def _sparse_parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    return [getattr(tensor, part)() for part in _SPARSE_PARTS.get(tensor.layout, ())]


def _shape_of(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, (list, tuple)) and any(isinstance(each, torch.Tensor) for each in value):
        return tuple(_shape_of(each) for each in value)
    return value
