"""Results of operations on the meta device, made from shapes alone.

Torch's own answer is slow for some (Python for each layer, for each step of an LSTM), and for
attention laid out otherwise than a CPU or GPU lays it out. Whatever is unusual, and whatever is
wrong, is left to torch: a kernel here returns `NotImplemented`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def _made(model: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return torch.empty(shape, dtype=model.dtype, device=model.device)


def _made_like(model: torch.Tensor) -> torch.Tensor:
    """As `torch.empty_like`, which on the meta device is Python and fifty times slower."""
    if not _is_dense(model):
        return torch.empty_like(model)
    return torch.empty_strided(model.shape, model.stride(), dtype=model.dtype, device=model.device)


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether its elements lie in memory without gaps or overlaps, in whatever order."""
    if tensor.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def _like_the(argument: str) -> Kernel:
    def kernel(arg: Mapping[str, Any]) -> Any:
        source = arg[argument]
        if not _alike(source) or arg.get("dtype") is not None or not _is_dense(source):
            return NotImplemented
        return _made_like(source)

    return kernel


def _binary(arg: Mapping[str, Any]) -> Any:
    """Laid out as the left operand if that has the full shape: its order of dimensions decides."""
    left, right = arg["self"], arg["other"]
    if not isinstance(left, torch.Tensor) or arg.get("rounding_mode") is not None:
        return NotImplemented
    if isinstance(right, (int, float)):
        return _made_like(left) if _alike(left) and _is_dense(left) else NotImplemented
    if not isinstance(right, torch.Tensor) or not _alike(left, right):
        return NotImplemented
    if _reaches(left.shape, right.shape):
        return _made_like(left) if _is_dense(left) else NotImplemented
    if _reaches(right.shape, left.shape) and left.is_contiguous() and right.is_contiguous():
        return _made_like(right)
    return NotImplemented


def _reaches(full: torch.Size, part: torch.Size) -> bool:
    """Whether `part` broadcasts to `full` itself."""
    if len(part) > len(full):
        return False
    sides = zip(reversed(part), reversed(full), strict=False)
    return all(side in (1, whole) for side, whole in sides)


def _power(arg: Mapping[str, Any]) -> Any:
    source, exponent = arg["self"], arg["exponent"]
    if not isinstance(source, torch.Tensor) or not isinstance(exponent, (int, float)):
        return NotImplemented
    return _made_like(source) if _alike(source) and _is_dense(source) else NotImplemented


def _mean(arg: Mapping[str, Any]) -> Any:
    source, dims = arg["self"], arg.get("dim")
    if not dims or arg["dtype"] is not None or not _alike(source) or not source.is_contiguous():
        return NotImplemented
    if any(not -source.dim() <= dim < source.dim() for dim in dims):
        return NotImplemented
    gone = {dim % source.dim() for dim in dims}
    sides = [1 if axis in gone else side for axis, side in enumerate(source.shape)]
    if not arg["keepdim"]:
        sides = [side for axis, side in enumerate(sides) if axis not in gone]
    return _made(source, sides) if len(gone) == len(dims) else NotImplemented


def _embedding(arg: Mapping[str, Any]) -> Any:
    weight, indices = arg["weight"], arg["indices"]
    if not _alike(weight) or weight.dim() != 2 or indices.dtype != torch.int64:
        return NotImplemented
    if not indices.is_meta:
        return NotImplemented
    return _made(weight, (*indices.shape, weight.shape[1]))


def _biased_product(arg: Mapping[str, Any]) -> Any:
    bias, left, right = arg["self"], arg["mat1"], arg["mat2"]
    if not _alike(bias, left, right) or left.dim() != 2 or right.dim() != 2:
        return NotImplemented
    shape = (left.shape[0], right.shape[1])
    if left.shape[1] != right.shape[0] or not _reaches(torch.Size(shape), bias.shape):
        return NotImplemented
    return _made(left, shape)


