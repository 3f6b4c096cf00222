"""Results of operations on the meta device, made from shapes alone.

Torch's own answer is slow for some (Python for each layer, for each step of an LSTM), and for
attention laid out otherwise than a CPU or GPU lays it out. Whatever is unusual, and whatever is
wrong, is left to torch: a kernel here returns `NotImplemented`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

Kernel = Callable[[Mapping[str, Any]], Any]


def meta_result(name: str, arguments: Mapping[str, Any]) -> Any:
    """What operation `name` returns, `NotImplemented` where torch itself should say."""
    kernel = _KERNELS.get(name)
    return NotImplemented if kernel is None else kernel(arguments)


def _alike(*tensors: torch.Tensor | None) -> bool:
    """Whether all that are there are on the meta device, of one floating dtype."""
    there = [tensor for tensor in tensors if tensor is not None]
    first = there[0]
    return first.is_floating_point() and all(
        each.is_meta and each.dtype == first.dtype and each.layout == torch.strided
        for each in there
    )


def _like_the(argument: str) -> Kernel:
    def kernel(arg: Mapping[str, Any]) -> Any:
        source = arg[argument]
        if not _alike(source) or arg.get("dtype") is not None or not source.is_contiguous():
            return NotImplemented
        return torch.empty_like(source)

    return kernel


def _binary(arg: Mapping[str, Any]) -> Any:
    left, right = arg["self"], arg["other"]
    if not isinstance(right, torch.Tensor) or not _alike(left, right):
        return NotImplemented
    if left.shape != right.shape or not left.is_contiguous() or not right.is_contiguous():
        return NotImplemented
    return torch.empty_like(left)


def _batch_norm(arg: Mapping[str, Any]) -> Any:
    source, mean = arg["input"], arg["running_mean"]
    if arg["training"] or mean is None or not _alike(source) or source.dim() < 2:
        return NotImplemented
    parts = (arg["weight"], arg["bias"], mean, arg["running_var"])
    channels = source.shape[1]
    if any(part is not None and part.shape != (channels,) for part in parts):
        return NotImplemented
    return torch.empty_like(source)


def _layer_norm(arg: Mapping[str, Any]) -> Any:
    source, sides = arg["input"], tuple(arg["normalized_shape"])
    parts = [part for part in (arg["weight"], arg["bias"]) if part is not None]
    if not _alike(source, *parts) or not source.is_contiguous():
        return NotImplemented
    if any(tuple(each.shape[-len(sides) :]) != sides for each in (source, *parts)):
        return NotImplemented
    return torch.empty_like(source)


def _linear(arg: Mapping[str, Any]) -> Any:
    source, weight, bias = arg["input"], arg["weight"], arg["bias"]
    if not _alike(source, weight, bias) or source.dim() == 0 or weight.dim() != 2:
        return NotImplemented
    rows, columns = weight.shape
    if source.shape[-1] != columns or (bias is not None and bias.shape != (rows,)):
        return NotImplemented
    return source.new_empty((*source.shape[:-1], rows))


def _conv2d(arg: Mapping[str, Any]) -> Any:
    source, weight, bias, groups = arg["input"], arg["weight"], arg["bias"], arg["groups"]
    if not _alike(source, weight, bias) or source.dim() != 4 or weight.dim() != 4:
        return NotImplemented
    if not (source.is_contiguous() and weight.is_contiguous()) or isinstance(arg["padding"], str):
        return NotImplemented
    rows, columns = weight.shape[:2]
    if source.shape[1] != columns * groups or rows % groups:
        return NotImplemented
    if bias is not None and bias.shape != (rows,):
        return NotImplemented
    sides = [_side(source, weight, arg, axis) for axis in (0, 1)]
    return source.new_empty((source.shape[0], rows, *sides)) if min(sides) > 0 else NotImplemented


def _side(source: torch.Tensor, weight: torch.Tensor, arg: Mapping[str, Any], axis: int) -> int:
    """(H + 2P - D·(K - 1) - 1) / S + 1."""
    stride, padding, dilation = (arg[name] for name in ("stride", "padding", "dilation"))
    reach = dilation[axis % len(dilation)] * (weight.shape[2 + axis] - 1) + 1
    free = source.shape[2 + axis] + 2 * padding[axis % len(padding)] - reach
    return int(free // stride[axis % len(stride)] + 1) if free >= 0 else 0


def _attention(arg: Mapping[str, Any]) -> Any:
    """In the order in which the query's dimensions lie in memory, as the fused kernels do it."""
    query, key, value, mask = (arg[name] for name in ("query", "key", "value", "attn_mask"))
    if not _alike(query, key, value) or not query.dim() == key.dim() == value.dim() == 4:
        return NotImplemented
    batch, heads, length, width = query.shape
    kv_heads = heads if not arg["enable_gqa"] else key.shape[1]
    if key.shape != value.shape or key.shape[0] != batch or key.shape[3] != width:
        return NotImplemented
    if (
        key.shape[1] != kv_heads
        or heads % kv_heads
        or arg["dropout_p"]
        or (mask is not None and not _masks(mask, (batch, heads, length, key.shape[2])))
    ):
        return NotImplemented
    return torch.empty_like(query)


def _masks(mask: torch.Tensor, scores: tuple[int, ...]) -> bool:
    """Whether the mask broadcasts to the scores."""
    sides = zip(reversed(mask.shape), reversed(scores), strict=False)
    return mask.is_meta and mask.dim() <= 4 and all(own in (1, side) for own, side in sides)


def _recurrent(arg: Mapping[str, Any]) -> Any:
    if "input" not in arg or not isinstance(arg["batch_first"], bool):
        return NotImplemented
    source, states = arg["input"], arg["hx"]
    states = [states] if isinstance(states, torch.Tensor) else list(states)
    if source.dim() != 3 or not _alike(source, *states, *arg["params"]):
        return NotImplemented
    if not _fits(arg, source, states):
        return NotImplemented
    time, batch = (1, 0) if arg["batch_first"] else (0, 1)
    width = states[0].shape[2] * (2 if arg["bidirectional"] else 1)
    output = source.new_empty((source.shape[time], source.shape[batch], width))
    if arg["batch_first"]:
        output = output.transpose(0, 1)
    return (output, *(torch.empty_like(state) for state in states))


def _fits(arg: Mapping[str, Any], source: torch.Tensor, states: list[torch.Tensor]) -> bool:
    batch = source.shape[0 if arg["batch_first"] else 1]
    layers = arg["num_layers"] * (2 if arg["bidirectional"] else 1)
    return source.shape[2] == arg["params"][0].shape[1] and all(
        state.shape[:2] == (layers, batch) for state in states
    )


_KERNELS: Mapping[str, Kernel] = {
    **{
        f"aten::{name}": _like_the("self")
        for name in ("relu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid",
                     "softmax")
    },
    "aten::add": _binary,
    "aten::mul": _binary,
    "aten::batch_norm": _batch_norm,
    "aten::layer_norm": _layer_norm,
    "aten::linear": _linear,
    "aten::conv2d": _conv2d,
    "aten::scaled_dot_product_attention": _attention,
    **dict.fromkeys(("aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"), _recurrent),
}  # fmt: skip
