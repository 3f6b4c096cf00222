"""Products, convolutions, attention and recurrent layers: where the multiply-accumulates are."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from .layers import softmax_rows
from .work import NOTHING, Arguments, Rule, Shape, Work, contraction, per_output, total

# Products -----------------------------------------------------------------------------------------


def _product(left: str, *, added: bool = False) -> Rule:
    """A matrix product whose inner dimension is the last one of the argument `left`."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        return contraction(prod(out[0]), arg[left][-1] if arg[left] else 1, bias=added)

    return rule


def _linear(arg: Arguments, out: Sequence[Shape]) -> Work:
    return contraction(prod(out[0]), arg["input"][-1], bias=arg["bias"] is not None)


def _grouped_product(arg: Arguments, out: Sequence[Shape]) -> Work:
    """A product per group, of rows (T, K) by (G, K, N), of batches, or of (M, T) by (T, N).

    In the last form, a weight gradient, `offs` cuts the inner dimension: every product of the
    M·T·N is made once, and each of the G·M·N results sums its own share of them.
    """
    left, right = arg["self"], arg["mat2"]
    bias = arg.get("bias") is not None
    if len(left) == len(right) == 2:
        products = left[0] * left[1] * right[1]
        return Work(products, max(2 * products - prod(out[0]), 0))
    return contraction(prod(out[0]), left[-1], bias=bias)


def _scaled_product(arg: Arguments, out: Sequence[Shape]) -> Work:
    """A low-precision product whose results are scaled: two multiplications more each."""
    product = contraction(prod(out[0]), arg["self"][-1], bias=arg.get("bias") is not None)
    return total(product, Work(0, 2 * prod(out[0])))


def _quantized_linear(arg: Arguments, out: Sequence[Shape]) -> Work:
    """The packed weight hides whether there is a bias: one is taken to be there."""
    return contraction(prod(out[0]), arg["X"][-1], bias=True)


def _outer(arg: Arguments, out: Sequence[Shape]) -> Work:
    """No sum, so no multiply-accumulate: one multiplication an element."""
    return Work(0, prod(out[0]))


def _addbmm(arg: Arguments, out: Sequence[Shape]) -> Work:
    """The batch is summed over too: depth = batch × inner."""
    batch, _, inner = arg["batch1"]
    return contraction(prod(out[0]), batch * inner, bias=True)


def _bilinear(arg: Arguments, out: Sequence[Shape]) -> Work:
    """y_o = Σ_j (Σ_i x1_i W_oij) x2_j: for each output, I2 sums of I1 and one of I2."""
    outputs = prod(out[0])
    inner = contraction(outputs * arg["input2"][-1], arg["input1"][-1])
    final = contraction(outputs, arg["input2"][-1], bias=arg["bias"] is not None)
    return total(inner, final)


