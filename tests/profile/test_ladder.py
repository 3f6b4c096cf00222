"""Meta tensors where the model runs on them, real ones where not, the same figures on both."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from reporter.profile import ladder
from reporter.profile.failures import ProfileFailure
from reporter.profile.ladder import count_model
from reporter.records import Inputs, InputSpec, Measure, ModelSpec

SOURCE = """
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
    def forward(self, x):
        return self.linear(x)

class Branching(Plain):
    def forward(self, x):
        y = self.linear(x)
        return self.linear(x) if x.sum() > -1e9 and y.sum() < -1e9 else y

class Asking(Plain):
    def forward(self, x):
        return self.linear(x) if x.sum() > -1e9 else x

class Differentiating(Plain):
    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.linear(x).sum(), x)[0]

class Checkpoint(Plain):
    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(self.linear, x, use_reentrant=True)

class Raising(Plain):
    def forward(self, x):
        raise RuntimeError("never")

class Building(Plain):
    def __init__(self):
        super().__init__()
        self.scale = self.linear.weight.abs().max().item()

class Heavy(Branching):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.empty(1 << 45))
"""

LINEAR = 4 * 8 * 8


@pytest.fixture
def counted(user_module):
    name = user_module(SOURCE)

    def run(attribute, **measure):
        inputs = Inputs(positional=(InputSpec(shape=("batch", 8)),))
        measured = Measure(latency_batch=4, **measure)
        spec = ModelSpec(name="m", target=f"{name}:{attribute}", inputs=inputs, measure=measured)
        return count_model(spec)

    return run


def test_meta_tensors_where_it_runs_on_them(counted):
    model = counted("Plain")
    assert (model.counting.rung, model.counting.reason, model.batch) == ("meta", None, 4)
    assert model.count.cost.macs == LINEAR


def test_meta_tensors_where_the_values_asked_for_depend_on_no_weight(counted):
    model = counted("Asking")
    assert (model.counting.rung, model.counting.reason) == ("meta", None)
    assert model.count.cost.macs == LINEAR


def test_real_tensors_where_values_of_weights_are_needed(counted):
    model, plain = counted("Branching"), counted("Plain")
    assert model.counting.rung == "real"
    assert "Tensor.item() cannot be called on meta tensors" in model.counting.reason
    assert model.count.cost.macs == plain.count.cost.macs
    assert model.count.cost.params == plain.count.cost.params


def test_meta_tensors_where_only_the_construction_needs_values_of_weights(counted):
    model = counted("Building")
    assert model.counting.rung == "meta"
    assert model.counting.reason == (
        "built with real weights: RuntimeError: Tensor.item() cannot be called on meta tensors"
    )
    assert model.count.cost.macs == LINEAR


def test_a_forward_that_differentiates_is_counted_without_inference_mode(counted):
    model = counted("Differentiating")
    assert model.counting.rung == "meta"
    # The layer, and the gradient of its input: as many products again.
    assert model.count.cost.macs == 2 * LINEAR


def test_training(counted):
    # Forward and the weight's gradient; the input is no parameter.
    assert counted("Plain", mode="train").count.cost.macs == 2 * LINEAR


def test_the_error_of_the_last_rung(counted):
    with pytest.raises(ProfileFailure, match="RuntimeError: never"):
        counted("Raising")


def test_weights_that_cannot_fit_are_never_made(counted):
    # 2⁴⁵ parameters of 4 bytes: the refusal of the meta rung stands.
    with pytest.raises(ProfileFailure, match="cannot be called on meta tensors"):
        counted("Heavy")


def test_torchs_switches_are_put_back():
    for setting in (True, False):
        torch._C._set_mkldnn_enabled(setting)
        torch.backends.mha.set_fastpath_enabled(setting)
        try:
            with pytest.raises(KeyError), ladder.operations_in_parts():
                assert not torch._C._get_mkldnn_enabled()
                raise KeyError
            assert torch._C._get_mkldnn_enabled() == setting
            assert torch.backends.mha.get_fastpath_enabled() == setting
        finally:
            torch._C._set_mkldnn_enabled(True)
            torch.backends.mha.set_fastpath_enabled(True)


def test_flex_attentions_switches_are_put_back():
    from torch.nn.attention import flex_attention

    switch, check = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", "_validate_device"
    before = getattr(flex_attention, switch), getattr(flex_attention, check)
    with pytest.raises(KeyError), ladder.operations_in_parts():
        assert getattr(sys.modules["torch.nn.attention.flex_attention"], switch)
        raise KeyError
    assert (getattr(flex_attention, switch), getattr(flex_attention, check)) == before


def test_flex_attention_on_meta_tensors(calling, everywhere):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def forward(q):
        mask = create_block_mask(
            lambda b, h, i, j: i >= j, None, None, 128, 128, device=q.device, _compile=False
        )
        return flex_attention(q, q, q, block_mask=mask)

    cost = everywhere(calling(forward), torch.zeros(1, 2, 128, 16)).cost
    # Two heads of Q·Kᵀ and of P·V, the whole 128 × 128 scores of 16.
    assert cost.macs == 2 * 2 * 128 * 128 * 16
    assert cost.uncounted == {}


def test_the_answer_is_json(counted):
    answer = json.loads(json.dumps(counted("Plain").as_json()))
    assert answer["cost"]["macs"] == LINEAR
    assert [layer["path"] for layer in answer["layers"]] == ["", "linear"]
    assert answer["counting"] == {"rung": "meta", "reason": None}


def test_one_model_counts_the_same_twice_to_the_byte(counted):
    assert counted("Plain").as_json() == counted("Plain").as_json()
    assert torch.get_default_device() == torch.device("cpu")
