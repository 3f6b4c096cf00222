"""The worked formulas against the models as built, published figures, and torch's own counter."""

import pytest
import torch
from declared import MODELS, arguments, build
from formulas import BY_MODEL
from torch.utils.flop_counter import FlopCounterMode


@pytest.mark.parametrize("name", MODELS)
def test_params_are_those_of_the_built_model(name):
    with torch.device("meta"):
        model = build(name)

    assert sum(p.numel() for p in model.parameters()) == BY_MODEL[name](1).params


def test_every_declared_model_has_a_formula():
    assert BY_MODEL.keys() == MODELS.keys()


@pytest.mark.parametrize(
    ("name", "params"),
    [("resnet50", 25_557_032), ("vit_b_16", 86_567_656), ("llm", 134_515_008)],
)
def test_params_are_the_published_ones(name, params):
    assert BY_MODEL[name](1).params == params


@pytest.mark.parametrize(
    ("name", "macs"), [("resnet50", 4_089_184_256), ("vit_b_16", 17_563_828_224)]
)
def test_macs_are_the_published_ones(name, macs):
    assert BY_MODEL[name](1).macs == macs


@pytest.mark.parametrize(("name", "batch"), [*((name, 1) for name in MODELS), ("captioner", 3)])
def test_macs_are_half_the_flops_of_torchs_own_counter(name, batch):
    # On meta tensors torch takes attention and LSTMs apart into products that it counts; on a CPU
    # their fused kernels have no formula there and would count as nothing.
    with torch.device("meta"), torch.inference_mode():
        model = build(name).eval()
        positional, keyword = arguments(name, batch)
        with FlopCounterMode(display=False) as counter:
            model(*positional, **keyword)

    assert counter.get_total_flops() == 2 * BY_MODEL[name](batch).macs
