"""Small models on which counters are known to go wrong; the true count is a closed formula."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from reporter.profile.count import count
from reporter.profile.tensors import Arguments


def t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


LINEAR = 4 * 8 * 8  # one Linear(8, 8) on 4 rows
SQUARE = 8 * 8 + 8  # its parameters


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.embedding(ids))


class Two(nn.Module):
    """One layer under two names, each called."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x))


class Root(nn.Module):
    """A parameter on a module that has children, and a product with it."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(t(8, 8))
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x @ self.matrix)


class Explicit(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear.forward(x)


class Checkpointed(Explicit):
    def forward(self, x):
        return checkpoint(self.linear, x, use_reentrant=False)


class DerivedLinear(nn.Linear):
    pass


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(t(8, 8))

    def forward(self, x):
        return F.linear(x, self.weight)


@dataclass
class Result:
    logits: torch.Tensor
    note: str


class Outputs(Explicit):
    """Whatever a forward may return."""

    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.linear(x))


class Arguing(Explicit):
    def forward(self, batch, steps=1, *, scale):
        x = batch["features"]["x"]
        for _ in range(steps):
            x = self.linear(x)
        return x * scale


def frozen() -> nn.Module:
    return nn.Linear(8, 8).requires_grad_(False)


def with_buffer() -> nn.Module:
    model = nn.Linear(8, 8)
    model.register_buffer("table", t(100))
    return model


TRAPS = {
    # By name: how to make it, what to call it with, its multiply-accumulates, its parameters.
    "tied_weights": (Tied, (torch.zeros(4, dtype=torch.long),), 4 * 8 * 10, 80),
    "called_twice": (lambda: nn.Sequential(*[nn.Linear(8, 8)] * 2), (t(4, 8),), 2 * LINEAR, SQUARE),
    "shared_under_two_names": (Two, (t(4, 8),), 2 * LINEAR, SQUARE),
    "functional": (Functional, (t(4, 8),), LINEAR, 64),
    "parameter_on_non_leaf": (Root, (t(4, 8),), 2 * LINEAR, 64 + SQUARE),
    "frozen": (frozen, (t(4, 8),), LINEAR, SQUARE),
    "buffers": (with_buffer, (t(4, 8),), LINEAR, SQUARE),
    "bfloat16": (lambda: nn.Linear(8, 8).bfloat16(), (t(4, 8).bfloat16(),), LINEAR, SQUARE),
    "derived_class": (lambda: DerivedLinear(8, 8), (t(4, 8),), LINEAR, SQUARE),
    "checkpointed": (Checkpointed, (t(4, 8),), LINEAR, SQUARE),
    "explicit_forward": (Explicit, (t(4, 8),), LINEAR, SQUARE),
    "dict_result": (lambda: Outputs(lambda y: {"y": y, "n": 3}), (t(4, 8),), LINEAR, SQUARE),
    "dataclass_result": (lambda: Outputs(lambda y: Result(y, "")), (t(4, 8),), LINEAR, SQUARE),
    "no_result": (lambda: Outputs(lambda y: None), (t(4, 8),), LINEAR, SQUARE),
    "nested_tuple_result": (lambda: Outputs(lambda y: (y, [y])), (t(4, 8),), LINEAR, SQUARE),
    # A matrix of 8 by 8 whose norm is set by a vector of 8, and a bias.
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Linear(8, 8)), (t(4, 8),), LINEAR,
                    64 + 8 + 8),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_traps(name, everywhere):
    make, args, macs, params = TRAPS[name]
    cost = everywhere(make(), *args).cost
    assert (cost.macs, cost.params, cost.uncounted) == (macs, params, {})


def test_frozen_parameters_and_buffers_are_told_apart(on):
    model = nn.Sequential(frozen(), with_buffer())
    cost = on("meta", model, t(4, 8)).cost
    assert (cost.params, cost.trainable_params) == (2 * SQUARE, SQUARE)
    assert (cost.param_bytes, cost.buffers, cost.buffer_bytes) == (2 * SQUARE * 4, 100, 400)


def test_keyword_only_nested_and_plain_arguments(everywhere):
    batch = {"features": {"x": t(4, 8)}, "label": "cat"}
    cost = everywhere(Arguing(), batch, steps=5, scale=2.0).cost
    assert cost.macs == 5 * LINEAR


def test_lazy_layers_get_their_shapes_first(everywhere):
    # The first has 6 × 6 pixels by 4 channels of 27, the second takes its 144 values to 5.
    def model():
        return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(5))

    for device in ("meta", "cpu"):
        with torch.device(device):
            source = torch.zeros(1, 3, 8, 8)
            cost = count(model().eval(), Arguments((source,), {}), "inference").cost
        assert cost.macs == 36 * 4 * 27 + 144 * 5
        assert cost.params == 4 * 27 + 4 + 144 * 5 + 5
        # Input 768 B and the first result 576 B live together; weights are no activations.
        assert cost.activation_peak_bytes == 768 + 576 + 20


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_scripted_submodules(device):
    # A scripted module cannot be copied to meta with its hooks, so it is made there.
    with torch.device(device):
        scripted = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
        model, source = nn.Sequential(nn.Linear(8, 8), scripted), torch.zeros(4, 8)
        cost = count(model.eval(), Arguments((source,), {}), "inference").cost
    assert (cost.macs, cost.params, cost.uncounted) == (2 * LINEAR, 2 * SQUARE, {})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*global hooks on modules")
def test_compiled_modules_count_as_what_they_compile(on):
    compiled = torch.compile(nn.Linear(8, 8))
    cost = on("cpu", nn.Sequential(compiled, nn.ReLU()), t(4, 8)).cost
    assert (cost.macs, cost.params) == (LINEAR, SQUARE)


def test_an_autograd_function_of_ones_own(calling, everywhere):
    class Gram(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x @ x.mT

    cost = everywhere(calling(Gram.apply), t(4, 8)).cost
    assert cost.macs == 4 * 4 * 8


def test_functions_mapped_over_a_batch(calling, everywhere):
    cost = everywhere(calling(lambda x: torch.vmap(torch.dot)(x, x)), t(4, 8)).cost
    assert cost.macs == 4 * 8


def test_no_parameters_at_all(calling, everywhere):
    cost = everywhere(calling(lambda x: x @ x.mT), t(4, 8)).cost
    assert (cost.macs, cost.params, cost.param_bytes) == (4 * 4 * 8, 0, 0)


def test_low_precision_halves_the_bytes(on):
    full, half = (
        on("meta", nn.Linear(8, 8).to(dtype), t(4, 8).to(dtype)).cost
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert full.macs == half.macs
    assert (full.read_bytes, full.write_bytes) == (2 * half.read_bytes, 2 * half.write_bytes)
