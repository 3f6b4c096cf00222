"""The counter on transformers and diffusers against closed formulas: exact, to the last digit."""

import warnings

import pytest

from reporter.profile.ladder import count_model

NAMES = [
    "BERT-base, 128 tokens",
    "BERT-base, 128 tokens, a mask",
    "GPT-2, 128 tokens",
    "GPT-2 XL, 128 tokens",
    "Llama 3.2 1B, 128 tokens",
    "Llama 3.1 8B, 128 tokens",
    "Llama 3.1 70B, 4,096 tokens",
    "Llama 3.1 405B, 4,096 tokens",
    "Qwen2.5 0.5B, 128 tokens",
    "Qwen3 0.6B, 128 tokens",
    "T5-small, 128 → 32 tokens",
    "Whisper-tiny, 30 s → 32 tokens",
    "CLIP ViT-B/32",
    "Mamba-130M, 64 tokens",
    "Mixtral, tiny, float32",
    "Mixtral, tiny, bfloat16",
    "Mixtral 8x7B, bfloat16, 128 tokens",
    "DETR ResNet-50, 512 px",
    "Stable Diffusion 1.5 U-Net, 64×64 latents",
]


@pytest.fixture
def cases(needs):
    needs("transformers")
    import transformers_models

    return {case.name: case for case in transformers_models.CASES}


@pytest.mark.slow
def test_every_case_has_a_test(cases):
    assert sorted(cases) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_cost_equals_the_closed_formula(cases, needs, name):
    case = cases[name]
    needs(case.package)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cost = count_model(case.spec()).count.cost

    assert (cost.macs, cost.params) == case.size
    assert not cost.uncounted
