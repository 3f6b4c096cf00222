"""Results made from shapes against the ones that a CPU really computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reporter.profile.meta_kernels import meta_result
from reporter.profile.operations import operation

aten = torch.ops.aten


def t(*shape: int) -> torch.Tensor:
    return torch.rand(shape)


def lstm(**options):
    layer = nn.LSTM(8, 5, **options)
    sizes = (options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1), 3, 5)
    source = t(3, 7, 8) if options.get("batch_first") else t(7, 3, 8)
    return (source, [t(*sizes), t(*sizes)], [p.detach() for p in layer.parameters()], True,
            options.get("num_layers", 1), 0.0, False, bool(options.get("bidirectional")),
            bool(options.get("batch_first")))  # fmt: skip


q = t(2, 4, 6, 8)
transposed = t(2, 6, 4, 8).transpose(1, 2)
part = t(2, 6, 3, 4, 8).unbind(2)[1].transpose(1, 2)

CALLS = {
    "relu": (aten.relu.default, (t(4, 8),)),
    "softmax": (aten.softmax.int, (t(4, 8), -1)),
    "add": (aten.add.Tensor, (t(4, 8), t(4, 8))),
    "relu_transposed": (aten.relu.default, (transposed,)),
    "relu_channels_last": (aten.relu.default,
                           (t(2, 4, 8, 8).to(memory_format=torch.channels_last),)),
    "relu_of_a_part": (aten.relu.default, (t(4, 6, 8).transpose(0, 2).contiguous().mT,)),
    "add_a_number": (aten.add.Tensor, (transposed, 2)),
    "add_broadcast": (aten.add.Tensor, (t(4, 8), t(8))),
    "add_broadcast_left": (aten.add.Tensor, (t(8), t(4, 8))),
    "mul_transposed": (aten.mul.Tensor, (transposed, t(6, 8))),
    "mul_of_two_orders": (aten.mul.Tensor, (transposed, t(2, 4, 6, 8))),
    "div_of_two_orders": (aten.div.Tensor, (t(2, 4, 6, 8), transposed)),
    "sub_one_of_one": (aten.sub.Tensor, (t(2, 1, 8), t(2, 1, 1))),
    "pow": (aten.pow.Tensor_Scalar, (t(4, 8), 3)),
    "mean": (aten.mean.dim, (t(4, 6, 8), [-1], True)),
    "mean_of_two": (aten.mean.dim, (t(4, 6, 8), [0, 2])),
    "embedding": (aten.embedding.default, (t(10, 8), torch.tensor([[1, 2, 3]]))),
    "addmm": (aten.addmm.default, (t(5), t(4, 8), t(8, 5))),
    "cat": (aten.cat.default, ([t(4, 2, 8), t(4, 3, 8)], 1)),
    "cat_last": (aten.cat.default, ([t(4, 8), t(4, 1)], -1)),
    "grouped": (aten._grouped_mm.default,
                (t(16, 8), t(2, 8, 24), torch.tensor([4, 16], dtype=torch.int32))),
    "linear": (aten.linear.default, (t(2, 4, 8), t(5, 8), t(5))),
    "batch_norm": (aten.batch_norm.default,
                   (t(2, 4, 3, 3), t(4), t(4), t(4), t(4), False, 0.1, 1e-5, True)),
    "layer_norm": (aten.layer_norm.default, (t(2, 4, 8), [8], t(8), t(8))),
    "conv2d": (aten.conv2d.default,
               (t(2, 4, 9, 8), t(6, 2, 3, 2), t(6), [2, 1], [1, 0], [1, 2], 2)),
    "attention": (aten.scaled_dot_product_attention.default, (q, q, q)),
    "attention_transposed": (aten.scaled_dot_product_attention.default, (transposed,) * 3),
    "attention_of_parts": (aten.scaled_dot_product_attention.default, (part,) * 3),
    "attention_masked": (aten.scaled_dot_product_attention.default, (q, q, q, t(6, 6))),
    "lstm": (aten.lstm.input, lstm()),
    "lstm_deep": (aten.lstm.input, lstm(num_layers=2, bidirectional=True)),
    "lstm_batch_first": (aten.lstm.input, lstm(batch_first=True)),
}  # fmt: skip


def on_meta(value):
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return [on_meta(each) for each in value] if isinstance(value, list) else value


def layout(result):
    results = result if isinstance(result, tuple) else (result,)
    return [(tuple(each.shape), each.stride(), each.dtype) for each in results]


@pytest.mark.parametrize("name", CALLS)
def test_laid_out_as_on_a_cpu(name):
    func, args = CALLS[name]
    seen = operation(func)
    with torch.inference_mode():
        real = func(*args)
        made = meta_result(seen.name, seen.named([on_meta(each) for each in args], {}))
    assert layout(made) == layout(real)


WRONG = {
    "linear": lambda x: F.linear(x, torch.zeros(5, 7)),
    "bias": lambda x: F.linear(x, torch.zeros(5, 8), torch.zeros(4)),
    "conv": lambda x: F.conv2d(x.view(1, 2, 4, 4), torch.zeros(4, 3, 3, 3)),
    "too_small": lambda x: F.conv2d(x.view(1, 2, 4, 4), torch.zeros(4, 2, 5, 5)),
    "add": lambda x: x + torch.zeros(7),
    "addmm": lambda x: torch.addmm(torch.zeros(5), x, torch.zeros(7, 5)),
    "cat": lambda x: torch.cat([x, torch.zeros(3, 7)]),
    "mean": lambda x: x.mean((2,)),
    "norm": lambda x: F.layer_norm(x, (7,)),
    "attention": lambda x: F.scaled_dot_product_attention(
        x.view(1, 1, 4, 8), torch.zeros(1, 1, 4, 6), torch.zeros(1, 1, 4, 6)),
    "mask": lambda x: F.scaled_dot_product_attention(
        x.view(1, 1, 4, 8), x.view(1, 1, 4, 8), x.view(1, 1, 4, 8), torch.zeros(5, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_fails_as_it_would_for_real(name, calling, on):
    model = calling(WRONG[name])
    for device in ("cpu", "meta"):
        with pytest.raises((RuntimeError, IndexError)):
            on(device, model, t(4, 8))


def test_what_is_unusual_is_left_to_torch():
    overlapping = t(4, 1).to("meta").expand(4, 8)
    assert meta_result("aten::relu", {"self": overlapping}) is NotImplemented
    assert meta_result("aten::relu", {"self": t(4)}) is NotImplemented
    assert meta_result("aten::no_such_operation", {}) is NotImplemented
