"""Formulas of the user's own, for real operators of `torch.library`."""

import pytest
import torch

from reporter.profile.failures import ProfileFailure
from reporter.profile.formulas import own_formulas
from reporter.profile.ladder import count_model
from reporter.records import Inputs, InputSpec, ModelSpec

# A linear layer and a GELU of 10 operations: 3 rows of 4 results, each the sum of 8 products.
MACS = 3 * 4 * 8
MADDS = 3 * 4 * (2 * 8 - 1) + 3 * 4 * 10


@pytest.fixture(scope="module", autouse=True)
def operator():
    library = torch.library.Library("own_formulas_test", "DEF")
    library.define("fused(Tensor x, Tensor[] weights, float scale=2.0) -> Tensor")
    library.impl("fused", lambda x, weights, scale=2.0: x @ weights[0] * scale, "CPU")
    library.impl("fused", lambda x, weights, scale=2.0: x.new_empty(3, 4), "Meta")
    yield
    library._destroy()


SOURCE = """
from math import prod
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 4))
        self.inner = nn.Identity()
        self.inner.register_forward_hook(lambda module, args, result: self.fused(result))
    def fused(self, x):
        return torch.ops.own_formulas_test.fused(x, [self.weight])
    def forward(self, x):
        return self.inner(x)

def fused(arg, out):
    assert arg == {"x": (3, 8), "weights": ((8, 4),), "scale": 2.0}
    assert out == [(3, 4)]
    outputs, depth = prod(out[0]), arg["x"][-1]
    return outputs * depth, outputs * (2 * depth - 1) + outputs * 10

def madds_alone(arg, out):
    return fused(arg, out)[1]

def mapping(arg, out):
    return dict(zip(("macs", "madds"), fused(arg, out)))

def raises(arg, out):
    return arg["no_such_argument"]

def text(arg, out): return "12"
def negative(arg, out): return -1
def truth(arg, out): return True
def floating(arg, out): return 1.5
def nothing(arg, out): return None
def three(arg, out): return (1, 2, 3)
def macs_alone(arg, out): return {"macs": 1}
def misspelt(arg, out): return {"madds": 1, "mac": 1}

number = 3
"""


@pytest.fixture
def counted(user_module):
    module = user_module(SOURCE)

    def count(**formulas):
        declared = {f"own_formulas_test::{op}": f"{module}:{of}" for op, of in formulas.items()}
        return count_model(
            ModelSpec(
                name="net",
                target=f"{module}:Net",
                inputs=Inputs(positional=(InputSpec(shape=(3, 8)),)),
                formulas=declared,
            )
        ).count

    return count


def test_without_a_formula_the_operation_is_uncounted_in_its_module(counted):
    seen = counted()
    assert (seen.cost.macs, seen.cost.uncounted) == (0, {"own_formulas_test::fused": 1})
    assert seen.uncounted_modules == {"own_formulas_test::fused": ("",)}


@pytest.mark.parametrize(
    ("formula", "macs"), [("fused", MACS), ("mapping", MACS), ("madds_alone", 0)]
)
def test_a_formula_is_given_shapes_and_counts(counted, formula, macs):
    seen = counted(fused=formula)
    assert (seen.cost.macs, seen.cost.madds) == (macs, MADDS)
    assert (seen.cost.uncounted, seen.uncounted_modules) == ({}, {})


def test_the_formulas_of_one_model_are_not_the_next_ones(counted):
    counted(fused="fused")
    assert counted().cost.uncounted == {"own_formulas_test::fused": 1}


def test_a_formula_that_raises_is_the_models_failure_with_the_users_traceback(counted):
    with pytest.raises(ProfileFailure) as caught:
        counted(fused="raises")
    error = caught.value.error
    assert error.message.startswith('[ops] "own_formulas_test::fused" = ')
    assert error.message.endswith("raised KeyError: 'no_such_argument'")
    assert 'return arg["no_such_argument"]' in error.traceback


@pytest.mark.parametrize(
    "formula",
    ["text", "negative", "truth", "floating", "nothing", "three", "macs_alone", "misspelt"],
)
def test_a_formula_that_returns_nonsense_is_the_models_failure(counted, formula):
    with pytest.raises(ProfileFailure, match=f"{formula}.* returned .*expected the MAdd"):
        counted(fused=formula)


def test_a_formula_that_is_no_callable_or_not_there(counted):
    with pytest.raises(ProfileFailure, match="is of type int, not a callable"):
        counted(fused="number")
    with pytest.raises(ProfileFailure, match="has no attribute 'fuse'; did you mean"):
        counted(fused="fuse")


def test_a_formula_goes_before_ours(user_module):
    module = user_module("def free(arg, out): return 0")
    rules = own_formulas({"aten::linear": f"{module}:free"})
    assert rules["aten::linear"]({}, []) == (0, 0)
