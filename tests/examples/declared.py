"""The models that the examples' manifest declares, built and fed without any of our own program."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MANIFEST = tomllib.loads((EXAMPLES / "modelperf.toml").read_text(encoding="utf-8"))
MODELS: dict[str, dict[str, Any]] = {model["name"]: model for model in MANIFEST["model"]}


def build(name: str) -> nn.Module:
    model = MODELS[name]
    return _attribute(model["target"])(**model.get("kwargs", {}))


def arguments(
    name: str, batch: int, dtype: torch.dtype = torch.float32
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Positional and keyword arguments of one forward, on the default device."""
    inputs = MODELS[name]["inputs"]
    if isinstance(inputs, list):
        return [_tensor(entry, batch, dtype) for entry in inputs], {}
    if isinstance(inputs, dict):
        return [], {key: _tensor(entry, batch, dtype) for key, entry in inputs.items()}
    return [], _attribute(inputs)(batch)


def _attribute(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


def _tensor(entry: dict[str, Any], batch: int, dtype: torch.dtype) -> Tensor:
    shape = [batch if size == "batch" else size for size in entry["shape"]]
    if entry.get("dtype") == "int64":
        return torch.randint(entry["low"], entry["high"], shape)
    assert "dtype" not in entry, "say here how to make it"
    if "low" in entry:
        return torch.empty(shape, dtype=dtype).uniform_(entry["low"], entry["high"])
    return torch.randn(shape, dtype=dtype)
