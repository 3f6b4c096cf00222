"""Every architecture of transformers at its default configuration, beside torch's own counter.

On meta tensors torch's `FlopCounterMode` sees attention as plain products, so that it is right
wherever it runs; what it has no formula for (recurrent layers, grouped products) is none of these.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reporter.profile import ladder
from reporter.profile.failures import ProfileFailure
from reporter.profile.tensors import Arguments, make_arguments
from reporter.records import Inputs, InputSpec, ModelSpec

PATIENCE_S = 30
META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One architecture: our MACs and torch's; or who failed, and why."""

    name: str
    ours: int | None = None
    torch: int | None = None
    unsuitable: str = ""
    refused: str = ""
    uncounted: tuple[str, ...] = ()


def model_of(model_type: str) -> nn.Module:
    """The bare model of that type, at its default configuration."""
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model: nn.Module = AutoModel.from_config(CONFIG_MAPPING[model_type]())
    return model


def survey() -> Iterator[Surveyed]:
    """Each model type of `AutoModel`, one after the other, without its weights."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    # Nothing fits into no memory: a model that wants real tensors is refused, and says why.
    ladder._SHARE_OF_MEMORY = 0.0
    for model_type in MODEL_MAPPING_NAMES:
        if model_type in CONFIG_MAPPING:
            yield _surveyed(model_type)


def _surveyed(model_type: str) -> Surveyed:
    try:
        with _patience(), META:
            model = model_of(model_type).eval()
            inputs = plausible_inputs(model)
    except Exception as error:
        return Surveyed(model_type, unsuitable=_short(error))
    spec = ModelSpec(
        name=model_type,
        target="transformers_survey:model_of",
        kwargs={"model_type": model_type},
        inputs=Inputs(keyword=inputs),
    )
    try:
        with _patience():
            cost = ladder.count_model(spec).count.cost
    except (ProfileFailure, TimeoutError) as error:
        return Surveyed(model_type, refused=_short(error))
    try:
        with _patience(), META, ladder.operations_in_parts(), torch.no_grad():
            second = _flop_counter(model, make_arguments(spec, model, batch=1).to(META))
    except Exception as error:
        return Surveyed(model_type, ours=cost.macs, unsuitable=_short(error))
    return Surveyed(model_type, cost.macs, second, uncounted=tuple(cost.uncounted))


def _flop_counter(model: nn.Module, arguments: Arguments) -> int:
    with FlopCounterMode(display=False) as counter:
        arguments.passed_to(model)
    return int(counter.get_total_flops() // 2)


def plausible_inputs(model: Any) -> dict[str, InputSpec]:
    """A short text, a picture or a sound, by the name of the model's main input."""
    configuration, main = model.config, model.main_input_name
    text = getattr(configuration, "text_config", None) or configuration
    vision = getattr(configuration, "vision_config", None) or configuration
    vocabulary = min(getattr(text, "vocab_size", None) or 100, 1000)
    by_name = {
        "input_ids": _words(32, vocabulary),
        "pixel_values": _picture(vision),
        "input_values": InputSpec(shape=("batch", 16000)),
        "input_features": InputSpec(
            shape=("batch", getattr(configuration, "num_mel_bins", 80), 3000)
        ),
    }
    inputs = {main: by_name[main]} if main in by_name else {}
    if getattr(configuration, "is_encoder_decoder", False) and main != "pixel_values":
        inputs["decoder_input_ids"] = _words(8, vocabulary)
    return inputs


def _picture(configuration: Any) -> InputSpec:
    side = getattr(configuration, "image_size", None) or 224
    sides = tuple(side) if isinstance(side, (list, tuple)) else (side, side)
    return InputSpec(shape=("batch", getattr(configuration, "num_channels", 3), *sides))


def _words(length: int, vocabulary: int) -> InputSpec:
    return InputSpec(shape=("batch", length), dtype="int64", low=3, high=max(4, vocabulary))


def _short(error: Exception) -> str:
    text = error.error.message if isinstance(error, ProfileFailure) else str(error)
    return f"{type(error).__name__}: {text}".strip().splitlines()[0][:120]


@contextmanager
def _patience() -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise TimeoutError(f"more than {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
