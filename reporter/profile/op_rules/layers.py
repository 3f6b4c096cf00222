"""Norms, softmax, pooling, interpolation, embedding bags and losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from .elements import STATISTICS, per_input
from .work import Arguments, Rule, Shape, Work, per_output

_NORMALISE = 2
"""Per element: minus the mean, times 1/sqrt(var + eps)."""


def _norm(statistics: Callable[[Arguments], bool]) -> Rule:
    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        affine = sum(arg.get(name) is not None for name in ("weight", "bias"))
        per_element = _NORMALISE + affine + (STATISTICS if statistics(arg) else 0)
        return Work(0, prod(out[0]) * per_element)

    return rule


def _rms_norm(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Per element: a square, an addition, a multiplication, and one by the weight."""
    return Work(0, prod(out[0]) * (3 + (arg.get("weight") is not None)))


def _norm_backward(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Per element 8 for dx = w·s·(dy - mean(dy) - x̂·mean(dy·x̂)), 3 for Σ dy·x̂ and Σ dy."""
    elements = prod(arg["grad_out"] if "grad_out" in arg else arg["grad_output"])
    of_input, *of_weights = arg.get("output_mask", (True, True, True))
    return Work(0, elements * (8 * bool(of_input) + 3 * any(of_weights)))


def _weight_norm(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Of w = v · g/‖v‖, per element a square, an addition and a multiplication."""
    return Work(0, 3 * prod(arg["v"]))


def softmax_rows(rows: int, n: int) -> Work:
    """Of n elements: n - 1 comparisons, n subtractions, n exp, n - 1 additions, n divisions."""
    return Work(0, rows * (5 * n - 2) if n else 0)


def _softmax(arg: Arguments, out: Sequence[Shape]) -> Work:
    n = out[0][arg["dim"]] if out[0] else 1
    return softmax_rows(prod(out[0]) // max(n, 1), n)


def _log_softmax(arg: Arguments, out: Sequence[Shape]) -> Work:
    """As softmax, with one log a row and a subtraction an element instead of the division."""
    n = out[0][arg["dim"]] if out[0] else 1
    return Work(0, prod(out[0]) // max(n, 1) * (5 * n - 1))


def _pool(dimensions: int, *, average: bool) -> Rule:
    """A window of k values: k - 1 comparisons or additions, and a division for the mean."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        sides = arg["kernel_size"]
        window = sides[0] ** dimensions if len(sides) == 1 else prod(sides)
        return Work(0, prod(out[0]) * (window - 1 + average))

    return rule


def _adaptive_pool(*, average: bool) -> Rule:
    """The windows cover the input once: inputs - outputs, and a division an output for the mean."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        inputs, outputs = prod(next(iter(arg.values()))), prod(out[0])
        return Work(0, max(inputs - outputs, 0) + (outputs if average else 0))

    return rule


def _fractional_pool(dimensions: int) -> Rule:
    """A window of k values, wherever it was drawn: k - 1 comparisons."""
    return _pool(dimensions, average=False)


def _embedding_bag(arg: Arguments, out: Sequence[Shape]) -> Work:
    """The rows of each bag are added up; for a mean (mode 1), divided; a maximum compares."""
    looked_up, outputs = prod(arg["indices"]) * arg["weight"][-1], prod(out[0])
    weighted = looked_up if arg.get("per_sample_weights") is not None else 0
    mean = outputs if arg.get("mode", 0) == 1 else 0
    return Work(0, max(looked_up - outputs, 0) + weighted + mean)


def _affine_grid(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Each coordinate is a row of theta times a point: d products, d - 1 additions, an offset."""
    return Work(0, prod(out[0]) * (2 * arg["theta"][-1] - 2))


def _loss(operations: int) -> Rule:
    """`operations` an element, and, unless `reduction` is 0, their sum; divided for a mean (1)."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        elements = prod(arg["self"])
        reduced = {0: 0, 1: elements, 2: max(elements - 1, 0)}[arg.get("reduction", 1)]
        return Work(0, operations * elements + reduced)

    return rule


def _likelihood(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Of each target, one value is picked and negated; then the losses are summed or averaged."""
    targets = prod(arg["target"])
    reduced = {0: 0, 1: targets, 2: max(targets - 1, 0)}[arg.get("reduction", 1)]
    return Work(0, targets + reduced)


def _interpolation(neighbours: int) -> Rule:
    """A weighted sum of `neighbours` inputs an output; the weights are shared and left out."""
    return per_output(2 * neighbours - 1)


def _always(_: Arguments) -> bool:
    return True


def _never(_: Arguments) -> bool:
    return False


def _when_training(arg: Arguments) -> bool:
    """Of a batch norm: in training, and without running statistics, it computes its own."""
    return bool(arg.get("training", True)) or arg.get("running_mean") is None


def _instance_statistics(arg: Arguments) -> bool:
    return bool(arg["use_input_stats"])


LAYERS: dict[str, Rule] = {
    "batch_norm": _norm(_when_training),
    "native_batch_norm": _norm(_when_training),
    "cudnn_batch_norm": _norm(_when_training),
    "_native_batch_norm_legit": _norm(_when_training),
    "_native_batch_norm_legit_no_training": _norm(_never),
    "_batch_norm_with_update": _norm(_always),
    "_batch_norm_no_update": _norm(_never),
    "instance_norm": _norm(_instance_statistics),
    "layer_norm": _norm(_always),
    "native_layer_norm": _norm(_always),
    "group_norm": _norm(_always),
    "native_group_norm": _norm(_always),
    "rms_norm": _rms_norm,
    "_fused_rms_norm": _rms_norm,
    "native_layer_norm_backward": _norm_backward,
    "native_batch_norm_backward": _norm_backward,
    "native_group_norm_backward": _norm_backward,
    "cudnn_batch_norm_backward": _norm_backward,
    "batch_norm_backward": _norm_backward,
    "_fused_rms_norm_backward": _norm_backward,
    "_weight_norm_interface": _weight_norm,
    "_weight_norm_interface_backward": per_output(6),
    "softmax": _softmax,
    "_softmax": _softmax,
    "_safe_softmax": _softmax,
    "log_softmax": _log_softmax,
    "_log_softmax": _log_softmax,
    "_softmax_backward_data": per_output(4),
    "_log_softmax_backward_data": per_output(4),
    **{f"max_pool{n}d": _pool(n, average=False) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _pool(n, average=False) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _pool(n, average=True) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive_pool(average=True) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive_pool(average=True) for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive_pool(average=False) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices_backward": per_input(1) for n in (2, 3)},
    **{f"avg_pool{n}d_backward": per_output(1) for n in (2, 3)},
    **{f"_adaptive_avg_pool{n}d_backward": per_output(1) for n in (2, 3)},
    "fractional_max_pool2d": _fractional_pool(2),
    "fractional_max_pool3d": _fractional_pool(3),
    "embedding_bag": _embedding_bag,
    "_embedding_bag": _embedding_bag,
    "embedding_dense_backward": per_input(1),
    **dict.fromkeys(
        ("nll_loss", "nll_loss_forward", "nll_loss2d", "nll_loss2d_forward"), _likelihood
    ),
    "nll_loss_backward": per_output(1),
    "nll_loss2d_backward": per_output(1),
    "mse_loss": _loss(2),
    "mse_loss_backward": per_output(3),
    "huber_loss": _loss(5),
    "smooth_l1_loss": _loss(5),
    "binary_cross_entropy": _loss(6),
    "binary_cross_entropy_with_logits": _loss(8),
    "affine_grid_generator": _affine_grid,
    **{
        f"upsample_{kind}_backward": per_input(1)
        for kind in ("nearest1d", "nearest2d", "nearest3d")
    },
    **{f"_upsample_nearest_exact{n}d_backward": per_input(1) for n in (1, 2, 3)},
    "upsample_linear1d_backward": per_input(4),
    "upsample_bilinear2d_backward": per_input(8),
    "upsample_trilinear3d_backward": per_input(16),
    "upsample_bicubic2d_backward": per_input(32),
    "upsample_linear1d": _interpolation(2),
    "upsample_bilinear2d": _interpolation(4),
    "_upsample_bilinear2d_aa": _interpolation(4),
    "upsample_trilinear3d": _interpolation(8),
    "upsample_bicubic2d": _interpolation(16),
    "_upsample_bicubic2d_aa": _interpolation(16),
    "grid_sampler": _interpolation(4),
    "grid_sampler_2d": _interpolation(4),
    "grid_sampler_3d": _interpolation(8),
}
