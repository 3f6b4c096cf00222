"""Attention in training: one kernel on meta tensors where it is one on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F


class Attending(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.qkv, self.options = nn.Linear(16, 48), options

    def forward(self, x):
        parts = self.qkv(x).view(*x.shape[:2], 3, 2, 8).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(*parts.unbind(0), **self.options)


OPTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "scaled": {"scale": 0.5},
    "dropout": {"dropout_p": 0.1},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_training_costs_on_meta_what_it_costs_on_a_cpu(name, on):
    x = torch.rand(2, 5, 16)
    meta, real = (
        on(device, Attending(**OPTIONS[name]), x, mode="train") for device in ("meta", "cpu")
    )
    # Two heads of 5 × 5 × 8 products a sample: two forward, four backward. The layer's own 10 × 48
    # of 16 are made forward and for the weight.
    assert meta.cost.macs == 6 * 2 * 2 * 25 * 8 + 2 * 10 * 48 * 16
    assert meta.cost.macs == real.cost.macs
    assert meta.cost.uncounted == real.cost.uncounted == {}
    if name != "dropout":
        assert meta.cost == real.cost


def test_a_mask_in_training(on):
    mask = torch.zeros(5, 5)

    class Masked(Attending):
        def forward(self, x, mask):
            self.options = {"attn_mask": mask}
            return super().forward(x)

    meta, real = (
        on(device, Masked(), torch.rand(2, 5, 16), mask, mode="train") for device in ("meta", "cpu")
    )
    assert meta.cost == real.cost