def _cat(arg: Mapping[str, Any]) -> Any:
    parts, axis = arg["tensors"], arg["dim"]
    first = parts[0]
    rank = first.dim()
    if not _alike(*parts) or not isinstance(axis, int) or not -rank <= axis < rank:
        return NotImplemented
    axis %= rank
    around = first.shape[:axis], first.shape[axis + 1 :]
    for part in parts:
        if part.dim() != rank or not part.is_contiguous():
            return NotImplemented
        if (part.shape[:axis], part.shape[axis + 1 :]) != around:
            return NotImplemented
    return _made(first, (*around[0], sum(part.shape[axis] for part in parts), *around[1]))


def _batch_norm(arg: Mapping[str, Any]) -> Any:
    source, mean = arg["input"], arg["running_mean"]
    if arg["training"] or mean is None or not _alike(source) or source.dim() < 2:
        return NotImplemented
    parts = (arg["weight"], arg["bias"], mean, arg["running_var"])
    channels = source.shape[1]
    if any(part is not None and part.shape != (channels,) for part in parts):
        return NotImplemented
    return _made_like(source)


def _layer_norm(arg: Mapping[str, Any]) -> Any:
    source, sides = arg["input"], tuple(arg["normalized_shape"])
    parts = [part for part in (arg["weight"], arg["bias"]) if part is not None]
    if not _alike(source, *parts) or not source.is_contiguous():
        return NotImplemented
    if any(tuple(each.shape[-len(sides) :]) != sides for each in (source, *parts)):
        return NotImplemented
    return _made_like(source)


def _linear(arg: Mapping[str, Any]) -> Any:
    source, weight, bias = arg["input"], arg["weight"], arg["bias"]
    if not _alike(source, weight, bias) or source.dim() == 0 or weight.dim() != 2:
        return NotImplemented
    rows, columns = weight.shape
    if source.shape[-1] != columns or (bias is not None and bias.shape != (rows,)):
        return NotImplemented
    return _made(source, (*source.shape[:-1], rows))


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
    return _made(source, (source.shape[0], rows, *sides)) if min(sides) > 0 else NotImplemented


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
    return _made_like(query)


def _masks(mask: torch.Tensor, scores: tuple[int, ...]) -> bool:
    """Whether the mask broadcasts to the scores."""
    sides = zip(reversed(mask.shape), reversed(scores), strict=False)
    return mask.is_meta and mask.dim() <= 4 and all(own in (1, side) for own, side in sides)


def _grouped_product(arg: Mapping[str, Any]) -> Any:
    """Rows (T, K) by one matrix a group (G, K, N): (T, N). Torch answers for bfloat16 alone."""
    left, right = arg["self"], arg["mat2"]
    if not _alike(left, right) or (left.dim(), right.dim()) != (2, 3) or arg["offs"] is None:
        return NotImplemented
    if arg["bias"] is not None or arg["out_dtype"] is not None or left.dtype == torch.bfloat16:
        return NotImplemented
    if left.shape[1] != right.shape[1] or arg["offs"].shape != right.shape[:1]:
        return NotImplemented
    return _made(left, (left.shape[0], right.shape[2]))


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
    output = _made(source, (source.shape[time], source.shape[batch], width))
    if arg["batch_first"]:
        output = output.transpose(0, 1)
    return (output, *(_made_like(state) for state in states))


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
                     "hardtanh", "relu6", "elu", "leaky_relu", "mish", "softmax", "neg", "exp",
                     "log", "sqrt", "rsqrt", "sin", "cos", "abs", "erf", "square", "reciprocal")
    },
    **{f"aten::{name}": _binary for name in ("add", "sub", "mul", "div")},
    "aten::pow": _power,
    "aten::mean": _mean,
    "aten::embedding": _embedding,
    "aten::addmm": _biased_product,
    "aten::cat": _cat,
    "aten::batch_norm": _batch_norm,
    "aten::layer_norm": _layer_norm,
    "aten::linear": _linear,
    "aten::conv2d": _conv2d,
    "aten::_grouped_mm": _grouped_product,
    "aten::scaled_dot_product_attention": _attention,
    **dict.fromkeys(("aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"), _recurrent),
}  # fmt: skip
