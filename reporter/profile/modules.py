"""Which module is running now, and what each module of the tree cost in the end.

Two global hooks and a stack; the user's modules are never touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from ..records import Layer
from .load import is_uninitialised
from .tensors import tensors_in

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
    _paths: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _stack: list[str] = field(default_factory=lambda: [""])
    _handles: list[RemovableHandle] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path, module in self.model.named_modules(remove_duplicate=False):
            self._paths[id(module)].append(path)

    @property
    def current(self) -> str:
        """The path of the running module; of the root, the empty string."""
        return self._stack[-1]

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
        self._stack.append(self._path(module))

    def _leave(self, module: nn.Module, args: tuple[Any, ...], *kwargs_and_result: Any) -> None:
        """Torch leaves the keyword arguments out where it calls this after an exception."""
        path = self._stack.pop()
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
        modules = list(self.model.named_modules(remove_duplicate=False))
        totals = _rolled_up([path for path, _ in modules], self.own)
        return tuple(self._layer(path, module, totals[path]) for path, module in modules)

    def _layer(self, path: str, module: nn.Module, total: Tally) -> Layer:
        calls = self._calls[path]
        return Layer(
            path=path,
            type=type(module).__name__,
            calls=calls.number,
            params=sum(parameter.numel() for parameter in initialised_parameters(module)),
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


def _self_and_ancestors(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


def _shapes(value: Any) -> Shapes:
    return tuple(tuple(tensor.shape) for tensor in tensors_in(value))


def initialised_parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    """Every parameter once, without those of lazy layers that were never called."""
    for parameter in module.parameters():
        if not is_uninitialised(parameter):
            yield parameter
