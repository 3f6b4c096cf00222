"""The traceback a row shows: the user's frames, and nothing else."""

from __future__ import annotations

import pytest

from reporter.profile.failures import ProfileFailure, failing_in
from reporter.profile.ladder import count_model
from reporter.records import Inputs, InputSpec, ModelSpec

SOURCE = """
from torch import nn

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
    def forward(self, x):
        try:
            return self.linear(x)
        except RuntimeError as error:
            raise ValueError("the batch does not fit") from error

class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
    def forward(self, x):
        return self.inner(x)
"""


@pytest.fixture
def error(user_module):
    name = user_module(SOURCE)
    inputs = Inputs(positional=(InputSpec(shape=("batch", 5)),))
    with pytest.raises(ProfileFailure) as caught:
        count_model(ModelSpec(name="m", target=f"{name}:Outer", inputs=inputs))
    return caught.value.error


def test_the_first_line_and_the_stage(error):
    assert (error.stage, error.message) == ("forward", "ValueError: the batch does not fit")


def test_the_users_frames_and_none_of_ours_or_of_torchs_plumbing(error):
    assert "in forward\n    return self.inner(x)" in error.traceback
    assert 'raise ValueError("the batch does not fit") from error' in error.traceback
    for hidden in ("reporter/profile", "_call_impl", "torch/_", "importlib", "_device.py"):
        assert hidden not in error.traceback


def test_the_cause_is_kept(error):
    assert "The above exception was the direct cause" in error.traceback
    assert "shapes cannot be multiplied" in error.traceback


def test_an_inner_stage_is_not_overwritten():
    with pytest.raises(ProfileFailure) as caught, failing_in("worker"), failing_in("inputs"):
        raise KeyError("x")
    assert caught.value.error.stage == "inputs"


def test_an_exception_without_a_message_is_its_name():
    with pytest.raises(ProfileFailure) as caught, failing_in("build"):
        raise RuntimeError
    assert caught.value.error.message == "RuntimeError"