def _trilinear(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`aten::_trilinear`, the form `nn.Bilinear` takes under autograd.

    i1 is (B, 1, I1, 1), i2 the weight (1, O, I1, I2), i3 (B, 1, 1, I2), with 1 where expanded.
    """
    _, _, first, second = arg["i2"]
    outputs = prod(out[0])
    return total(contraction(outputs * second, first), contraction(outputs, second))


def _convolution(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Each output element contracts over Cin/groups × kernel."""
    if arg.get("transposed"):
        return _transposed_convolution(arg, out)
    return contraction(prod(out[0]), prod(arg["weight"][1:]), bias=arg["bias"] is not None)


def _transposed_convolution(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Each input element is multiplied by Cout/groups × kernel weights, and the products summed.

    The weight is (Cin, Cout/groups, kernel…). P products that end in N sums take P - N additions.
    """
    products, outputs = prod(arg["input"]) * prod(arg["weight"][1:]), prod(out[0])
    bias = outputs if arg["bias"] is not None else 0
    return Work(products, products + max(products - outputs, 0) + bias)


def _convolution_backward(arg: Arguments, out: Sequence[Shape]) -> Work:
    """The gradients of input and weight each take the forward's products again.

    A weight gradient's element sums batch × output pixels; the bias's sums them without products.
    """
    pixels, kernel = prod(arg["grad_output"]), prod(arg["weight"][1:])
    if arg["transposed"]:
        pixels = prod(arg["input"])
    products = pixels * kernel
    wanted = arg["output_mask"]
    work = NOTHING
    for index, target in enumerate(("input", "weight")):
        if wanted[index]:
            work = total(work, Work(products, max(2 * products - prod(arg[target]), 0)))
    if wanted[2]:
        channels = arg["grad_output"][1]
        work = total(work, Work(0, prod(arg["grad_output"]) - channels))
    return work


# Attention --------------------------------------------------------------------------------------


def _attention(arg: Arguments, out: Sequence[Shape]) -> Work:
    """softmax(Q Kᵀ · scale + mask) V over the whole score matrix, one row a query and head."""
    queries = prod(arg["query"][:-1])
    keys, width, value_width = arg["key"][-2], arg["query"][-1], arg["value"][-1]
    scores = contraction(queries * keys, width)
    mask = arg.get("attn_mask", arg.get("attn_bias"))
    scaling = Work(0, queries * keys * (1 if mask is None else 2))
    values = contraction(queries * value_width, keys)
    return total(scores, scaling, softmax_rows(queries, keys), values)


def _attention_backward(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Four products: dV = PᵀdO, dP = dO Vᵀ, dQ = dS K, dK = dSᵀQ.

    What a kernel computes again (Q Kᵀ in flash attention) is its own affair and not in it.
    """
    queries = prod(arg["query"][:-1])
    keys, width, value_width = arg["key"][-2], arg["query"][-1], arg["value"][-1]
    macs = queries * keys * (2 * width + 2 * value_width)
    softmax_and_scale = queries * keys * 5
    return Work(macs, 2 * macs + softmax_and_scale)


# Recurrent layers -------------------------------------------------------------------------------


class _Cell(NamedTuple):
    """Per hidden unit and step: `gates` weight rows, and `pointwise` operations besides.

    `pointwise` holds the sums of the two products, the activations and the state's update:
      RNN   1 sum, 1 activation                                                            = 2
      LSTM  4 sums, 4 activations; c = f·c + i·g (3); h = o · tanh(c) (2)                    = 13
      GRU   2 sums and 2 sigmoids for r and z; n = tanh(a + r·b) (3); h = (1 - z)·n + z·h (4) = 11
    """

    gates: int
    pointwise: int


_RNN, _LSTM, _GRU = _Cell(1, 2), _Cell(4, 13), _Cell(3, 11)


def _recurrent(cell: _Cell) -> Rule:
    """`aten::lstm`, `gru`, `rnn_*`, whole or packed: every token meets every weight once."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        sequence = arg["input"] if "input" in arg else arg["data"]
        tokens = prod(sequence[:-1])
        work = NOTHING
        for parameter in arg["params"]:
            if len(parameter) == 2:
                rows, columns = parameter
                work = total(work, contraction(tokens * rows, columns))
            else:
                work = total(work, Work(0, tokens * parameter[0]))
        return total(work, Work(0, tokens * cell.pointwise * _hidden_units(cell, arg["params"])))

    return rule


_MKLDNN_MODES = {2: _LSTM, 3: _GRU}


def _one_recurrent_layer(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`aten::mkldnn_rnn_layer`: one layer in one direction, its weights in four arguments."""
    weights = tuple(arg[f"weight{index}"] for index in range(4))
    cell = _MKLDNN_MODES[arg["mode"]]
    return _recurrent(cell)({"input": arg["input"], "params": weights}, out)


def _one_recurrent_layer_backward(arg: Arguments, out: Sequence[Shape]) -> Work:
    """The gradients of inputs and weights: each product of the forward twice again."""
    weights = {f"weight{index}": arg[f"weight{index + 1}"] for index in range(4)}
    forward = _one_recurrent_layer({**arg, **weights}, out)
    return Work(2 * forward.macs, 2 * forward.madds)


def _fused_cell(cell: _Cell) -> Rule:
    """A step's gates from sums that are already made: (batch, gates·H)."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        gates = prod(arg["input_gates"])
        biases = sum(arg.get(name) is not None for name in ("input_bias", "hidden_bias"))
        return Work(0, gates * biases + gates // cell.gates * cell.pointwise)

    return rule


def _hidden_units(cell: _Cell, params: Sequence[Shape]) -> int:
    """Over all layers and directions. In a layer the input weights come first: (gates·H, I).

    Input and recurrent weights have the same number of rows; a projection (H_out, H) has its own.
    """
    rows = [shape[0] for shape in params if len(shape) == 2]
    per_layer = 3 if _has_projections(cell, params) else 2
    return sum(rows[::per_layer]) // cell.gates


def _has_projections(cell: _Cell, params: Sequence[Shape]) -> bool:
    """The recurrent weights are (gates·H, H), or (gates·H, P) with a projection to P < H."""
    rows, columns = [shape for shape in params if len(shape) == 2][1]
    return columns != rows // cell.gates


_ATTENTION_KERNELS = (
    "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)
CONTRACTIONS: dict[str, Rule] = {
    "mm": _product("self"),
    "bmm": _product("self"),
    "mv": _product("self"),
    "dot": _product("self"),
    "vdot": _product("self"),
    "matmul": _product("self"),
    "linear": _linear,
    "addmm": _product("mat1", added=True),
    "_addmm_activation": _product("mat1", added=True),
    "addmv": _product("mat", added=True),
    "baddbmm": _product("batch1", added=True),
    "addbmm": _addbmm,
    "_grouped_mm": _grouped_product,
    "_int_mm": _product("self"),
    "_scaled_mm": _scaled_product,
    "outer": _outer,
    "ger": _outer,
    "addr": per_output(2),
    "bilinear": _bilinear,
    "_trilinear": _trilinear,
    **{f"conv{n}d": _convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed_convolution for n in (1, 2, 3)},
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_backward": _convolution_backward,
    **dict.fromkeys(_ATTENTION_KERNELS, _attention),
    **{f"{name}_backward": _attention_backward for name in _ATTENTION_KERNELS[2:]},
    "lstm": _recurrent(_LSTM),
    "gru": _recurrent(_GRU),
    "rnn_tanh": _recurrent(_RNN),
    "rnn_relu": _recurrent(_RNN),
    "mkldnn_rnn_layer": _one_recurrent_layer,
    "mkldnn_rnn_layer_backward": _one_recurrent_layer_backward,
    "_thnn_fused_lstm_cell": _fused_cell(_LSTM),
    "_thnn_fused_gru_cell": _fused_cell(_GRU),
}

QUALIFIED: dict[str, Rule] = {
    "quantized::linear": _quantized_linear,
    "quantized::linear_relu": _quantized_linear,
    "quantized::linear_dynamic": _quantized_linear,
    "quantized::linear_relu_dynamic": _quantized_linear,
    "higher_order::flex_attention": _attention,
}
"""Contractions of other namespaces than `aten`."""
