"""Inputs from what a manifest says: shapes, ranges, literals, callables, and the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn

from reporter.profile.failures import ProfileFailure
from reporter.profile.tensors import Arguments, make_arguments, tensors_in
from reporter.records import Inputs, InputSpec, Measure, ModelSpec

MODEL = nn.Linear(2, 2)


def arguments(*positional, batch=3, source=None, dtype="float32", **keyword):
    spec = ModelSpec(
        name="m",
        target="x:y",
        inputs=Inputs(positional=positional, keyword=keyword, source=source),
        measure=Measure(dtype=dtype),
    )
    return make_arguments(spec, MODEL, batch)


def test_shapes_and_the_batch():
    made = arguments(InputSpec(shape=("batch", 4)), mask=InputSpec(shape=(5, "batch")))
    assert made.positional[0].shape == (3, 4)
    assert made.keyword["mask"].shape == (5, 3)


def test_a_dtype_that_is_not_named_is_the_models():
    made = arguments(InputSpec(shape=(2,)), InputSpec(shape=(2,), dtype="int32"), dtype="bfloat16")
    assert [each.dtype for each in made.positional] == [torch.bfloat16, torch.int32]


def test_ranges():
    ints, floats, bools = arguments(
        InputSpec(shape=(1000,), dtype="int64", low=5, high=8),
        InputSpec(shape=(1000,), low=-1, high=3),
        InputSpec(shape=(100,), dtype="bool"),
    ).positional
    assert set(ints.tolist()) == {5, 6, 7}
    assert -1 <= floats.min() < -0.9
    assert 2.9 < floats.max() <= 3
    assert set(bools.tolist()) == {True, False}


def test_literals_are_handed_over_or_made_tensors():
    plain, tensor, nothing = arguments(
        InputSpec(value={"a": 1}, has_value=True),
        InputSpec(value=[[1, 2]], dtype="int64", has_value=True),
        InputSpec(value=None, has_value=True),
    ).positional
    assert (plain, nothing) == ({"a": 1}, None)
    assert torch.equal(tensor, torch.tensor([[1, 2]]))


def test_the_same_bytes_twice_whatever_the_global_state():
    wanted = (InputSpec(shape=(4, 4)), InputSpec(shape=(4,), dtype="int64", low=0, high=9))
    torch.manual_seed(1)
    first = arguments(*wanted)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = arguments(*wanted)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first.positional, second.positional, strict=True):
        assert torch.equal(one, other)


SOURCE = """
import torch
def a_tuple(batch): return torch.rand(batch, 2), "x"
def a_list(batch): return [torch.rand(batch, 2)]
def a_mapping(batch): return {"x": torch.rand(batch, 2)}
def single(batch): return torch.rand(batch, 2)
def raising(batch): raise OSError("no images here")
number = 3
"""


@pytest.mark.parametrize("kind", ["a_tuple", "a_list", "a_mapping", "single"])
def test_callables(kind, user_module):
    name = user_module(SOURCE)
    state = torch.get_rng_state()
    first, second = (arguments(source=f"{name}:{kind}") for _ in range(2))
    assert first.tensors()[0].shape == (3, 2)
    assert torch.equal(first.tensors()[0], second.tensors()[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert ("x" in first.keyword) == (kind == "a_mapping")
    assert len(first.positional) == {"a_tuple": 2, "a_mapping": 0}.get(kind, 1)


@pytest.mark.parametrize(
    ("kind", "message"), [("raising", "OSError: no images here"), ("number", "not a callable")]
)
def test_a_callable_that_fails(kind, message, user_module):
    with pytest.raises(ProfileFailure) as caught:
        arguments(source=f"{user_module(SOURCE)}:{kind}")
    assert caught.value.error.stage == "inputs"
    assert message in caught.value.error.message


class Pair(NamedTuple):
    left: torch.Tensor
    right: int


@dataclass(frozen=True)
class Batch:
    image: torch.Tensor
    label: str


def test_tensors_move_at_any_depth_and_one_stays_one():
    x = torch.ones(2)
    given = Arguments((x, Pair(x, 3), Batch(x, "cat")), {"deep": {"list": [x, None]}})
    there = given.to("meta")
    assert len(there.tensors()) == 4
    assert len({id(each) for each in there.tensors()}) == 1
    assert all(each.is_meta for each in there.tensors())
    assert isinstance(there.positional[1], Pair)
    assert there.positional[2].label == "cat"
    assert given.positional[2].image is x


def test_tensors_are_found_in_order():
    a, b, c = (torch.full((1,), float(index)) for index in range(3))
    assert [each.item() for each in tensors_in((a, {"k": [b]}, Batch(c, "")))] == [0, 1, 2]
