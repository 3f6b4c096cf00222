"""What each operation costs, as a formula on shapes: one table, no torch objects.

A rule takes the operation's arguments by their schema names, every tensor replaced by its shape
(a list of tensors by a tuple of shapes), and the shapes of its results; it returns `Work`.

Counting semantics
  - `macs`: one per multiply-accumulate of a convolution, matrix product, attention product,
    recurrent cell or bilinear form. Nothing else: no bias, norm, activation or pooling.
  - `madds`: every multiplication and every addition, each one; a subtraction counts as an
    addition; a division, a comparison, or one evaluation of an elementary function (exp, erf,
    sqrt, sin, …) counts as one operation.
  - A sum of n terms is n - 1 additions, so an output element that contracts over n products
    costs n multiplications and n - 1 additions, and one more with a bias.
  - Scalars a layer computes once per row or channel (the 1/sqrt(var + eps) of a norm) are left
    out, as everywhere in the field.
  - Padding is multiplied like any other value; attention counts its whole score matrix, causal
    or not, whichever kernel runs it.
docs/metrics.md has the same in prose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2, prod
from typing import Any, NamedTuple

Shape = Sequence[int]
Arguments = Mapping[str, Any]


class Work(NamedTuple):
    """Multiply-accumulates of contractions, and all multiplications and additions."""

    macs: int
    madds: int


NOTHING = Work(0, 0)
Rule = Callable[[Arguments, Sequence[Shape]], Work]


# Contractions -----------------------------------------------------------------------------------


def contraction(outputs: int, depth: int, *, bias: bool = False) -> Work:
    """`outputs` elements, each the sum of `depth` products: n mul, n - 1 add, + 1 for a bias."""
    if depth == 0 or outputs == 0:
        return Work(0, outputs if bias else 0)
    return Work(outputs * depth, outputs * (2 * depth - 1 + bias))


def _product(left: str, *, added: bool = False) -> Rule:
    """A matrix product whose inner dimension is the last one of the argument `left`."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        return contraction(prod(out[0]), arg[left][-1] if arg[left] else 1, bias=added)

    return rule


def _linear(arg: Arguments, out: Sequence[Shape]) -> Work:
    return contraction(prod(out[0]), arg["input"][-1], bias=arg["bias"] is not None)


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
    return _total(inner, final)


