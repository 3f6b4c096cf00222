"""Each operation to its module: sums over the tree, shared modules, repeated calls."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reporter.profile.count import count
from reporter.profile.tensors import Arguments

FIGURES = ("macs", "madds", "read_bytes", "write_bytes")


def t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


def by_path(counted):
    return {layer.path: layer for layer in counted.layers}


class Block(nn.Module):
    """Its children one after another, and `own` additions of its own on 4 × 8 values."""

    def __init__(self, children: list[nn.Module], own: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(children)
        self.own = own

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.parts:
            x = part(x)
        for _ in range(self.own):
            x = x + 1
        return x


leaves = st.builds(lambda bias: nn.Linear(8, 8, bias=bias), st.booleans()) | st.builds(nn.ReLU)
trees = st.recursive(
    leaves,
    lambda below: st.builds(Block, st.lists(below, max_size=3), st.integers(0, 2)),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(trees, min_size=1, max_size=3), st.integers(0, 3))
def test_a_parent_is_its_children_and_its_own_operations(children, own):
    model = Block(children, own).to("meta")
    counted = count(model, Arguments((torch.empty(4, 8, device="meta"),), {}), "inference")
    layers = by_path(counted)
    for path, module in model.named_modules():
        if not isinstance(module, Block):
            continue
        prefix = f"{path}.parts." if path else "parts."
        below = [layers[f"{prefix}{index}"] for index in range(len(module.parts))]
        of_own = {"macs": 0, "madds": 32, "read_bytes": 128, "write_bytes": 128}
        for figure in FIGURES:
            total = sum(getattr(each, figure) for each in below) + module.own * of_own[figure]
            assert getattr(layers[path], figure) == total
    for figure in FIGURES:
        assert getattr(layers[""], figure) == getattr(counted.cost, figure)


def test_a_shared_module_counts_where_it_is_called_through(on):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.Linear(8, 8)
            self.first = nn.Sequential(layer)
            self.second = nn.Sequential(layer, layer)

        def forward(self, x):
            return self.second(self.first(x))

    counted = on("meta", Shared(), t(4, 8))
    layers = by_path(counted)
    assert layers["first"].macs == layers["first.0"].macs == 4 * 8 * 8
    assert layers["second"].macs == 2 * 4 * 8 * 8
    assert layers[""].macs == 3 * 4 * 8 * 8
    assert counted.cost.params == layers[""].params == 8 * 8 + 8


def test_calls_and_the_shapes_of_the_first(on):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x, *, scale):
            return {"a": self.linear(x), "b": self.linear(x[:2]) * scale}

    layers = by_path(on("meta", Twice(), t(4, 8), scale=t(8)))
    assert layers["linear"].calls == 2
    assert layers["linear"].macs == (4 + 2) * 64
    assert (layers["linear"].input_shapes, layers["linear"].output_shapes) == (((4, 8),),) * 2
    assert layers[""].input_shapes == ((4, 8), (8,))
    assert layers[""].output_shapes == ((4, 8), (2, 8))


def test_a_module_that_is_never_called_still_has_its_parameters(on):
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.used(x)

    unused = by_path(on("meta", Unused(), t(4, 8)))["unused"]
    assert (unused.calls, unused.macs, unused.params) == (0, 0, 8 * 3 + 3)


def test_a_module_made_during_the_forward_belongs_to_its_caller(on):
    class Making(nn.Module):
        def forward(self, x):
            return nn.Linear(8, 8)(x)

    model = nn.Sequential(Making())
    layers = by_path(on("cpu", model, t(4, 8)))
    assert layers["0"].macs == 4 * 64
    assert list(layers) == ["", "0"]


def test_a_submodule_that_raises_leaves_the_next_one_in_its_place(on):
    class Failing(nn.Module):
        def forward(self, x):
            return x @ x

    class Catching(nn.Module):
        def __init__(self):
            super().__init__()
            self.failing, self.linear = Failing(), nn.Linear(8, 8)

        def forward(self, x):
            try:
                x = self.failing(x)
            except RuntimeError:
                x = x + 1
            return self.linear(x)

    layers = by_path(on("meta", Catching(), t(4, 8)))
    assert layers["failing"].madds == 0
    assert layers["linear"].macs == layers[""].macs == 4 * 64
    assert layers[""].madds == layers["linear"].madds + 32
