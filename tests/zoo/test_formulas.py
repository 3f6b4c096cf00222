"""The closed formulas against figures that others have published."""

import pytest


@pytest.fixture
def formulas():
    import closed_formulas

    return closed_formulas


def test_published_parameter_counts_of_language_models(formulas):
    # Of the published checkpoints, as their model cards and files have them.
    bert = formulas.bert(d=768, f=3072, layers=12, vocabulary=30522, positions=512, s=1)
    gpt2 = formulas.gpt2(d=768, layers=12, vocabulary=50257, positions=1024, s=1)
    gpt2_xl = formulas.gpt2(d=1600, layers=48, vocabulary=50257, positions=1024, s=1)
    t5 = formulas.t5(d=512, f=2048, inner=512, heads=8, layers=6, vocabulary=32128, s=1, t=1)
    mamba = formulas.mamba(d=768, layers=24, state=16, kernel=4, rank=48, vocabulary=50280, s=1)

    assert bert.params == 109_482_240
    assert gpt2.params == 124_439_808
    assert gpt2_xl.params == 1_557_611_200
    assert t5.params == 60_506_624
    assert mamba.params == 129_135_360


def test_published_parameter_counts_of_models_that_see_and_hear(formulas):
    vision = {"d": 768, "f": 3072, "layers": 12, "patch": 32, "side": 224}
    text = {"d": 512, "f": 2048, "layers": 12}
    clip = formulas.clip(vision=vision, text=text, joint=512, vocabulary=49408, s=77)
    whisper = formulas.whisper(
        d=384, layers=4, mels=80, frames=3000, positions=448, vocabulary=51865, t=1
    )
    detr = formulas.detr(d=256, f=2048, layers=6, queries=100, classes=91, side=512)
    unet = formulas.stable_diffusion_unet(side=64, words=77)

    assert clip.params == 151_277_313
    assert whisper.params == 37_760_640
    assert detr.params == 41_524_768
    assert unet.params == 859_520_964


LLAMA_3 = {
    "1B": ((2048, 8192, 16, 32, 64, True), 1_235_814_400),
    "8B": ((4096, 14336, 32, 32, 128, False), 8_030_261_248),
    "70B": ((8192, 28672, 80, 64, 128, False), 70_553_706_496),
    "405B": ((16384, 53248, 126, 128, 128, False), 405_853_388_800),
}


@pytest.mark.parametrize("name", LLAMA_3)
def test_published_parameter_counts_of_llama_3(formulas, name):
    (d, f, layers, heads, head, tied), params = LLAMA_3[name]
    llama = formulas.Decoder(
        d=d, f=f, layers=layers, heads=heads, kv_heads=8, head=head, vocabulary=128256, tied=tied
    )

    assert llama.size(1).params == params


def test_resnet_50_has_the_macs_that_torchvision_publishes(formulas):
    # _ops of ResNet50_Weights: 4.089; the classifier is 2048 · 1000.
    assert round((formulas.resnet50_features(224).macs + 2048 * 1000) / 1e9, 3) == 4.089


def test_vision_transformer_has_the_macs_that_torchvision_publishes(formulas):
    # _ops of ViT_B_16_Weights: 17.564; the classifier is 768 · 1000.
    tower = formulas.vision_tower(d=768, f=3072, layers=12, patch=16, side=224)

    assert round((tower.macs + 768 * 1000) / 1e9, 3) == 17.564


def test_llama_405b_by_hand(formulas):
    # 126 layers at s = 4,096 tokens, d = 16,384, f = 53,248, 8 of 128 heads for keys and values:
    s, d, f = 4096, 16384, 53248
    q_and_out, k_and_v = 2 * d * d * s, 2 * d * (d // 16) * s
    scores_and_values = 2 * s * s * d
    expected = 126 * (q_and_out + k_and_v + scores_and_values + 3 * d * f * s) + d * 128256 * s
    llama = formulas.Decoder(
        d=d, f=f, layers=126, heads=128, kv_heads=8, head=128, vocabulary=128256
    )

    assert llama.size(s).macs == expected == 1_723_020_620_070_912
