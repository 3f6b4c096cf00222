"""Models of transformers and diffusers from configurations alone, each beside its closed formula.

Every case is a `ModelSpec` as a manifest would give it, so that what is tried is what users run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import closed_formulas as formulas
from closed_formulas import Decoder, Size
from torch import nn

from reporter.records import Inputs, InputSpec, Measure, ModelSpec


def transformers_model(architecture: str, config: str, **settings: Any) -> nn.Module:
    """The transformers class `architecture` built from the configuration class `config`."""
    import transformers

    configuration = getattr(transformers, config)(**settings)
    model: nn.Module = getattr(transformers, architecture)(configuration)
    return model


def diffusion_unet(**settings: Any) -> nn.Module:
    """The U-Net of a latent diffusion model."""
    from diffusers import UNet2DConditionModel

    model: nn.Module = UNet2DConditionModel(**settings)
    return model


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model, its inputs, and what it has to cost. `package` must be installed for it."""

    name: str
    size: Size
    kwargs: Mapping[str, Any]
    inputs: Mapping[str, InputSpec]
    target: str = "transformers_models:transformers_model"
    measure: Measure = field(default_factory=Measure)
    package: str = "transformers"

    def spec(self) -> ModelSpec:
        """As a manifest declares it."""
        return ModelSpec(
            name=self.name,
            target=self.target,
            kwargs=self.kwargs,
            inputs=Inputs(keyword=self.inputs),
            measure=self.measure,
        )


def tokens(length: int, vocabulary: int) -> InputSpec:
    """A row of token numbers."""
    return InputSpec(shape=("batch", length), dtype="int64", low=0, high=vocabulary)


def ones(length: int) -> InputSpec:
    """An attention mask that hides nothing."""
    return InputSpec(shape=("batch", length), dtype="int64", low=1, high=2)


def floats(*shape: int) -> InputSpec:
    """Random values, a sample of this shape."""
    return InputSpec(shape=("batch", *shape))


def _decoder(
    name: str, family: str, decoder: Decoder, s: int, dtype: str = "float32", **more: Any
) -> Case:
    config = {
        "hidden_size": decoder.d,
        "intermediate_size": decoder.f,
        "num_hidden_layers": decoder.layers,
        "num_attention_heads": decoder.heads,
        "num_key_value_heads": decoder.kv_heads,
        "head_dim": decoder.head,
        "vocab_size": decoder.vocabulary,
        "tie_word_embeddings": decoder.tied,
        "max_position_embeddings": 131072,
    }
    if decoder.experts:
        config |= {"num_local_experts": decoder.experts, "num_experts_per_tok": decoder.chosen}
    return Case(
        name=name,
        size=decoder.size(s),
        kwargs={"architecture": f"{family}ForCausalLM", "config": f"{family}Config"}
        | config
        | more,
        inputs={"input_ids": tokens(s, decoder.vocabulary)},
        measure=Measure(dtype=dtype),  # type: ignore[arg-type]
    )


LLAMA_1B = Decoder(
    d=2048, f=8192, layers=16, heads=32, kv_heads=8, head=64, vocabulary=128256, tied=True
)
LLAMA_8B = Decoder(d=4096, f=14336, layers=32, heads=32, kv_heads=8, head=128, vocabulary=128256)
LLAMA_70B = Decoder(d=8192, f=28672, layers=80, heads=64, kv_heads=8, head=128, vocabulary=128256)
LLAMA_405B = Decoder(
    d=16384, f=53248, layers=126, heads=128, kv_heads=8, head=128, vocabulary=128256
)
QWEN2_05B = Decoder(
    d=896, f=4864, layers=24, heads=14, kv_heads=2, head=64, vocabulary=151936, tied=True,
    qkv_bias=True,
)  # fmt: skip
QWEN3_06B = Decoder(
    d=1024, f=3072, layers=28, heads=16, kv_heads=8, head=128, vocabulary=151936, tied=True,
    qk_norm=True,
)  # fmt: skip
MIXTRAL_8X7B = Decoder(
    d=4096, f=14336, layers=32, heads=32, kv_heads=8, head=128, vocabulary=32000, experts=8,
    chosen=2,
)  # fmt: skip
MIXTRAL_TINY = Decoder(
    d=64, f=128, layers=2, heads=4, kv_heads=2, head=16, vocabulary=256, experts=4, chosen=2
)


def _bert(s: int, *, mask: bool) -> Case:
    return Case(
        name=f"BERT-base, {s} tokens{', a mask' if mask else ''}",
        size=formulas.bert(d=768, f=3072, layers=12, vocabulary=30522, positions=512, s=s),
        kwargs={"architecture": "BertModel", "config": "BertConfig"},
        inputs={"input_ids": tokens(s, 30522)} | ({"attention_mask": ones(s)} if mask else {}),
    )


