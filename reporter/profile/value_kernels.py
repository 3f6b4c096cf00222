"""Operations whose result has a shape that depends on values, where those values are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

CONSTANTS = frozenset(
    f"aten::{name}"
    for name in ("zeros", "ones", "full", "arange", "linspace", "logspace", "eye", "tril_indices",
                 "triu_indices", "scalar_tensor")
)  # fmt: skip
"""Operations that make known values from no tensor."""

OVERWRITES = frozenset({"aten::fill_", "aten::zero_", "aten::copy_"})
"""Operations after which nothing is left of what was there."""

_FILLS: Mapping[str, float] = {"zeros_like": 0, "new_zeros": 0, "ones_like": 1, "new_ones": 1}


def filled_with(name: str, arguments: Mapping[str, Any]) -> Any:
    """The one value that all elements of the result have; None where they have not."""
    if name in ("aten::full_like", "aten::new_full"):
        return arguments["fill_value"]
    return _FILLS.get(name.removeprefix("aten::"))


class Values(Protocol):
    """What a kernel may ask for values, and how it makes known ones."""

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The real values; None where they are not known."""

    def on_meta(self, real: torch.Tensor) -> torch.Tensor:
        """A meta tensor with these values."""


ValueKernel = Callable[[Mapping[str, Any], Values], Any]


def _positions(indices: Any, values: Values) -> list[torch.Tensor | None] | None:
    """The indices with every mask replaced by the positions it lets through; None: not known."""
    found: list[torch.Tensor | None] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            found.append(index)
            continue
        mask = values.of(index)
        if mask is None:
            return None
        found.extend(values.on_meta(each.contiguous()) for each in mask.nonzero().unbind(1))
    return found


def _index(arg: Mapping[str, Any], values: Values) -> Any:
    positions = _positions(arg["indices"], values)
    if positions is None:
        return NotImplemented
    return torch.ops.aten.index.Tensor(arg["self"], positions)


def _masked_select(arg: Mapping[str, Any], values: Values) -> Any:
    source, mask = arg["self"], values.of(arg["mask"])
    if mask is None:
        return NotImplemented
    shape = torch.broadcast_shapes(source.shape, mask.shape)  # type: ignore[no-untyped-call]
    return source.new_empty(int(mask.expand(shape).sum()))


def _repeat_interleave(arg: Mapping[str, Any], values: Values) -> Any:
    repeats = arg.get("repeats")
    known = values.of(repeats) if isinstance(repeats, torch.Tensor) else None
    if known is None or "self" not in arg:
        return NotImplemented
    source, dim = (
        (arg["self"], arg["dim"]) if arg["dim"] is not None else (arg["self"].flatten(), 0)
    )
    if known.numel() == 1:
        known = known.expand(source.shape[dim])
    return source.index_select(dim, values.on_meta(torch.repeat_interleave(known)))


def _pack(arg: Mapping[str, Any], values: Values) -> Any:
    """Sequences cut to their lengths, step by step: all tokens, and how many each step has."""
    source, lengths = arg["input"], values.of(arg["lengths"])
    if lengths is None or lengths.dim() != 1 or not bool((lengths[:-1] >= lengths[1:]).all()):
        return NotImplemented
    steps = torch.arange(int(lengths[0]), device="cpu")
    per_step = (lengths[None, :] > steps[:, None]).sum(1)
    return source.new_empty((int(lengths.sum()), *source.shape[2:])), per_step


VALUE_KERNELS: Mapping[str, ValueKernel] = {
    "aten::index": _index,
    "aten::masked_select": _masked_select,
    "aten::repeat_interleave": _repeat_interleave,
    "aten::_pack_padded_sequence": _pack,
}
"""Operation → what it returns for a tensor without values by indices, masks, lengths with them."""