def _trilinear(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`aten::_trilinear`, the form `nn.Bilinear` takes under autograd.

    i1 is (B, 1, I1, 1), i2 the weight (1, O, I1, I2), i3 (B, 1, 1, I2), with 1 where expanded.
    """
    _, _, first, second = arg["i2"]
    outputs = prod(out[0])
    return _total(contraction(outputs * second, first), contraction(outputs, second))


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
            work = _total(work, Work(products, max(2 * products - prod(arg[target]), 0)))
    if wanted[2]:
        channels = arg["grad_output"][1]
        work = _total(work, Work(0, prod(arg["grad_output"]) - channels))
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
    return _total(scores, scaling, _softmax_rows(queries, keys), values)


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
                work = _total(work, contraction(tokens * rows, columns))
            else:
                work = _total(work, Work(0, tokens * parameter[0]))
        return _total(work, Work(0, tokens * cell.pointwise * _hidden_units(cell, arg["params"])))

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


# Norms, softmax, pooling, interpolation ---------------------------------------------------------

_STATISTICS = 4
"""Per element: an addition for the mean; a subtraction, a square, an addition for the variance."""
_NORMALISE = 2
"""Per element: minus the mean, times 1/sqrt(var + eps)."""


def _norm(statistics: Callable[[Arguments], bool]) -> Rule:
    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        affine = sum(arg.get(name) is not None for name in ("weight", "bias"))
        per_element = _NORMALISE + affine + (_STATISTICS if statistics(arg) else 0)
        return Work(0, prod(out[0]) * per_element)

    return rule


def _rms_norm(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Per element: a square, an addition, a multiplication, and one by the weight."""
    return Work(0, prod(out[0]) * (3 + (arg.get("weight") is not None)))


def _norm_backward(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Per element 8 for dx = w·s·(dy - mean(dy) - x̂·mean(dy·x̂)), 3 for Σ dy·x̂ and Σ dy."""
    return Work(0, 11 * prod(out[0]))


def _softmax_rows(rows: int, n: int) -> Work:
    """Of n elements: n - 1 comparisons, n subtractions, n exp, n - 1 additions, n divisions."""
    return Work(0, rows * (5 * n - 2) if n else 0)


def _softmax(arg: Arguments, out: Sequence[Shape]) -> Work:
    n = out[0][arg["dim"]] if out[0] else 1
    return _softmax_rows(prod(out[0]) // max(n, 1), n)


def _log_softmax(arg: Arguments, out: Sequence[Shape]) -> Work:
    """As softmax, with one log a row and a subtraction an element instead of the division."""
    n = out[0][arg["dim"]] if out[0] else 1
    return Work(0, prod(out[0]) // max(n, 1) * (5 * n - 1))


def _pool(dimensions: int, *, average: bool) -> Rule:
    """A window of k values: k - 1 comparisons or additions, and a division for the mean."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        sides = arg["kernel_size"]
        window = sides[0] ** dimensions if len(sides) == 1 else prod(sides)
        return Work(0, prod(out[0]) * (window - 1 + average))

    return rule


def _adaptive_pool(*, average: bool) -> Rule:
    """The windows cover the input once: inputs - outputs, and a division an output for the mean."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        inputs, outputs = prod(next(iter(arg.values()))), prod(out[0])
        return Work(0, max(inputs - outputs, 0) + (outputs if average else 0))

    return rule


def _interpolation(neighbours: int) -> Rule:
    """A weighted sum of `neighbours` inputs an output; the weights are shared and left out."""
    return per_output(2 * neighbours - 1)


# Element by element, reductions, transforms -----------------------------------------------------


def per_output(operations: int) -> Rule:
    """`operations` multiplications and additions for every element of the first result."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        return Work(0, operations * prod(out[0])) if out else NOTHING

    return rule


def _per_input(operations: int, *, less_outputs: bool = False) -> Rule:
    """`operations` for every element of the first argument, less one an output where asked."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        first = next(iter(arg.values()))
        inputs = sum(map(prod, first)) if first and not isinstance(first[0], int) else prod(first)
        outputs = prod(out[0]) if less_outputs and out else 0
        return Work(0, max(operations * inputs - outputs, 0))

    return rule


def _extremum(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`max(x)` and `max(x, dim)` reduce; `max(x, other)` compares element by element."""
    if arg.get("other") is not None:
        return Work(0, prod(out[0]))
    return Work(0, max(prod(arg["self"]) - prod(out[0]), 0))


def _scaled_addition(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`self + alpha · other`: the multiplication is there only where alpha is not 1."""
    return Work(0, prod(out[0]) * (1 if arg.get("alpha", 1) == 1 else 2))


def _gelu(arg: Arguments, out: Sequence[Shape]) -> Work:
    """½·x·(1 + erf(x/√2)) is 5; with tanh, ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) is 9."""
    return Work(0, prod(out[0]) * (9 if arg.get("approximate") == "tanh" else 5))


def _power(arg: Arguments, out: Sequence[Shape]) -> Work:
    """A small whole exponent n is n - 1 multiplications, any other one elementary function."""
    exponent = arg.get("exponent")
    whole = isinstance(exponent, (int, float)) and exponent in (2, 3, 4)
    return Work(0, prod(out[0]) * (int(exponent) - 1 if whole and exponent else 1))


def _dropout(arg: Arguments, out: Sequence[Shape]) -> Work:
    """In training a mask and a scale, one multiplication each; otherwise nothing."""
    return Work(0, 2 * prod(out[0])) if arg.get("train") else NOTHING


def _fft(arg: Arguments, out: Sequence[Shape]) -> Work:
    """5·N·log₂N real operations for a complex transform of N points, half for a real one.

    The convention of the FFTW benchmarks, https://www.fftw.org/speed/method.html.
    """
    source = max(arg["self"], out[0], key=prod)
    points = prod(source[dim] for dim in arg["dim"])
    if points < 2:
        return NOTHING
    complex_work = 5 * prod(source) * log2(points)
    real = tuple(arg["self"]) != tuple(out[0])
    return Work(0, round(complex_work / 2 if real else complex_work))


def _total(*parts: Work) -> Work:
    return Work(sum(part.macs for part in parts), sum(part.madds for part in parts))


def _always(_: Arguments) -> bool:
    return True


def _never(_: Arguments) -> bool:
    return False


def _when_training(arg: Arguments) -> bool:
    """Of a batch norm: in training, and without running statistics, it computes its own."""
    return bool(arg.get("training", True)) or arg.get("running_mean") is None


def _instance_statistics(arg: Arguments) -> bool:
    return bool(arg["use_input_stats"])


_ATTENTION_KERNELS = (
    "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)

_CONTRACTIONS: dict[str, Rule] = {
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
    **{f"{name}_backward": _attention_backward for name in _ATTENTION_KERNELS[1:]},
    "lstm": _recurrent(_LSTM),
    "gru": _recurrent(_GRU),
    "rnn_tanh": _recurrent(_RNN),
    "rnn_relu": _recurrent(_RNN),
}

_NORMS_AND_POOLS: dict[str, Rule] = {
    "batch_norm": _norm(_when_training),
    "native_batch_norm": _norm(_when_training),
    "cudnn_batch_norm": _norm(_when_training),
    "_native_batch_norm_legit": _norm(_when_training),
    "_native_batch_norm_legit_no_training": _norm(_never),
    "_batch_norm_with_update": _norm(_always),
    "_batch_norm_no_update": _norm(_never),
    "instance_norm": _norm(_instance_statistics),
    "layer_norm": _norm(_always),
    "native_layer_norm": _norm(_always),
    "group_norm": _norm(_always),
    "native_group_norm": _norm(_always),
    "rms_norm": _rms_norm,
    "_fused_rms_norm": _rms_norm,
    "native_layer_norm_backward": _norm_backward,
    "native_batch_norm_backward": _norm_backward,
    "native_group_norm_backward": _norm_backward,
    "cudnn_batch_norm_backward": _norm_backward,
    "batch_norm_backward": _norm_backward,
    "_fused_rms_norm_backward": _norm_backward,
    "softmax": _softmax,
    "_softmax": _softmax,
    "_safe_softmax": _softmax,
    "log_softmax": _log_softmax,
    "_log_softmax": _log_softmax,
    "_softmax_backward_data": per_output(4),
    "_log_softmax_backward_data": per_output(4),
    **{f"max_pool{n}d": _pool(n, average=False) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _pool(n, average=False) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _pool(n, average=True) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive_pool(average=True) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive_pool(average=True) for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive_pool(average=False) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices_backward": _per_input(1) for n in (2, 3)},
    **{f"avg_pool{n}d_backward": per_output(1) for n in (2, 3)},
    **{f"_adaptive_avg_pool{n}d_backward": per_output(1) for n in (2, 3)},
    "upsample_linear1d": _interpolation(2),
    "upsample_bilinear2d": _interpolation(4),
    "_upsample_bilinear2d_aa": _interpolation(4),
    "upsample_trilinear3d": _interpolation(8),
    "upsample_bicubic2d": _interpolation(16),
    "_upsample_bicubic2d_aa": _interpolation(16),
    "grid_sampler": _interpolation(4),
    "grid_sampler_2d": _interpolation(4),
    "grid_sampler_3d": _interpolation(8),
}

_REDUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(
        ("sum", "nansum", "prod", "amax", "amin", "aminmax", "any", "all", "argmax", "argmin",
         "count_nonzero"),
        _per_input(1, less_outputs=True),
    ),
    "max": _extremum,
    "min": _extremum,
    **dict.fromkeys(("mean", "nanmean", "cumsum", "cumprod", "logcumsumexp", "cummax", "cummin",
                     "median"), _per_input(1)),
    **dict.fromkeys(("norm", "linalg_vector_norm", "logsumexp"), _per_input(2)),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), _per_input(_STATISTICS)),
    "dist": _per_input(3),
    "embedding_bag": _per_input(1),
    "_embedding_bag": _per_input(1),
    "embedding_dense_backward": _per_input(1),
    "col2im": _per_input(1),
    **dict.fromkeys(("index_add", "scatter_add", "scatter_reduce", "index_reduce"),
                    lambda arg, out: Work(0, prod(arg.get("source", arg.get("src"))))),
    **dict.fromkeys(("_fft_c2c", "_fft_r2c", "_fft_c2r"), _fft),
    "nll_loss": _per_input(1),
    "nll_loss_forward": _per_input(1),
    "nll_loss2d_forward": _per_input(1),
    "nll_loss_backward": per_output(1),
}  # fmt: skip

_ELEMENT_WISE: dict[str, Rule] = {
    "add": _scaled_addition,
    "sub": _scaled_addition,
    "rsub": _scaled_addition,
    "gelu": _gelu,
    "pow": _power,
    "dropout": _dropout,
    "native_dropout": per_output(2),
    **{
        name: per_output(operations)
        for operations, names in {
            0: ("where", "masked_fill", "bitwise_not", "logical_not", "logical_and", "logical_or",
                "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "__and__", "__or__",
                "__xor__", "positive", "fill", "real", "imag", "view_as_real"),
            2: ("silu", "leaky_relu", "prelu", "relu6", "hardtanh", "clamp", "addcmul", "glu",
                "log_sigmoid", "xlogy", "softshrink", "hardshrink"),
            3: ("elu", "celu", "softplus", "hardsigmoid", "lerp", "addcdiv", "mse_loss"),
            4: ("hardswish", "selu", "silu_backward"),
            5: ("mish",),
            10: ("gelu_backward",),
        }.items()
        for name in names
    },
}  # fmt: skip

RULES: Mapping[str, Rule] = {
    f"aten::{name}": rule
    for table in (_ELEMENT_WISE, _REDUCTIONS, _NORMS_AND_POOLS, _CONTRACTIONS)
    for name, rule in table.items()
}
"""Operation → formula. An in-place form (`aten::add_`) uses the rule of the other (`aten::add`)."""

MOVEMENT: frozenset[str] = frozenset(
    f"aten::{name}"
    for name in (
        # New values from none.
        "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided",
        "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like",
        "new_full", "arange", "linspace", "logspace", "eye", "tril_indices", "triu_indices",
        "scalar_tensor", "zero", "one_hot", "rand", "rand_like", "randn", "randn_like", "randint",
        "randint_like", "randperm", "bernoulli", "uniform", "normal", "random", "exponential",
        "multinomial", "set_data", "lift", "lift_fresh", "lift_fresh_copy",
        # The same values elsewhere.
        "clone", "contiguous", "copy", "_to_copy", "to", "type_as", "_reshape_copy", "reshape",
        "flatten", "cat", "concat", "stack", "hstack", "vstack", "repeat", "tile",
        "repeat_interleave", "expand_copy", "roll", "flip", "rot90", "tril", "triu", "pad",
        "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
        "replication_pad1d", "replication_pad2d", "replication_pad3d", "_pad_circular",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "unfold_copy",
        "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
        "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
        "complex", "conj_physical", "resolve_conj", "resolve_neg", "diag_embed", "block_diag",
        "meshgrid", "cartesian_prod", "split_copy", "chunk_copy", "narrow_copy", "slice_scatter",
        "select_scatter", "diagonal_scatter", "as_strided_scatter", "slice_backward",
        "select_backward", "unfold_backward", "resize", "set", "detach_copy",
        # Chosen by an index or a mask.
        "embedding", "embedding_renorm", "index", "index_select", "index_copy", "index_fill",
        "index_put", "_index_put_impl", "_unsafe_index", "_unsafe_index_put", "gather", "scatter",
        "take", "take_along_dim", "put", "masked_select", "masked_scatter", "nonzero",
        "_pack_padded_sequence", "_pad_packed_sequence",
        # Order: comparisons of keys, whose number depends on the values.
        "sort", "argsort", "topk", "kthvalue", "msort", "unique", "_unique", "_unique2",
        "unique_dim", "unique_consecutive", "searchsorted", "bucketize", "bincount", "histc",
        # Questions whose answer is no tensor.
        "_local_scalar_dense", "is_nonzero", "item", "equal", "allclose", "is_same_size",
    )
)  # fmt: skip
"""Operations that move values and compute none."""

READ_AS_MUCH_AS_RETURNED: Mapping[str, str] = {
    "aten::embedding": "weight",
    "aten::index": "self",
    "aten::_unsafe_index": "self",
    "aten::index_select": "self",
    "aten::gather": "self",
    "aten::take": "self",
    "aten::take_along_dim": "self",
}
"""Lookups: operation → the argument of which only the rows that come out are read."""

WRITTEN_ONLY: Mapping[str, str] = {
    "aten::copy_": "self",
    "aten::fill_": "self",
    "aten::zero_": "self",
    "aten::uniform_": "self",
    "aten::normal_": "self",
    "aten::bernoulli_": "self",
    "aten::random_": "self",
    "aten::exponential_": "self",
}
"""In-place operations that do not look at what they overwrite."""

WRITTEN_IN_PART: Mapping[str, str] = {
    "aten::index_put_": "values",
    "aten::index_copy_": "source",
    "aten::index_add_": "source",
    "aten::scatter_": "index",
    "aten::scatter_add_": "index",
    "aten::scatter_reduce_": "index",
    "aten::masked_scatter_": "source",
}
"""In-place operations that touch only as many elements of `self` as this argument has."""
