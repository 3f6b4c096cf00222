"""thop beside our own count: its own formulas, worked out by hand, and the reasons given."""

import importlib.metadata

import pytest
import torch

from reporter.profile import thop_check
from reporter.profile.ladder import count_model
from reporter.records import Inputs, InputSpec, Measure, ModelSpec

SOURCE = """
import torch
from torch import nn

class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.known = nn.Linear(8, 4)
        self.norm = nn.LayerNorm(4)
        self.weight = nn.Parameter(torch.ones(4, 5))
    def forward(self, x, *, scale):
        return self.norm(self.known(x)) @ self.weight * scale

class Mine(nn.Linear):
    pass

class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Mine(8, 4), nn.LazyLinear(2))
    def forward(self, x):
        return self.layers(x)

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.unused = nn.Linear(8, 8), nn.Linear(8, 8)
    def forward(self, x):
        return self.a(self.a(x))

class Reads(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)
    def forward(self, x):
        return self.linear(x) if float(x.sum()) > -1e9 else x

class Dislikes(nn.Linear):
    def register_buffer(self, name, *rest, **more):
        raise RuntimeError("no buffers here")

def reads(): return Reads()
def dislikes(): return Dislikes(8, 4)

def conv(): return nn.Conv2d(3, 4, 3)
def transposed(): return nn.ConvTranspose2d(4, 3, 3)
def lstm(): return nn.LSTM(8, 4)
"""


@pytest.fixture
def asked(user_module):
    module = user_module(SOURCE)

    def ask(target, *shape, mode="inference", **keywords):
        spec = ModelSpec(
            name=target,
            target=f"{module}:{target}",
            inputs=Inputs(
                positional=() if keywords else (InputSpec(shape=shape),),
                keyword=keywords,
            ),
            measure=Measure(mode=mode),
        )
        counted = count_model(spec)
        return counted.count.cost, thop_check.second_opinion(spec, counted)

    return ask


def reasons(opinion):
    return {layer.path: layer.reason for layer in opinion.layers}


def test_a_convolution_is_the_same_to_both(asked):
    cost, opinion = asked("conv", 1, 3, 8, 8)
    # 4 × 6 × 6 results of 3 × 3 × 3 products.
    assert cost.macs == opinion.macs == 4 * 6 * 6 * 27
    assert cost.params == opinion.params == 4 * 27 + 4
    assert (opinion.layers, opinion.error) == ((), None)
    assert opinion.version == importlib.metadata.version("thop")


def test_what_thop_does_not_see_and_what_it_adds(asked):
    scale = InputSpec(value=2.0, has_value=True)
    cost, opinion = asked("Functional", x=InputSpec(shape=(3, 8)), scale=scale)
    # thop: the linear layer, and of the norm 2 operations an element, doubled for being affine.
    assert cost.macs == 3 * 8 * 4 + 3 * 4 * 5
    assert opinion.macs == 3 * 8 * 4 + 3 * 4 * 2 * 2
    assert opinion.params == (8 * 4 + 4) + 2 * 4
    root, norm = opinion.layers
    assert (root.path, root.macs, root.their_macs, root.params) == ("", 3 * 4 * 5, 0, 4 * 5)
    assert root.reason.startswith("functional")
    assert (norm.path, norm.macs, norm.their_macs) == ("norm", 0, 3 * 4 * 2 * 2)
    assert norm.reason == "thop counts LayerNorm as multiply–accumulates"


def test_a_type_that_thop_does_not_know(asked):
    cost, opinion = asked("Unknown", 3, 8)
    # A lazy layer's buffers are made before its type is: thop knows neither.
    assert cost.macs == 3 * 8 * 4 + 3 * 4 * 2
    assert reasons(opinion)["layers.0"] == "thop knows no layer of type Mine"


def test_a_module_called_twice_is_the_same_and_an_unused_one_lost(asked):
    cost, opinion = asked("Twice", 3, 8)
    assert cost.macs == opinion.macs == 2 * 3 * 8 * 8
    assert (cost.params, opinion.params) == (2 * (64 + 8), 64 + 8)
    assert reasons(opinion) == {"unused": "not called under this name, and left out by thop"}


def test_transposed_and_recurrent_layers_by_thops_formulas(asked):
    cost, opinion = asked("transposed", 1, 4, 5, 5)
    assert (cost.macs, opinion.macs) == (25 * 4 * 3 * 9, 3 * 7 * 7 * 4 * 9)
    assert "transposed" in reasons(opinion)[""]
    assert "biases" in reasons(asked("lstm", 2, 1, 8)[1])[""]


def test_on_real_tensors_where_we_counted_on_real_tensors(asked):
    cost, opinion = asked("reads", 3, 8)
    assert cost.macs == opinion.macs == 3 * 8 * 4


@pytest.mark.parametrize(
    ("target", "mode", "why"),
    [
        ("Twice", "train", "NotImplementedError: it counts no backward"),
        ("dislikes", "inference", "RuntimeError: no buffers here"),
    ],
)
def test_what_thop_cannot_is_words(asked, target, mode, why):
    cost, opinion = asked(target, 3, 8, mode=mode)
    assert cost.macs > 0
    assert opinion.error == f"thop could not: {why}"
    assert (opinion.macs, opinion.params, opinion.layers) == (None, None, ())


def test_without_thop_there_is_no_opinion(asked, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert asked("conv", 1, 3, 8, 8)[1] is None


def test_the_random_numbers_go_on_as_before(asked):
    before = torch.get_rng_state()
    asked("conv", 1, 3, 8, 8)
    assert torch.equal(torch.get_rng_state(), before)
