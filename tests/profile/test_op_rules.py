"""Every family of operations through real torch calls, against formulas worked out here."""

from __future__ import annotations

from math import log2

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reporter.profile.op_rules import RULES
from reporter.profile.op_rules.contractions import CONTRACTIONS
from reporter.profile.op_rules.elements import ELEMENTS
from reporter.profile.op_rules.layers import LAYERS
from reporter.profile.op_rules.traffic import MOVEMENT


def t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


def product(outputs: int, depth: int, bias: int = 0) -> tuple[int, int]:
    """`depth` multiplications and `depth - 1` additions an output; one more with a bias."""
    return outputs * depth, outputs * (depth + depth - 1 + bias)


def both(*parts: tuple[int, int]) -> tuple[int, int]:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


PRODUCTS = {
    # (3, 4) by (4, 5): 15 sums of 4 products.
    "mm": (torch.mm, (t(3, 4), t(4, 5)), product(15, 4)),
    "bmm": (torch.bmm, (t(2, 3, 4), t(2, 4, 5)), product(30, 4)),
    "mv": (torch.mv, (t(5, 6), t(6)), product(5, 6)),
    "dot": (torch.dot, (t(6), t(6)), product(1, 6)),
    "inner": (torch.inner, (t(2, 3), t(4, 3)), product(8, 3)),
    "outer": (torch.outer, (t(3), t(5)), (0, 15)),
    "addmm": (torch.addmm, (t(5), t(3, 4), t(4, 5)), product(15, 4, 1)),
    "addmv": (torch.addmv, (t(5), t(5, 6), t(6)), product(5, 6, 1)),
    "baddbmm": (torch.baddbmm, (t(2, 3, 5), t(2, 3, 4), t(2, 4, 5)), product(30, 4, 1)),
    # The batch of 2 is summed over: 15 outputs of 2·4 products.
    "addbmm": (torch.addbmm, (t(3, 5), t(2, 3, 4), t(2, 4, 5)), product(15, 8, 1)),
    "matmul_broadcast": (torch.matmul, (t(2, 3, 4, 5), t(5, 6)), product(2 * 3 * 4 * 6, 5)),
    "matmul_vector": (torch.matmul, (t(5), t(2, 5, 6)), product(12, 5)),
    "at_operator": (lambda a, b: a @ b, (t(3, 4), t(4, 5)), product(15, 4)),
    "linear_1d": (F.linear, (t(4), t(5, 4), t(5)), product(5, 4, 1)),
    "linear_2d": (F.linear, (t(3, 4), t(5, 4)), product(15, 4)),
    "linear_3d": (F.linear, (t(2, 3, 4), t(5, 4), t(5)), product(30, 4, 1)),
    "linear_4d": (F.linear, (t(2, 3, 6, 4), t(5, 4), t(5)), product(180, 4, 1)),
    "einsum_2": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), (t(2, 3, 4), t(2, 4, 5)),
                 product(30, 4)),
    # Left to right: (3, 4)(4, 5), then (3, 5)(5, 6).
    "einsum_3": (lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c),
                 (t(3, 4), t(4, 5), t(5, 6)), both(product(15, 4), product(18, 5))),
    "einsum_outer": (lambda a, b: torch.einsum("i,j->ij", a, b), (t(3), t(5)), (0, 15)),
    "tensordot": (lambda a, b: torch.tensordot(a, b, dims=2), (t(2, 3, 4), t(3, 4, 5)),
                  product(10, 12)),
    "multi_dot": (lambda a, b: torch.linalg.multi_dot([a, b]), (t(3, 4), t(4, 5)), product(15, 4)),
    # Two groups of rows (T = 6, K = 16) by (2, 16, 8): every row meets one matrix.
    "grouped_mm": (
        lambda a, b, ends: torch._grouped_mm(a.bfloat16(), b.bfloat16(), ends),
        (t(6, 16), t(2, 16, 8), torch.tensor([2, 6], dtype=torch.int32)), product(48, 16)),
    # For each of 2·5 outputs: 4 sums of 3 products, then one of 4 products and the bias.
    "bilinear": (F.bilinear, (t(2, 3), t(2, 4), t(5, 3, 4), t(5)),
                 both(product(2 * 5 * 4, 3), product(2 * 5, 4, 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, calling, everywhere):
    function, args, expected = PRODUCTS[name]
    cost = everywhere(calling(function), *args).cost
    assert (cost.macs, cost.madds, cost.uncounted) == (*expected, {})


CONVOLUTIONS = {
    # Outputs (N·Cout·pixels) of Cin/groups·kernel products each.
    "1d_batch": (nn.Conv1d(4, 6, 3), t(3, 4, 10), product(3 * 6 * 8, 4 * 3, 1)),
    "2d": (nn.Conv2d(3, 8, 3, padding=1, bias=False), t(1, 3, 8, 8), product(8 * 64, 27)),
    "2d_stride": (nn.Conv2d(3, 8, 3, stride=2), t(1, 3, 9, 9), product(8 * 16, 27, 1)),
    "2d_unbatched": (nn.Conv2d(3, 4, 3), t(3, 8, 8), product(4 * 36, 27, 1)),
    # (9 - 2·2 - 1) / 1 + 1 = 5 pixels a side.
    "2d_dilated": (nn.Conv2d(3, 4, 3, dilation=2), t(1, 3, 9, 9), product(4 * 25, 27, 1)),
    "2d_groups": (nn.Conv2d(8, 12, 3, groups=4), t(1, 8, 6, 6), product(12 * 16, 2 * 9, 1)),
    "2d_depthwise": (nn.Conv2d(8, 8, 3, groups=8), t(1, 8, 6, 6), product(8 * 16, 9, 1)),
    "2d_same": (nn.Conv2d(3, 4, 3, padding="same"), t(1, 3, 8, 8), product(4 * 64, 27, 1)),
    "3d": (nn.Conv3d(2, 4, 3), t(1, 2, 5, 5, 5), product(4 * 27, 2 * 27, 1)),
    # Each input element meets Cout·kernel weights: P products that end in N sums cost P - N
    # additions. 4·5·5 inputs, 6·9 weights, 6·7·7 outputs and as many biases.
    "transposed_2d": (nn.ConvTranspose2d(4, 6, 3), t(1, 4, 5, 5),
                      (100 * 54, 2 * 100 * 54 - 294 + 294)),
    "transposed_groups": (nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), t(1, 4, 5, 5),
                          (100 * 27, 2 * 100 * 27 - 294)),
    "transposed_stride_1d": (nn.ConvTranspose1d(4, 2, 2, stride=2, bias=False), t(1, 4, 5),
                             (20 * 4, 2 * 20 * 4 - 20)),
    "transposed_3d": (nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False), t(1, 2, 2, 2, 2),
                      (16 * 24, 2 * 16 * 24 - 3 * 64)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, everywhere):
    model, source, expected = CONVOLUTIONS[name]
    cost = everywhere(model, source).cost
    assert (cost.macs, cost.madds, cost.uncounted) == (*expected, {})


def attention(heads: int, queries: int, keys: int, width: int, mask: int = 0) -> tuple[int, int]:
    """Q Kᵀ, a scale and perhaps a mask, softmax (5n - 2 a row of n), and the mean of V."""
    rows = heads * queries
    softmax = (0, rows * (5 * keys - 2))
    scale = (0, rows * keys * (1 + mask))
    return both(product(rows * keys, width), scale, softmax, product(rows * width, keys))


@pytest.mark.parametrize(
    ("options", "key_heads", "expected"),
    [
        ({}, 4, attention(2 * 4, 6, 10, 8)),
        ({"is_causal": True}, 4, attention(2 * 4, 6, 10, 8)),
        ({"attn_mask": t(6, 10)}, 4, attention(2 * 4, 6, 10, 8, mask=1)),
        ({"enable_gqa": True}, 2, attention(2 * 4, 6, 10, 8)),
    ],
    ids=["plain", "causal", "mask", "grouped-query"],
)
def test_attention(options, key_heads, expected, calling, everywhere):
    model = calling(F.scaled_dot_product_attention)
    query, key = t(2, 4, 6, 8), t(2, key_heads, 10, 8)
    cost = everywhere(model, query, key, key, **options).cost
    assert (cost.macs, cost.madds, cost.uncounted) == (*expected, {})


@pytest.mark.parametrize("need_weights", [False, True])
def test_multihead_attention(need_weights, everywhere):
    # Three projections and one back of 6 tokens, 16 → 16; 4 heads of width 4.
    projections = 4 * 6 * 16 * 16
    model = nn.MultiheadAttention(16, 4, batch_first=True)
    x = t(1, 6, 16)
    cost = everywhere(model, x, x, x, need_weights=need_weights).cost
    assert cost.macs == projections + 2 * 4 * 6 * 6 * 4
    assert cost.uncounted == {}


def test_multihead_attention_across_widths(everywhere):
    # Queries of width 16, 5 of them; keys of width 12 and values of width 10, 7 each.
    model = nn.MultiheadAttention(16, 4, kdim=12, vdim=10, batch_first=True)
    cost = everywhere(model, t(1, 5, 16), t(1, 7, 12), t(1, 7, 10), need_weights=False).cost
    projections = 5 * 16 * 16 + 7 * 12 * 16 + 7 * 10 * 16 + 5 * 16 * 16
    assert cost.macs == projections + 2 * 4 * 5 * 7 * 4


def test_encoder_layer_in_evaluation(everywhere):
    # The fused path of evaluation counts as its parts: 4·d² + 2·d·ff a token, and attention.
    model = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    cost = everywhere(model, t(2, 6, 16)).cost
    assert cost.macs == 12 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * (2 * 4 * 6 * 6 * 4)


GATES = {nn.LSTM: (4, 13), nn.GRU: (3, 11), nn.RNN: (1, 2)}


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(kind, directions, everywhere):
    # Two layers on 7·3 tokens, 8 → 5. Per token, layer and direction: gates·5 rows of the input
    # and of the state, two biases a row, and the cell's own operations a hidden unit.
    gates, pointwise = GATES[kind]
    model = kind(8, 5, num_layers=2, bidirectional=directions == 2)
    rows, tokens = gates * 5, 21
    layers = [8, 5 * directions]
    work = both(
        *(both(product(tokens * rows, width), product(tokens * rows, 5)) for width in layers)
    )
    element_wise = len(layers) * tokens * (2 * rows + pointwise * 5)
    cost = everywhere(model, t(7, 3, 8)).cost
    assert cost.macs == directions * work[0]
    assert cost.madds == directions * (work[1] + element_wise)


def test_lstm_with_projections(everywhere, recwarn):
    # The state that is fed back is 3 wide, and 5 → 3 is a product of its own.
    tokens, rows = 21, 20
    cost = everywhere(nn.LSTM(8, 5, proj_size=3), t(7, 3, 8)).cost
    assert cost.macs == tokens * (rows * 8 + rows * 3 + 3 * 5)


def test_packed_sequences_pay_for_real_tokens_only(on):
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 5)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
            return self.lstm(packed)[0].data

    # 7 + 5 + 2 tokens of 20 rows by 8 + 5 columns.
    cost = on("cpu", Packed(), t(7, 3, 8), torch.tensor([7, 5, 2])).cost
    assert cost.macs == 14 * 20 * 13
    assert cost.uncounted == {}


