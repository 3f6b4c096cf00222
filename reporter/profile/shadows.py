"""Values of meta tensors that no weight had a part in: real tensors kept beside them.

Masks, positions, ranges, constants and declared inputs are small and known, so that a model which
asks for one (`.item()`, `bool(mask.all())`, `x[mask]`) is answered without its weights. A shadow
belongs to a storage, not to a tensor: every view of a meta tensor has its values by the same
offset, shape and strides, and what is written through one view is seen through the others.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from .activations import storage_key
from .load import is_uninitialised
from .operations import Call, Operation, operation
from .questions import Questions
from .tensors import tensors_in
from .value_kernels import CONSTANTS, OVERWRITES, VALUE_KERNELS, filled_with

LARGEST_ELEMENTS = 1 << 22
"""A tensor of more elements has no shadow."""

LARGEST_WEIGHT_ELEMENTS = 1 << 10
"""Nor has a parameter of more elements, whatever it was initialised with."""

LARGEST_TOTAL_BYTES = 1 << 27
"""Where all shadows together hold as much, no more are kept."""

LARGEST_WORK = 1 << 26
"""An operation of more multiplications and additions is not done for the sake of a value."""

_CPU, _META = torch.device("cpu"), torch.device("meta")


class Shadows:
    """The known values of one model's meta tensors, from its construction to its count.

    While `building`, what the user's code makes on the CPU stays there; afterwards everything
    is on the meta device, whatever device it asks for.
    """

    def __init__(self) -> None:
        self.building = True
        self._values: dict[int, torch.UntypedStorage] = {}
        self._bytes = 0

    @contextmanager
    def following(self) -> Iterator[None]:
        """Inside, operations on known values make known values, and questions are answered."""
        with Questions(), _Following(self):
            yield

    # What is known ------------------------------------------------------------------------------

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """A real tensor with the values of `tensor`, and writable through; None: not known."""
        if not tensor.is_meta:
            return tensor
        values = self._values.get(storage_key(tensor))
        if values is None or tensor.is_conj() or tensor.is_neg():
            return None
        return _seen_through(values, tensor)

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the values of `tensor` are known; those of a real one are."""
        return not tensor.is_meta or storage_key(tensor) in self._values

    def keep(self, tensor: torch.Tensor, real: torch.Tensor) -> None:
        """Let the values of the meta `tensor` be those of `real`, if it is not too large."""
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        if tensor.numel() > LARGEST_ELEMENTS or self._bytes + size > LARGEST_TOTAL_BYTES:
            return
        values = real.untyped_storage()
        if real.stride() != tensor.stride() or real.storage_offset() or values.nbytes() != size:
            values = _storage_of(size)
            _seen_through(values, tensor).copy_(real)
        self._put(storage, values)

    def _put(self, storage: torch.UntypedStorage, values: torch.UntypedStorage) -> None:
        key = int(storage._cdata)
        if key not in self._values:
            weakref.finalize(storage, self._drop, key).atexit = False
        self._bytes += values.nbytes()
        self._values[key] = values

    def _drop(self, key: int) -> None:
        values = self._values.pop(key, None)
        if values is not None:
            self._bytes -= values.nbytes()

    def forget(self, tensors: Iterable[torch.Tensor]) -> None:
        """Know the values of `tensors` no more."""
        for tensor in tensors:
            self._drop(storage_key(tensor))

    def forget_weights(self, model: nn.Module) -> None:
        """Know only those parameters that are too small to be a layer's weights."""
        self.forget(filter(is_weight, model.parameters()))

    def on_meta(self, real: torch.Tensor) -> torch.Tensor:
        """A meta tensor laid out as `real` is, with its values."""
        made = torch.empty_strided(real.shape, real.stride(), dtype=real.dtype, device=_META)
        self.keep(made, real)
        return made

    # What an operation returns ------------------------------------------------------------------

    def result(self, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What `func` returns where that takes values; `NotImplemented` where shapes will do."""
        some_known = some_unknown = some_real = False
        known = self._values
        for tensor in _flat(args, kwargs):
            if not tensor.is_meta:
                some_real = True
            elif not some_unknown:
                some_unknown = storage_key(tensor) not in known
                some_known = not some_unknown
        if some_unknown:
            if not some_real and not operation(func).minds_values:
                return NotImplemented
            return self._partly_known(func, args, kwargs, some_real=some_real)
        if some_known:
            return self._computed(func, args, kwargs)
        return (self._brought if some_real else self._made)(func, args, kwargs)

    def _made(self, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A tensor made of none: of constants, the values too."""
        seen = operation(func)
        device = kwargs.get("device")
        if not seen.takes_device or (self.building and device != _META):
            return NotImplemented
        made = func(*args, **{**kwargs, "device": _META})
        if made.numel() > LARGEST_ELEMENTS:
            return made
        if seen.name in CONSTANTS:
            self.keep(made, func(*args, **{**kwargs, "device": _CPU}))
        elif seen.name == "aten::empty" and not self.building and not made.is_floating_point():
            # A table of sizes or lengths, which the forward writes piece by piece.
            self.keep(made, func(*args, **{**kwargs, "device": _CPU}).zero_())
        return made

    def _brought(self, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A real tensor that goes to the meta device, or that was made from Python numbers."""
        seen = operation(func)
        if seen.name == "aten::lift_fresh" and not self.building:
            return self.on_meta(args[0])
        if seen.takes_device and seen.named(args, kwargs).get("device") == _META:
            if not seen.repeatable or is_weight(args[0]):
                return NotImplemented
            real = func(*_on_device(seen, args, _CPU), **_on_device_by_name(kwargs, _CPU))
            return self.on_meta(real.clone() if real.numel() <= LARGEST_ELEMENTS else real)
        return NotImplemented

    def _computed(self, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The operation both on meta and for real; where meta has no answer, the real one."""
        seen = operation(func)
        arguments = seen.named(args, kwargs)
        if not seen.repeatable:
            self.forget(_mutated(seen, arguments))
            return NotImplemented
        if seen.takes_device and arguments.get("device") == _CPU:
            return self._real(seen, func, args, kwargs).clone()
        try:
            result = func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            real = self._real(seen, func, args, kwargs)
            return _each_tensor(real, self.on_meta)
        created = list(tensors_in(result))
        if _too_much(seen, arguments, created):
            self.forget(_mutated(seen, arguments))
            return result
        real = self._real(seen, func, args, kwargs)
        for tensor, values in zip(created, tensors_in(real), strict=True):
            if not self.knows(tensor):
                self.keep(tensor, values)
        return result

    def _real(
        self, seen: Operation, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        real_args = tuple(_each_tensor(value, self.of) for value in args)
        real_kwargs = {name: _each_tensor(value, self.of) for name, value in kwargs.items()}
        if seen.takes_device:
            real_args = _on_device(seen, real_args, _CPU)
            real_kwargs = _on_device_by_name(real_kwargs, _CPU)
        return func(*real_args, **real_kwargs)

    def _partly_known(
        self,
        func: OpOverload,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        some_real: bool,
    ) -> Any:
        seen = operation(func)
        if seen.minds_values:
            result = self._by_values(seen, func, args, kwargs)
            if result is not NotImplemented:
                return result
        if some_real and not seen.mutated:
            return self._all_on_meta(func, args, kwargs)
        return NotImplemented

    def _by_values(
        self, seen: Operation, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        arguments = seen.named(args, kwargs)
        if seen.mutated:
            if seen.name in OVERWRITES and self._overwritten(seen, arguments):
                return self._computed(func, args, kwargs)
            self.forget(_mutated(seen, arguments))
        if seen.name in VALUE_KERNELS:
            return VALUE_KERNELS[seen.name](arguments, self)
        if not seen.takes_device:
            return NotImplemented
        if arguments.get("device") == _CPU:
            args, kwargs = _on_device(seen, args, _META), _on_device_by_name(kwargs, _META)
        made = func(*args, **kwargs)
        constant = filled_with(seen.name, arguments)
        if constant is not None and made.numel() <= LARGEST_ELEMENTS:
            self.keep(made, torch.ops.aten.full.default(made.shape, constant, dtype=made.dtype))
        return made

    def _overwritten(self, seen: Operation, arguments: Mapping[str, Any]) -> bool:
        """Whether the whole storage gets values that are known; then it has room for them."""
        target = arguments["self"]
        storage = target.untyped_storage()
        whole = target.nbytes == storage.nbytes() and target.numel() <= LARGEST_ELEMENTS
        sources = [tensor for tensor in _flat(tuple(arguments.values())) if tensor is not target]
        if not whole or is_weight(target) or not all(map(self.knows, sources)):
            return False
        self.keep(target, _seen_through(_storage_of(storage.nbytes()), target))
        return self.knows(target)

    def _all_on_meta(
        self, func: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """The operation as it is, or, where it takes no mixture, with its real arguments there."""
        try:
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            args = tuple(_each_tensor(value, self._there) for value in args)
            kwargs = {name: _each_tensor(value, self._there) for name, value in kwargs.items()}
            return func(*args, **kwargs)

    def _there(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if tensor.is_meta else self.on_meta(tensor.clone())


def is_weight(tensor: torch.Tensor) -> bool:
    """Whether it is a parameter too large to have a shadow."""
    if is_uninitialised(tensor):
        return False
    return isinstance(tensor, nn.Parameter) and tensor.numel() > LARGEST_WEIGHT_ELEMENTS


def _storage_of(size: int) -> torch.UntypedStorage:
    made: torch.Tensor = torch.ops.aten.empty.memory_format([size], dtype=torch.uint8, device=_CPU)
    return made.untyped_storage()


def _seen_through(values: torch.UntypedStorage, view: torch.Tensor) -> torch.Tensor:
    """The values as `view` sees those of its own storage."""
    empty: torch.Tensor = torch.ops.aten.empty.memory_format([0], dtype=view.dtype, device=_CPU)
    return empty.set_(values, view.storage_offset(), view.shape, view.stride())


def _flat(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> list[torch.Tensor]:
    found = []
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(each for each in value if isinstance(each, torch.Tensor))
    return found


def _each_tensor(value: Any, function: Callable[[torch.Tensor], Any]) -> Any:
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_each_tensor(each, function) for each in value)
    return value


def _mutated(seen: Operation, arguments: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    for name in seen.mutated:
        yield from tensors_in(arguments.get(name))


def _too_much(seen: Operation, arguments: dict[str, Any], created: list[torch.Tensor]) -> bool:
    """Whether to do it for real would take long or give too many values."""
    if any(tensor.numel() > LARGEST_ELEMENTS for tensor in created):
        return True
    work = Call(seen, arguments, created).work()
    return work is not None and work.madds > LARGEST_WORK


def _on_device(seen: Operation, args: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
    names = zip(args, seen.argument_names, strict=False)
    return tuple(device if name == "device" else value for value, name in names)


def _on_device_by_name(kwargs: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    return {name: device if name == "device" else value for name, value in kwargs.items()}


class _Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, shadows: Shadows) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shadows = shadows

    supports_higher_order_operators = True

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if any(hasattr(each, "__tensor_flatten__") for each in types):
            return NotImplemented
        if isinstance(func, HigherOrderOperator) or operation(func).kind == "view":
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            result = self._shadows.result(func, args, kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