def _gpt2(name: str, d: int, layers: int, heads: int, s: int) -> Case:
    return Case(
        name=name,
        size=formulas.gpt2(d=d, layers=layers, vocabulary=50257, positions=1024, s=s),
        kwargs={
            "architecture": "GPT2LMHeadModel",
            "config": "GPT2Config",
            "n_embd": d,
            "n_layer": layers,
            "n_head": heads,
        },
        inputs={"input_ids": tokens(s, 50257)},
    )


def _t5(s: int, t: int) -> Case:
    return Case(
        name=f"T5-small, {s} → {t} tokens",
        size=formulas.t5(d=512, f=2048, inner=512, heads=8, layers=6, vocabulary=32128, s=s, t=t),
        kwargs={"architecture": "T5ForConditionalGeneration", "config": "T5Config"},
        inputs={"input_ids": tokens(s, 32128), "decoder_input_ids": tokens(t, 32128)},
    )


def _whisper(t: int) -> Case:
    return Case(
        name=f"Whisper-tiny, 30 s → {t} tokens",
        size=formulas.whisper(
            d=384, layers=4, mels=80, frames=3000, positions=448, vocabulary=51865, t=t
        ),
        kwargs={
            "architecture": "WhisperForConditionalGeneration",
            "config": "WhisperConfig",
            "d_model": 384,
            "encoder_layers": 4,
            "decoder_layers": 4,
            "encoder_attention_heads": 6,
            "decoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "decoder_ffn_dim": 1536,
        },
        inputs={"input_features": floats(80, 3000), "decoder_input_ids": tokens(t, 51865)},
    )


def _clip() -> Case:
    return Case(
        name="CLIP ViT-B/32",
        size=formulas.clip(
            vision={"d": 768, "f": 3072, "layers": 12, "patch": 32, "side": 224},
            text={"d": 512, "f": 2048, "layers": 12},
            joint=512,
            vocabulary=49408,
            s=77,
        ),
        kwargs={"architecture": "CLIPModel", "config": "CLIPConfig"},
        inputs={"input_ids": tokens(77, 49408), "pixel_values": floats(3, 224, 224)},
    )


def _mamba(s: int) -> Case:
    return Case(
        name=f"Mamba-130M, {s} tokens",
        size=formulas.mamba(d=768, layers=24, state=16, kernel=4, rank=48, vocabulary=50280, s=s),
        kwargs={
            "architecture": "MambaForCausalLM",
            "config": "MambaConfig",
            "hidden_size": 768,
            "num_hidden_layers": 24,
            "vocab_size": 50280,
        },
        inputs={"input_ids": tokens(s, 50280)},
    )


def _detr(side: int) -> Case:
    return Case(
        name=f"DETR ResNet-50, {side} px",
        size=formulas.detr(d=256, f=2048, layers=6, queries=100, classes=91, side=side),
        kwargs={
            "architecture": "DetrForObjectDetection",
            "config": "DetrConfig",
            "num_labels": 91,
        },
        inputs={"pixel_values": floats(3, side, side)},
    )


def _unet(side: int, words: int) -> Case:
    return Case(
        name=f"Stable Diffusion 1.5 U-Net, {side}×{side} latents",
        size=formulas.stable_diffusion_unet(side=side, words=words),
        target="transformers_models:diffusion_unet",
        kwargs={"cross_attention_dim": 768},
        inputs={
            "sample": floats(4, side, side),
            "timestep": InputSpec(value=1, has_value=True),
            "encoder_hidden_states": floats(words, 768),
        },
        package="diffusers",
    )


CASES: tuple[Case, ...] = (
    _bert(128, mask=False),
    _bert(128, mask=True),
    _gpt2("GPT-2, 128 tokens", 768, 12, 12, 128),
    _gpt2("GPT-2 XL, 128 tokens", 1600, 48, 25, 128),
    _decoder("Llama 3.2 1B, 128 tokens", "Llama", LLAMA_1B, 128),
    _decoder("Llama 3.1 8B, 128 tokens", "Llama", LLAMA_8B, 128),
    _decoder("Llama 3.1 70B, 4,096 tokens", "Llama", LLAMA_70B, 4096),
    _decoder("Llama 3.1 405B, 4,096 tokens", "Llama", LLAMA_405B, 4096),
    _decoder("Qwen2.5 0.5B, 128 tokens", "Qwen2", QWEN2_05B, 128),
    _decoder("Qwen3 0.6B, 128 tokens", "Qwen3", QWEN3_06B, 128),
    _t5(128, 32),
    _whisper(32),
    _clip(),
    _mamba(64),
    _decoder("Mixtral, tiny, float32", "Mixtral", MIXTRAL_TINY, 64),
    _decoder("Mixtral, tiny, bfloat16", "Mixtral", MIXTRAL_TINY, 64, dtype="bfloat16"),
    _decoder("Mixtral 8x7B, bfloat16, 128 tokens", "Mixtral", MIXTRAL_8X7B, 128, dtype="bfloat16"),
    _detr(512),
    _unet(64, 77),
)