@pytest.mark.parametrize(
    ("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)], ids=str
)
def test_cells_in_a_loop(cell, gates, calling, everywhere):
    one = cell(8, 5)

    def unrolled(x):
        state = None
        for step in x:
            state = one(step, state)
        return state

    class Looped(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = one

        def forward(self, x):
            state = None
            for step in x:
                state = self.cell(step, state)
            return state

    # 6 steps of 3 samples.
    cost = everywhere(Looped(), t(6, 3, 8)).cost
    assert cost.macs == 6 * 3 * gates * 5 * (8 + 5)


N = 2 * 4 * 8 * 8  # elements of the input below

LAYERS_WITHOUT_PRODUCTS = {
    # minus the mean, times 1/σ, times γ, plus β.
    "batch_norm": (nn.BatchNorm2d(4), 4 * N),
    "batch_norm_plain": (nn.BatchNorm2d(4, affine=False), 2 * N),
    # Σx; x - µ, its square, Σ; then as above.
    "layer_norm": (nn.LayerNorm(8), 8 * N),
    "group_norm": (nn.GroupNorm(2, 4), 8 * N),
    "instance_norm": (nn.InstanceNorm2d(4), 6 * N),
    # x², Σ, times 1/rms, times γ.
    "rms_norm": (nn.RMSNorm(8), 4 * N),
    # Windows of 4: 3 comparisons; or 3 additions and a division.
    "max_pool": (nn.MaxPool2d(2), N // 4 * 3),
    "avg_pool": (nn.AvgPool2d(2), N // 4 * 4),
    # 8 means of 64: 63 additions and a division each.
    "adaptive_avg_pool": (nn.AdaptiveAvgPool2d(1), N),
    "adaptive_max_pool": (nn.AdaptiveMaxPool2d(2), N - 2 * 4 * 4),
    "fractional_max_pool": (nn.FractionalMaxPool2d(2, output_size=3), 2 * 4 * 9 * 3),
    # Rows of 8: 7 comparisons, 8 differences, 8 exp, 7 additions, 8 divisions.
    "softmax": (nn.Softmax(-1), N // 8 * 38),
    # … one log and 8 differences in place of the divisions.
    "log_softmax": (nn.LogSoftmax(-1), N // 8 * 39),
    # 4 neighbours: 4 products and 3 sums for each of 4·N results.
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), 4 * N * 7),
    "nearest": (nn.Upsample(scale_factor=2), 0),
    "relu": (nn.ReLU(), N),
    "gelu": (nn.GELU(), 5 * N),
    "gelu_tanh": (nn.GELU("tanh"), 9 * N),
    "silu": (nn.SiLU(), 2 * N),
    "hardswish": (nn.Hardswish(), 4 * N),
    "dropout_in_evaluation": (nn.Dropout(), 0),
    "pixel_shuffle": (nn.PixelShuffle(2), 0),
    "flatten": (nn.Flatten(), 0),
}


@pytest.mark.parametrize("name", LAYERS_WITHOUT_PRODUCTS)
def test_layers_without_products(name, everywhere):
    model, madds = LAYERS_WITHOUT_PRODUCTS[name]
    cost = everywhere(model, t(2, 4, 8, 8)).cost
    assert (cost.macs, cost.madds, cost.uncounted) == (0, madds, {})


FUNCTIONS = {
    "sum": (lambda x: x.sum(), N - 1),
    "floor_divide": (lambda x: x // 3, N),
    "is_all_true": (lambda x: torch.ops.aten._is_all_true(x > 0), N + N - 1),
    "mean": (lambda x: x.mean((2, 3)), (64 - 1 + 1) * 8),
    "max": (lambda x: x.amax(1), N - N // 4),
    "max_dim": (lambda x: x.max(1), N - N // 4),
    "argmax": (lambda x: x.argmax(1), N - N // 4),
    "var": (lambda x: x.var(1), 4 * N),
    # x², Σ of 4, a root: 4 + 3 + 1 for each of N/4.
    "norm": (lambda x: torch.linalg.vector_norm(x, dim=1), N // 4 * 8),
    "cumsum": (lambda x: x.cumsum(1), N),
    "add": (lambda x: x + x, N),
    "add_scaled": (lambda x: torch.add(x, x, alpha=2), 2 * N),
    "mul_broadcast": (lambda x: x[:, :1] * x, N),
    "square": (lambda x: x**2, N),
    "cube": (lambda x: x**3, 2 * N),
    "root": (lambda x: x**0.5, N),
    "rsqrt": (lambda x: x.rsqrt(), N),
    "clamp": (lambda x: x.clamp(0, 1), 2 * N),
    "where": (lambda x: torch.where(x > 0, x, x), N),
    "lerp": (lambda x: torch.lerp(x, x, 0.5), 3 * N),
    "in_place": (lambda x: (x + 1).relu_(), 2 * N),
    "embedding": (lambda x: F.embedding(torch.zeros(3, dtype=torch.long), x[0, 0]), 0),
    # 2 bags of 3 rows of 8: 2 additions an element, and a division.
    "embedding_bag": (
        lambda x: F.embedding_bag(torch.zeros(2, 3, dtype=torch.long), x[0, 0]), 2 * 8 * 3),
    "gather": (lambda x: x.gather(1, torch.zeros(2, 1, 8, 8, dtype=torch.long)), 0),
    "scatter_add": (
        lambda x: torch.zeros_like(x).scatter_add(1, torch.zeros(2, 4, 8, 8, dtype=torch.long), x),
        N),
    "topk": (lambda x: x.topk(2), 0),
    "cat": (lambda x: torch.cat([x, x]), 0),
    # 5·n·log₂n for n complex points: 64 of them, 8 times; half of it for a real signal of 8.
    "fft2": (lambda x: torch.fft.fft2(torch.complex(x, x)), round(8 * 5 * 64 * log2(64))),
    "rfft": (torch.fft.rfft, round(64 * 5 * 8 * log2(8) / 2)),
    # (x - y)² and the mean.
    "mse": (lambda x: F.mse_loss(x, x), 2 * N + N),
    "grid_sample": (
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 5, 2), align_corners=False), 2 * 4 * 25 * 7),
    # LAPACK: 8 matrices of side 8.
    "inverse": (lambda x: torch.linalg.inv(x + torch.eye(8)), N + 8 * 2 * 8**3),
    "cross": (lambda x: torch.linalg.cross(x[:, :3], x[:, :3], dim=1), 3 * 2 * 3 * 64),
    "cdist": (lambda x: torch.cdist(x[0, 0], x[0, 1]), 8 * 8 * 3 * 8),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_without_products(name, calling, everywhere):
    function, madds = FUNCTIONS[name]
    cost = everywhere(calling(function), t(2, 4, 8, 8)).cost
    assert (cost.macs, cost.madds, cost.uncounted) == (0, madds, {})


def test_dropout_in_training_draws_and_scales(on):
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Dropout(0.5))
    with_it = on("meta", model, t(4, 8), mode="train").cost.madds
    without = on("meta", model[:1], t(4, 8), mode="train").cost.madds
    # A mask and a scale forward; on the way back one or two multiplications for each of 32.
    assert 2 * 32 + 32 <= with_it - without <= 2 * 32 + 2 * 32


def test_flex_attention_counts_its_whole_score_matrix(calling, on):
    from torch.nn.attention.flex_attention import flex_attention

    query = t(1, 2, 16, 16)
    cost = on("cpu", calling(flex_attention), query, query, query).cost
    assert cost.macs == 2 * 16 * 16 * 16 * 2


def test_no_operation_has_two_rules_or_is_both_work_and_movement():
    families = [set(ELEMENTS), set(LAYERS), set(CONTRACTIONS)]
    assert len(set.union(*families)) == sum(map(len, families))
    assert not set(RULES) & set(MOVEMENT)


def test_every_rule_and_movement_is_an_operation_torch_knows():
    # A name with a slip in it would never be looked up.
    missing = [
        name
        for name in (*RULES, *MOVEMENT)
        if name.startswith("aten::") and not _known(name.removeprefix("aten::"))
    ]
    assert missing == []


def _known(name: str) -> bool:
    packets = torch.ops.aten
    return hasattr(packets, name) or hasattr(packets, f"{name}_")
