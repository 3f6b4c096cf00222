"""The peak of live storages against what the CPU's allocator really did."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from reporter.profile.activations import LiveStorages


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        parts = self.qkv(self.norm(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = (part.transpose(1, 2) for part in parts.unbind(2))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Attention(32, 4) for _ in range(2))
        self.grow, self.shrink = nn.Linear(32, 128), nn.Linear(128, 32)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x + self.shrink(F.gelu(self.grow(x)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x):
        return F.relu(x + self.right(F.relu(self.left(x), inplace=True)))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())


def allocated_peak_bytes(model: nn.Module, source: torch.Tensor) -> int:
    """The largest running sum of the allocator's own events during a forward."""
    with torch.inference_mode():
        model(source)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            result = model(source)
    events = recorded.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    del result
    return peak


CASES = {
    "mlp": (mlp, (8, 16)),
    "residual": (Residual, (8, 16)),
    "transformer": (Transformer, (2, 10, 32)),
}


@pytest.mark.parametrize("name", CASES)
def test_peak_equals_the_allocators(name, on):
    make, shape = CASES[name]
    model, source = make().eval(), torch.rand(*shape)
    real = source.nbytes + allocated_peak_bytes(model, source)
    assert on("cpu", model, source).cost.activation_peak_bytes == real
    assert on("meta", model, source).cost.activation_peak_bytes == real


def test_peak_of_two_layers_by_hand(on):
    # 8 rows: the input of 16, then 64, then 32 values. The input stays; of the two layers' results
    # at most 64 (linear) with 64 (relu) live together: (16 + 64 + 64)·8·4.
    assert on("meta", mlp(), torch.zeros(8, 16)).cost.activation_peak_bytes == 144 * 8 * 4


def test_training_keeps_what_the_backward_needs(on):
    inference, training = (
        on("meta", mlp(), torch.zeros(8, 16), mode=mode).cost.activation_peak_bytes
        for mode in ("inference", "train")
    )
    # Input, both hidden results (a ReLU saves its result) and both outputs are alive at the end.
    assert training >= (16 + 64 + 32 + 32) * 8 * 4
    assert training > inference


def test_storages_count_once_and_until_they_are_freed():
    weight, x = torch.zeros(10), torch.zeros(25)
    storages = LiveStorages(excluded=[weight])
    for tensor in (weight, weight[2:], x, x[5:], x.view(5, 5)):
        storages.add(tensor)
    assert storages.live_bytes == 100
    y = torch.zeros(5)
    storages.add(y)
    del x, tensor
    assert (storages.live_bytes, storages.peak_bytes) == (20, 120)
