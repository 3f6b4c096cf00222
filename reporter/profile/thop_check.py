"""thop as second opinion: the same forward through its hooks, beside ours, with the reasons.

It runs on a copy of the model, made as for our own count and thrown away afterwards, so that the
buffers and hooks that thop leaves behind are nobody's. Whatever goes wrong in it becomes words.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..records import Layer, ModelSpec, OpinionLayer, SecondOpinion
from .failures import ProfileFailure, failing_in
from .ladder import CountedModel, operations_in_parts
from .load import SEED, build
from .tensors import Arguments, make_arguments

MOST_LAYERS = 50

_SMALL_PARAM_BYTES, _SMALL_MACS = 1 << 30, 50 * 10**9
"""A model that is no larger is run for real, where thop cannot run it on meta tensors."""

_Found = tuple[float, float, dict[str, Any]]


def second_opinion(spec: ModelSpec, counted: CountedModel) -> SecondOpinion | None:
    """What thop says of the forward of `spec`, held against our own count.

    Returns:
        None where thop is not installed. Never raises: what thop could not do is its `error`.
    """
    try:
        version = importlib.metadata.version("thop")
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        with failing_in("worker"):
            return _opinion(spec, counted, version)
    except ProfileFailure as failure:
        said = f"thop could not: {failure.error.message}"
        return SecondOpinion(tool="thop", version=version, error=said)


def _opinion(spec: ModelSpec, counted: CountedModel, version: str) -> SecondOpinion:
    if spec.measure.mode == "train":
        raise NotImplementedError("it counts no backward")
    thop = _imported()
    macs, params, tree = _found(thop, spec, counted)
    layers = _differing(counted.count.layers, dict(_flat(tree["model"])), thop.profile.__globals__)
    return SecondOpinion(
        tool="thop", version=version, macs=int(macs), params=int(params), layers=tuple(layers)
    )


def _imported() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its distutils are deprecated, which nobody here can mend
        return importlib.import_module("thop")


def _found(thop: ModuleType, spec: ModelSpec, counted: CountedModel) -> _Found:
    """On meta tensors, else for real: it may want values that our own count had otherwise."""
    is_small = counted.count.cost.param_bytes <= _SMALL_PARAM_BYTES
    is_small = is_small and counted.count.cost.macs <= _SMALL_MACS
    if counted.counting.rung == "meta":
        try:
            return _run(thop, spec, on_meta=True)
        except Exception:
            if not is_small:
                raise
    return _run(thop, spec, on_meta=False)


# Running it -------------------------------------------------------------------------------------


class _Positional(nn.Module):
    """The model with its keyword arguments bound: thop passes positional ones only."""

    def __init__(self, model: nn.Module, arguments: Arguments, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self._arguments = arguments
        self._device = device

    def forward(self) -> Any:
        # thop makes its buffers before and outside, where they can be read.
        with self._device:
            return self._arguments.passed_to(self.model)


def _run(thop: ModuleType, spec: ModelSpec, *, on_meta: bool) -> _Found:
    """MACs, parameters, and by child name (MACs, parameters, children) all the way down."""
    device = torch.device("meta" if on_meta else "cpu")
    model = build(spec, on_meta=on_meta)
    arguments = make_arguments(spec, model, spec.measure.latency_batch).to(device)
    wrapped = _Positional(model, arguments, device)
    with torch.random.fork_rng(devices=[]), operations_in_parts(), _quiet():
        torch.manual_seed(SEED)
        found: _Found = thop.profile(wrapped, inputs=(), verbose=False, ret_layer_info=True)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


# Where the two differ -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Figures:
    """Of one module, without its descendants."""

    macs: int
    params: int


def _flat(entry: tuple[float, float, dict[str, Any]], path: str = "") -> Iterator[tuple[str, Any]]:
    macs, params, children = entry
    yield (
        path,
        _Figures(
            round(macs - sum(child[0] for child in children.values())),
            round(params - sum(child[1] for child in children.values())),
        ),
    )
    for name, child in children.items():
        yield from _flat(child, f"{path}.{name}" if path else name)


@dataclass(frozen=True, slots=True)
class _Side:
    """One module as both see it; `is_leaf` by our layers, `has_rule` by thop's table."""

    layer: Layer
    own: _Figures
    theirs: _Figures
    is_leaf: bool
    has_rule: bool


