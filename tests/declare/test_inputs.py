"""Inputs: entries of a manifest and `--input` of a command line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.declare.inputs import (
    DTYPE_ALIASES,
    DTYPES,
    check_dtype,
    input_spec,
    parse_input_argument,
    parse_input_arguments,
)
from reporter.errors import UsageError
from reporter.records import Inputs, InputSpec


@pytest.mark.parametrize(
    ("text", "keyword", "spec"),
    [
        ("1x3x224x224", None, InputSpec(shape=(1, 3, 224, 224))),
        ("7", None, InputSpec(shape=(7,))),
        ("1x0", None, InputSpec(shape=(1, 0))),
        (
            "1x19:int64:0:10000",
            None,
            InputSpec(shape=(1, 19), dtype="int64", low=0, high=10000),
        ),
        (
            "tokens=Bx128:int64:0:32000",
            "tokens",
            InputSpec(shape=("batch", 128), dtype="int64", low=0, high=32000),
        ),
        ("batchx4:bfloat16", None, InputSpec(shape=("batch", 4), dtype="bfloat16")),
        (
            "Bx4:float32:-1:0.5",
            None,
            InputSpec(shape=("batch", 4), dtype="float32", low=-1, high=0.5),
        ),
    ],
)
def test_an_input_argument_reads_as_an_entry(text, keyword, spec):
    assert parse_input_argument(text) == (keyword, spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,3,224,224", 'did you mean "1x3x224x224"'),
        ("", 'found ""'),
        ("1x", 'found ""'),
        ("1x-3", 'found "-3"'),
        ("1x3:long", 'did you mean "int64"'),
        ("1x3:torch.int64", 'write "int64"'),
        ("1x3:int64:0:many", 'expected a number for high, found "many"'),
        ("1x3:int64:5:5", "low = 5 must be below high = 5"),
        ("1x3:int64:5", "needs a high"),
        ("1x3:int64:0:2.5", "whole numbers"),
        ("1x3:float32:0:inf", "expected a number for high"),
        ("1x3:int64:0:2:9", "too many colons"),
        ("a b=1x3", 'found "a b"'),
        ("=1x3", "argument name"),
    ],
)
def test_a_wrong_input_argument_is_refused_with_an_example(text, said):
    with pytest.raises(UsageError, match=re.escape(said)) as refused:
        parse_input_argument(text)

    assert refused.value.message.startswith(f"--input {text}: ")
    assert "1x3x224x224" in refused.value.hint


def test_arguments_keep_their_order_and_their_keywords():
    inputs = parse_input_arguments(["2x3", "a=4", "5"])

    assert inputs == Inputs(
        positional=(InputSpec(shape=(2, 3)), InputSpec(shape=(5,))),
        keyword={"a": InputSpec(shape=(4,))},
    )


def test_one_keyword_twice_is_refused():
    with pytest.raises(UsageError, match="twice"):
        parse_input_arguments(["a=4", "a=5"])


@given(
    shape=st.lists(st.integers(0, 10**9) | st.just("batch"), min_size=1),
    dtype=st.sampled_from(DTYPES),
)
def test_a_shape_and_dtype_come_back_from_the_command_line(shape, dtype):
    text = "x".join("B" if side == "batch" else str(side) for side in shape)

    assert parse_input_argument(f"{text}:{dtype}") == (
        None,
        InputSpec(shape=tuple(shape), dtype=dtype),
    )


def test_every_dtype_is_torchs_own_name_and_no_alias_is_one():
    torch = pytest.importorskip("torch")

    assert all(str(getattr(torch, name)) == f"torch.{name}" for name in DTYPES)
    assert set(DTYPE_ALIASES.values()) <= set(DTYPES)
    assert not set(DTYPE_ALIASES) & set(DTYPES)


def test_the_aliases_torch_has_mean_the_same_there():
    torch = pytest.importorskip("torch")
    shared = {alias: name for alias, name in DTYPE_ALIASES.items() if hasattr(torch, alias)}
    dtypes = {alias: getattr(torch, alias) for alias in shared}

    assert {"float", "half", "long", "int", "double"} <= shared.keys()
    assert all(
        dtypes[alias] == getattr(torch, name)
        for alias, name in shared.items()
        if isinstance(dtypes[alias], torch.dtype)
    )


@pytest.mark.parametrize("alias", ["float", "half", "long", "int", "double"])
def test_an_alias_is_refused_with_the_name_it_stands_for(alias):
    with pytest.raises(ValueError, match=f'did you mean "{DTYPE_ALIASES[alias]}"'):
        check_dtype(alias)


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ({"shape": []}, InputSpec(shape=())),
        ({"shape": [3], "high": 9}, InputSpec(shape=(3,), low=0, high=9)),
        ({"value": None}, InputSpec(value=None, has_value=True)),
        ({"value": False}, InputSpec(value=False, has_value=True)),
        (
            {"value": [[1, 2], [3, 4]], "dtype": "int64"},
            InputSpec(value=[[1, 2], [3, 4]], dtype="int64", has_value=True),
        ),
        (
            {"shape": [1], "dtype": "uint8", "low": 0, "high": 256},
            InputSpec(shape=(1,), dtype="uint8", low=0, high=256),
        ),
    ],
)
def test_an_entry_becomes_a_spec(entry, spec):
    assert input_spec(entry) == spec


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "expected shape or value"),
        ({"shape": [1], "value": 1}, "exclude each other"),
        ({"value": 1, "low": 0, "high": 2}, "low and high bound random values"),
        ({"value": [[1], [2, 3]], "dtype": "int64"}, "rows differ in length"),
        ({"value": "a", "dtype": "int64"}, "must be a number or nested arrays"),
        ({"shape": [1], "low": 1}, "needs a high"),
        ({"shape": [1], "low": 2, "high": 1}, "must be below"),
        ({"shape": [1], "high": -1}, "low = 0 must be below high = -1"),
        ({"shape": [1], "dtype": "uint8", "high": 257}, "does not fit uint8, 0 to 255"),
        ({"shape": [1], "dtype": "int8", "low": -129, "high": 0}, "-128 to 127"),
        ({"shape": [1], "dtype": "bool", "high": 2}, "mean nothing for bool"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(entry, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        input_spec(entry)
