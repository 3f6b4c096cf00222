"""Models of torchvision beside what torchvision publishes of them with every set of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torchvision_operators
from torch import nn

from reporter.records import Inputs, InputSpec, ModelSpec

FRAMES = 16
"""Of a clip; torchvision counts every video model at 16, the 32 of Swin's recipe included."""


def torchvision_model(name: str, **settings: Any) -> nn.Module:
    """The torchvision model of that name, without its weights."""
    torchvision_operators.define_if_missing()
    from torchvision import models

    return models.get_model(name, weights=None, **settings)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Entry:
    """One set of weights: `gmacs` is torchvision's `_ops`, rounded to three decimals."""

    model: str
    weights: str
    shape: tuple[int, ...]
    params: int
    gmacs: float

    def spec(self) -> ModelSpec:
        """As a manifest declares it. GoogLeNet's published figures are without its two aids."""
        settings: dict[str, Any] = {}
        if self.model == "googlenet":
            settings = {"aux_logits": False}
        elif self.model.startswith("vit_"):
            settings = {"image_size": self.shape[-1]}
        return ModelSpec(
            name=f"{self.model} {self.weights}",
            target="torchvision_models:torchvision_model",
            kwargs={"name": self.model} | settings,
            inputs=Inputs(positional=(InputSpec(shape=("batch", *self.shape)),)),
        )


def published() -> Iterator[Entry]:
    """Every set of weights of a classifier of pictures or clips; quantised ones apart."""
    torchvision_operators.define_if_missing()
    from torchvision import models

    for module in (models, models.video):
        for name in models.list_models(module=module):
            for weights in models.get_model_weights(name):
                yield Entry(
                    name,
                    weights.name,
                    _shape(weights, clip=module is models.video),
                    weights.meta["num_params"],
                    weights.meta["_ops"],
                )


def _shape(weights: Any, *, clip: bool) -> tuple[int, ...]:
    crop = weights.transforms().crop_size
    sides = (crop[0], crop[0]) if len(crop) == 1 else tuple(crop)
    return (3, FRAMES, *sides) if clip else (3, *sides)
