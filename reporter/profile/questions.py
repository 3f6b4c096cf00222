"""Python's own ways into and out of a tensor, which torch does not dispatch as operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Questions(TorchFunctionMode):
    """Leads them over operations, so that what follows values sees numbers come and go."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make a tensor of Python numbers on the CPU first, read a value through `item`."""
        kwargs = kwargs or {}
        if func in _FROM_PYTHON:
            return _FROM_PYTHON[func](func, args, kwargs)
        return func(*args, **kwargs)


def _numbers(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A tensor of numbers for the meta device: torch would throw the numbers away."""
    device = kwargs.get("device")
    if device is None and isinstance(args[0], torch.Tensor):
        device = args[0].device
    if device is None or torch.device(device).type != "meta":
        return func(*args, **kwargs)
    made = func(*args, **{**kwargs, "device": "cpu", "requires_grad": False})
    return made.to("meta").requires_grad_(kwargs.get("requires_grad", False))


def _as_numbers(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    data, *rest = args
    device = kwargs.get("device", rest[1] if len(rest) > 1 else None)
    if isinstance(data, torch.Tensor) or torch.device(device or "cpu").type != "meta":
        return func(*args, **kwargs)
    dtype = kwargs.get("dtype", rest[0] if rest else None)
    return func(data, dtype=dtype, device="cpu").to("meta")


def _as_array(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return func(args[0].cpu() if args[0].is_meta else args[0], *args[1:], **kwargs)


def _as_index(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return func(*args, **kwargs) if not args[0].is_meta else args[0].item()


def _by_numbers(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """`x[:, [-1, 0]]`: torch makes a tensor of the list where nobody sees the numbers."""
    source, index, *rest = args
    if not source.is_meta:
        return func(*args, **kwargs)
    numbers = tuple(map(_as_tensor, index)) if isinstance(index, tuple) else _as_tensor(index)
    return func(source, numbers, *rest, **kwargs)


def _as_tensor(index: Any) -> Any:
    if not isinstance(index, list) or not index or not all(isinstance(i, int) for i in index):
        return index
    return torch.tensor(index, device="cpu")


_FROM_PYTHON: Mapping[Any, Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]] = {
    torch.tensor: _numbers,
    torch.Tensor.new_tensor: _numbers,
    torch.as_tensor: _as_numbers,
    torch.asarray: _as_numbers,
    torch.Tensor.numpy: _as_array,
    torch.Tensor.__array__: _as_array,
    torch.Tensor.__index__: _as_index,
    torch.Tensor.__getitem__: _by_numbers,
    torch.Tensor.__setitem__: _by_numbers,
}
