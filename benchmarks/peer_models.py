"""The models on which the peers are compared, each with its MACs by a closed formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import closed_formulas as formulas
import torch
import transformers_models
from torch import nn


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the comparison; `macs` by a closed formula, for the whole `argument`."""

    name: str
    make: Callable[[], nn.Module]
    argument: Callable[[], torch.Tensor]
    macs: int


def _torchvision(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from torchvision import models

        return models.get_model(name, weights=None)  # type: ignore[no-any-return]

    return make


class _First(nn.Module):
    """A model of transformers that takes one tensor and returns one: tracers know nothing else."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = self.model(input_ids)[0]
        return first


def _of_case(name: str) -> Model:
    case = next(each for each in transformers_models.CASES if each.name == name)
    (tokens,) = case.inputs.values()
    length, vocabulary = (tokens.shape or ())[1], int(tokens.high or 2)

    def make() -> nn.Module:
        return _First(transformers_models.transformers_model(**case.kwargs))

    def argument() -> torch.Tensor:
        return torch.randint(0, vocabulary, (1, int(length)))

    return Model(name, make, argument, case.size.macs)


def _picture() -> torch.Tensor:
    return torch.randn(1, 3, 224, 224)


def _encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(512, 8, batch_first=True)
    return nn.TransformerEncoder(layer, 6)


def _lstm() -> nn.Module:
    return nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)


LSTM_MACS = 4 * 50 * 2 * (4 * 128 * (64 + 128) + 4 * 128 * (2 * 128 + 128))
"""4 samples, 50 steps, 2 directions; 4 gates of inputs and state, layer by layer."""

ENCODER_MACS = 2 * 6 * (formulas.attention(512, 64) + formulas.feed_forward(512, 2048, 64))
VIT_MACS = formulas.vision_tower(d=768, f=3072, layers=12, patch=16, side=224).macs + 768 * 1000

MODELS: tuple[Model, ...] = (
    Model(
        "ResNet-50",
        _torchvision("resnet50"),
        _picture,
        formulas.resnet50_features(224).macs + 2048 * 1000,
    ),
    Model("ViT-B/16", _torchvision("vit_b_16"), _picture, VIT_MACS),
    _of_case("BERT-base, 128 tokens"),
    _of_case("GPT-2 XL, 128 tokens"),
    _of_case("Llama 3.2 1B, 128 tokens"),
    Model("LSTM", _lstm, lambda: torch.randn(4, 50, 64), LSTM_MACS),
    Model("TransformerEncoder", _encoder, lambda: torch.randn(2, 64, 512), ENCODER_MACS),
    _of_case("Mixtral, tiny, float32"),
)
