"""Models of timm beside the table that timm publishes with its benchmarks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from reporter.records import Inputs, InputSpec, ModelSpec

TABLE = Path(__file__).with_name("timm_published.csv")


def timm_model(name: str, **settings: Any) -> nn.Module:
    """The timm model of that name, without its weights."""
    import timm

    return timm.create_model(name, pretrained=False, **settings)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Row:
    """What timm publishes of a model on pictures of `side` pixels; rounded to two decimals.

    `gmacs` is what fvcore counted: with norms and pooling, without the products of fused
    attention where it was on, without recurrent layers.
    """

    model: str
    side: int
    params_m: float
    gmacs: float

    def spec(self) -> ModelSpec:
        """As a manifest declares it."""
        picture = InputSpec(shape=("batch", 3, self.side, self.side))
        return ModelSpec(
            name=f"{self.model} {self.side}",
            target="timm_models:timm_model",
            kwargs={"name": self.model} | self._sized(),
            inputs=Inputs(positional=(picture,)),
        )

    def _sized(self) -> dict[str, Any]:
        """Some are built for one size of picture; timm's own benchmark passes it on."""
        import timm

        default = timm.get_pretrained_cfg(self.model, allow_unregistered=False)
        if default is None or default.input_size[1] == self.side or not default.fixed_input_size:
            return {}
        return {"img_size": self.side}


def parameters(row: Row) -> int:
    """By torch's own sum, of the model that timm builds now; it may have changed since."""
    import torch

    with torch.device("meta"):
        model = timm_model(**row.spec().kwargs)
    return sum(parameter.numel() for parameter in model.parameters())


def published(path: Path = TABLE) -> list[Row]:
    """The rows of the table; any CSV file of timm's results/benchmark-infer-* will do too."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [
        Row(
            row["model"],
            int(row.get("side") or row["infer_img_size"]),
            float(row.get("params_m") or row["param_count"]),
            float(row.get("gmacs") or row["infer_gmacs"]),
        )
        for row in csv.DictReader(lines)
    ]