def _differing(
    layers: tuple[Layer, ...], theirs: Mapping[str, _Figures], thop_globals: Mapping[str, Any]
) -> list[OpinionLayer]:
    rules = {kind.__name__ for kind in thop_globals["register_hooks"]}
    sides = [
        _Side(layer, own, theirs.get(layer.path, _Figures(0, 0)), is_leaf, layer.type in rules)
        for layer, own, is_leaf in _own(layers)
    ]
    rows = [
        OpinionLayer(
            path=side.layer.path,
            type=side.layer.type,
            macs=side.own.macs,
            their_macs=side.theirs.macs,
            params=side.own.params,
            their_params=side.theirs.params,
            reason=_reason(side),
        )
        for side in sides
        if side.own != side.theirs
    ]
    rows.sort(key=_difference, reverse=True)
    return rows[:MOST_LAYERS]


def _difference(row: OpinionLayer) -> tuple[int, int]:
    return abs(row.macs - row.their_macs), abs(row.params - row.their_params)


def _own(layers: tuple[Layer, ...]) -> Iterator[tuple[Layer, _Figures, bool]]:
    """Each layer with its figures less its direct children's, and whether it has none."""
    children: dict[str, list[Layer]] = {layer.path: [] for layer in layers}
    for layer in layers[1:]:
        children[layer.path.rpartition(".")[0]].append(layer)
    for layer in layers:
        below = children[layer.path]
        macs = layer.macs - sum(child.macs for child in below)
        # A tensor that two children share is theirs both, and once in their parent.
        params = max(layer.params - sum(child.params for child in below), 0)
        yield layer, _Figures(macs, params), not below


def _reason(side: _Side) -> str:
    return next(words for applies, words in _REASONS if applies(side)).format(
        type=side.layer.type, calls=side.layer.calls
    )


_MOVED_OR_SCALED = ("Norm", "Pool", "Softmax", "ReLU", "Upsample", "Upsampling")


def _is_counted_elementwise(side: _Side) -> bool:
    return side.own.macs == 0 < side.theirs.macs and any(
        word in side.layer.type for word in _MOVED_OR_SCALED
    )


_RECURRENT = ("RNN", "LSTM", "GRU")

_REASONS: tuple[tuple[Callable[[_Side], bool], str], ...] = (
    (
        lambda side: side.layer.calls == 0 < side.theirs.macs,
        "shared: thop counts a module again under each of its names",
    ),
    (
        lambda side: side.layer.calls == 0,
        "not called under this name, and left out by thop",
    ),
    (
        lambda side: not side.is_leaf and side.own.macs != side.theirs.macs,
        "functional: operations in the forward of {type} itself, which thop does not see",
    ),
    (
        lambda side: not side.is_leaf,
        "parameters on a module that is no leaf, which thop leaves out",
    ),
    (lambda side: not side.has_rule, "thop knows no layer of type {type}"),
    (_is_counted_elementwise, "thop counts {type} as multiply–accumulates"),
    (
        lambda side: side.layer.type.startswith(_RECURRENT),
        "thop adds the biases and activations of {type}",
    ),
    (
        lambda side: "ConvTranspose" in side.layer.type,
        "thop takes a transposed convolution for one from its inputs to its outputs",
    ),
    (
        lambda side: side.layer.calls > 1,
        "called {calls} times, which thop counts differently",
    ),
    (lambda side: True, "counted by another formula"),
)
"""What may make the difference, the first that applies."""
