"""The backward's cost belongs to the module whose forward it differentiates."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


def t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


def by_path(counted):
    return {layer.path: layer for layer in counted.layers}


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_each_layer_has_its_own_gradients(device, on):
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    layers = by_path(on(device, model, t(4, 8), mode="train"))
    # Products of 4·6·8: forward and weight. Of 4·3·6: forward, weight and input.
    assert layers["0"].macs == 2 * 4 * 6 * 8
    assert layers["2"].macs == 3 * 4 * 3 * 6
    # A comparison an element forward, another backward.
    assert layers["1"].madds == 2 * 4 * 6
    figures = ("macs", "madds", "read_bytes", "write_bytes")
    for figure in figures:
        children = sum(getattr(layers[path], figure) for path in ("0", "1", "2"))
        assert getattr(layers[""], figure) == children


def test_functions_between_modules_belong_to_their_parent(on):
    class Between(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(t(8, 8))
            self.inner = nn.Sequential(nn.Linear(8, 8))

        def forward(self, x):
            return F.linear(self.inner(F.linear(x, self.weight)), self.weight)

    layers = by_path(on("meta", nn.Sequential(Between()), t(4, 8), mode="train"))
    square = 4 * 8 * 8
    assert layers["0.inner"].macs == layers["0.inner.0"].macs == 3 * square
    # Forward twice, the weight's gradient twice, the input's once: x needs none.
    assert layers["0"].macs - layers["0.inner"].macs == 5 * square
    assert layers[""].macs == layers["0"].macs


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_what_a_checkpoint_computes_again_belongs_to_what_it_runs(device, reentrant, on):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return checkpoint(self.second, self.first(x), use_reentrant=reentrant)

    layers = by_path(on(device, Checkpointed(), t(4, 8), mode="train"))
    square = 4 * 8 * 8
    assert layers["first"].macs == 2 * square
    # Forward, weight and input, and forward again; but the checkpoint that is not reentrant stops
    # as soon as it has what the backward needs, here the product's own arguments.
    again = 1 if reentrant else 0
    assert layers["second"].macs == (3 + again) * square
    assert layers[""].macs == (5 + again) * square


def test_a_module_called_twice_has_both_backwards(on):
    shared = nn.Linear(8, 8)
    layers = by_path(on("meta", nn.Sequential(shared, nn.ReLU(), shared), t(4, 8), mode="train"))
    assert layers["0"].macs == 5 * 4 * 8 * 8
    assert layers[""].macs == 5 * 4 * 8 * 8


def test_an_autograd_function_of_ones_own(on):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * x * 2

    class Squaring(nn.Module):
        def forward(self, x):
            return Square.apply(x)

    model = nn.Sequential(nn.Linear(8, 8), Squaring())
    layers = by_path(on("meta", model, t(4, 8), mode="train"))
    assert layers["1"].madds == 3 * 4 * 8


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_recurrent_and_attention_layers(device, on):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 8, batch_first=True)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            x = self.lstm(x)[0]
            return self.head(self.attention(x, x, x, need_weights=False)[0])

    layers = by_path(on(device, Both(), t(2, 5, 8), mode="train"))
    figures = ("macs", "madds", "read_bytes", "write_bytes")
    for figure in figures:
        children = sum(getattr(layers[path], figure) for path in ("lstm", "attention", "head"))
        assert getattr(layers[""], figure) == children
    assert layers["head"].macs == 3 * 10 * 8 * 3
