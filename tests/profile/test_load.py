"""From `module:attribute` to a model, and the user's own object as it was."""

from __future__ import annotations

import importlib

import pytest
import torch

from reporter.profile.failures import ProfileFailure
from reporter.profile.load import build, input_dtype, resolve
from reporter.records import Measure, ModelSpec

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("turn", torch.ones(3, dtype=torch.complex64))
        self.register_buffer("index", torch.arange(3))
        self.outside = torch.ones(2)

    def forward(self, x):
        return self.norm(self.linear(x))

def build(width, depth=1):
    return nn.Sequential(*[Net(width) for _ in range(depth)])

def not_a_model():
    return [1, 2]

def raising():
    raise ValueError("no such checkpoint: best.pt")

class Zoo:
    @staticmethod
    def small():
        return Net(2)

instance = Net().train()
number = 3
"""


@pytest.fixture
def name(user_module):
    return user_module(SOURCE)


def spec(target, *, kwargs=None, **measure):
    return ModelSpec(name="m", target=target, kwargs=kwargs or {}, measure=Measure(**measure))


@pytest.mark.parametrize("on_meta", [True, False])
@pytest.mark.parametrize(
    ("attribute", "kwargs", "params"),
    [
        # width² + width, and 2·width of the norm
        ("Net", {}, 20 + 8),
        ("Net", {"width": 3}, 12 + 6),
        ("build", {"width": 2, "depth": 3}, 3 * (6 + 4)),
        ("Zoo.small", {}, 6 + 4),
        ("instance", {}, 28),
    ],
)
def test_every_kind_of_target(attribute, kwargs, params, on_meta, name):
    model = build(spec(f"{name}:{attribute}", kwargs=kwargs), on_meta=on_meta)
    assert sum(each.numel() for each in model.parameters()) == params
    assert all(each.is_meta == on_meta for each in (*model.parameters(), *model.buffers()))
    assert not model.training


@pytest.mark.parametrize("on_meta", [True, False])
def test_an_instance_of_the_users_is_left_as_it_was(on_meta, name):
    mine = importlib.import_module(name).instance
    before = {key: (value.clone(), value.dtype, value.device)
              for key, value in mine.state_dict().items()}  # fmt: skip
    model = build(spec(f"{name}:instance", dtype="bfloat16"), on_meta=on_meta)
    assert model is not mine
    assert mine.training
    after = mine.state_dict()
    assert list(after) == list(before)
    for key, (value, dtype, device) in before.items():
        assert torch.equal(after[key], value)
        assert (after[key].dtype, after[key].device) == (dtype, device)
    assert mine.outside.device.type == "cpu"
    assert not mine._forward_hooks


@pytest.mark.parametrize("on_meta", [True, False])
def test_only_floating_tensors_are_cast(on_meta, name):
    model = build(spec(f"{name}:Net", dtype="float16"), on_meta=on_meta)
    assert model.linear.weight.dtype == torch.float16
    assert (model.turn.dtype, model.index.dtype) == (torch.complex64, torch.int64)
    assert input_dtype(spec(f"{name}:Net", dtype="float16"), model) == torch.float16


def test_the_models_own_dtype(name):
    module = importlib.import_module(name)
    module.instance = module.Net().double()
    own = spec(f"{name}:instance", dtype="model")
    model = build(own, on_meta=True)
    assert model.linear.weight.dtype == input_dtype(own, model) == torch.float64


def test_the_mode_is_the_declared_one(name):
    assert build(spec(f"{name}:Net", mode="train"), on_meta=True).training


def test_weights_are_the_same_at_every_build_and_the_rng_is_left_alone(name):
    state = torch.get_rng_state()
    first, second = (build(spec(f"{name}:Net"), on_meta=False) for _ in range(2))
    assert torch.equal(first.linear.weight, second.linear.weight)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("attribute", "kwargs", "stage", "message"),
    [
        ("Nett", {}, "target", "did you mean 'Net'"),
        ("Zoo.smal", {}, "target", "'Zoo' has no attribute 'smal'; did you mean 'small'"),
        ("number", {}, "build", "is of type int, neither a torch.nn.Module nor a callable"),
        ("not_a_model", {}, "build", "returned a list, not a torch.nn.Module"),
        ("raising", {}, "build", "ValueError: no such checkpoint: best.pt"),
        ("build", {"wide": 3}, "build", "unexpected keyword argument 'wide'"),
        ("instance", {"width": 3}, "build", "is a module already and takes no kwargs (width)"),
    ],
)
def test_what_cannot_be_built_says_why(attribute, kwargs, stage, message, name):
    with pytest.raises(ProfileFailure) as caught:
        build(spec(f"{name}:{attribute}", kwargs=kwargs), on_meta=True)
    assert caught.value.error.stage == stage
    assert message in caught.value.error.message


def test_a_module_that_is_missing_or_exits(user_module):
    with pytest.raises(ProfileFailure, match="no module 'no_such_module_here'") as absent:
        resolve("no_such_module_here.nets:Net")
    assert absent.value.error.stage == "target"
    name = user_module("import no_such_dependency\n")
    with pytest.raises(ProfileFailure, match="No module named 'no_such_dependency'") as broken:
        resolve(f"{name}:Net")
    assert broken.value.error.stage == "import"
    name = user_module("import sys\nsys.exit('usage: train.py')\n")
    with pytest.raises(ProfileFailure) as caught:
        resolve(f"{name}:Net")
    assert caught.value.error.stage == "import"
    assert caught.value.error.message == "SystemExit: usage: train.py"
