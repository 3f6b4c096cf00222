"""Which module is running now, and what each module of the tree cost in the end.

Two global hooks and a stack; the user's modules are never touched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from ..records import Layer
from .load import is_uninitialised
from .tensors import tensors_in

T = TypeVar("T")
Shapes = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Tally:
    """Running sums of what operations cost."""

    macs: int = 0
    madds: int = 0
    read_bytes: int = 0
    write_bytes: int = 0

    def add(self, other: Tally) -> None:
        """Add `other` to this one."""
        self.macs += other.macs
        self.madds += other.madds
        self.read_bytes += other.read_bytes
        self.write_bytes += other.write_bytes


@dataclass(slots=True)
class _Calls:
    """How often a module was called, and the shapes of its first call."""

    number: int = 0
    input_shapes: Shapes = ()
    output_shapes: Shapes = ()


class _NodeOwners:
    """Which module's forward made a node of the autograd graph.

    Torch numbers the nodes in the order in which they are made. The number that is next when a
    module starts, and when it ends, tells its nodes from all others; no hook is needed on them.
    """

    def __init__(self) -> None:
        self.of_parameters: dict[int, str] = {}
        self._starts: list[int] = []
        self._paths: list[str] = []

    def belong_to(self, path: str) -> None:
        """The nodes made from now on are those of `path`."""
        self._starts.append(torch._C._autograd._get_sequence_nr())
        self._paths.append(path)

    def owner(self, node: Any) -> str:
        """The path; of what sums a parameter's gradients, the path of the parameter."""
        parameter = getattr(node, "variable", None)
        if parameter is not None:
            return self.of_parameters.get(id(parameter), "")
        index = bisect_right(self._starts, node._sequence_nr()) - 1
        return self._paths[index] if index >= 0 else ""


@dataclass(slots=True)
class ModuleCalls:
    """A context in which `current` is the path of the module whose forward runs.

    A module is known by the path through which it is called: of the paths of a shared module,
    the one below the module that calls it. A module that is not in the tree, made during the
    forward, counts as part of its caller.
    """

    model: nn.Module
    own: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    _calls: dict[str, _Calls] = field(default_factory=lambda: defaultdict(_Calls))
    _modules: list[tuple[str, nn.Module]] = field(default_factory=list)
    _paths: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _stack: list[str] = field(default_factory=lambda: [""])
    _nodes: _NodeOwners = field(default_factory=_NodeOwners)
    _handles: list[RemovableHandle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._modules = list(self.model.named_modules(remove_duplicate=False))
        for path, module in self._modules:
            self._paths[id(module)].append(path)
            for parameter in module._parameters.values():
                self._nodes.of_parameters.setdefault(id(parameter), path)

    def parameters(self) -> list[nn.Parameter]:
        """Every parameter of the model once."""
        return _once(each for _, module in self._modules for each in module._parameters.values())

    def buffers(self) -> list[torch.Tensor]:
        """Every buffer of the model once."""
        return _once(each for _, module in self._modules for each in module._buffers.values())

    @property
    def current(self) -> str:
        """The path of the running module; of the root, the empty string.

        In a backward, that of the module whose forward made the node which runs.
        """
        if len(self._stack) > 1:
            return self._stack[-1]
        node: Any = torch._C._current_autograd_node()
        return "" if node is None else self._nodes.owner(node)

    def __enter__(self) -> ModuleCalls:
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, with_kwargs=True, always_call=True),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _enter(self, module: nn.Module, _: Any) -> None:
        path = self._path(module)
        self._stack.append(path)
        self._nodes.belong_to(path)

    def _leave(self, module: nn.Module, args: tuple[Any, ...], *kwargs_and_result: Any) -> None:
        """Torch leaves the keyword arguments out where it calls this after an exception."""
        path = self._stack.pop()
        self._nodes.belong_to(self._stack[-1])
        if id(module) not in self._paths:
            return
        calls = self._calls[path]
        calls.number += 1
        if calls.number == 1:
            *kwargs, result = kwargs_and_result
            calls.input_shapes = _shapes([args, *kwargs])
            calls.output_shapes = _shapes(result)

    def _path(self, module: nn.Module) -> str:
        paths = self._paths.get(id(module))
        if paths is None:
            return self.current
        prefix = f"{self.current}." if self.current else ""
        return next((path for path in paths if path.startswith(prefix)), paths[0])

    def layers(self) -> tuple[Layer, ...]:
        """Every module of the tree in its own order, its figures with its descendants'."""
        modules = self._modules
        totals = _rolled_up([path for path, _ in modules], self.own)
        params = _parameters_below(modules)
        return tuple(self._layer(path, each, totals[path], params[path]) for path, each in modules)

    def _layer(self, path: str, module: nn.Module, total: Tally, params: int) -> Layer:
        calls = self._calls[path]
        return Layer(
            path=path,
            type=type(module).__name__,
            calls=calls.number,
            params=params,
            macs=total.macs,
            madds=total.madds,
            read_bytes=total.read_bytes,
            write_bytes=total.write_bytes,
            input_shapes=calls.input_shapes,
            output_shapes=calls.output_shapes,
        )


def _rolled_up(paths: list[str], own: Mapping[str, Tally]) -> dict[str, Tally]:
    totals = {path: Tally() for path in paths}
    for path, tally in own.items():
        for ancestor in _self_and_ancestors(path):
            totals[ancestor].add(tally)
    return totals


def _parameters_below(modules: list[tuple[str, nn.Module]]) -> dict[str, int]:
    """For every path the elements of the parameters there and below, each parameter once."""
    found: dict[str, dict[int, int]] = {path: {} for path, _ in modules}
    for path, module in modules:
        own = {
            id(parameter): parameter.numel()
            for parameter in module._parameters.values()
            if parameter is not None and not is_uninitialised(parameter)
        }
        if own:
            for ancestor in _self_and_ancestors(path):
                found[ancestor].update(own)
    return {path: sum(sizes.values()) for path, sizes in found.items()}


def _self_and_ancestors(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


def _shapes(value: Any) -> Shapes:
    if isinstance(value, torch.Tensor):
        return (_sides(value),)
    return tuple(map(_sides, tensors_in(value)))


def _sides(tensor: torch.Tensor) -> tuple[int, ...]:
    if not tensor.is_nested:
        return tuple(tensor.shape)
    if tensor.layout == torch.jagged:
        return tuple(side if type(side) is int else -1 for side in tensor.shape)
    return (tensor.size(0), *(-1 for _ in range(tensor.dim() - 1)))


def _once(tensors: Iterable[T | None]) -> list[T]:
    return list({id(tensor): tensor for tensor in tensors if tensor is not None}.values())
