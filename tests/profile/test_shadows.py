"""Values that no weight had a part in: questions answered on meta tensors as on real ones."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

from reporter.profile import shadows as shadows_module
from reporter.profile.count import count
from reporter.profile.ladder import operations_in_parts
from reporter.profile.shadows import Shadows
from reporter.profile.tensors import Arguments


class Asking(nn.Module):
    """Square products as many as `ask` says, or of what it returns."""

    def __init__(self, ask, build=lambda: {}):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.ask = ask
        for name, value in build().items():
            if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, x, mask, positions):
        asked = self.ask(self, x, mask, positions)
        if isinstance(asked, torch.Tensor):
            return self.linear(asked)
        for _ in range(asked):
            x = self.linear(x)
        return x


def inputs():
    return Arguments(
        (torch.arange(32.0).reshape(4, 8), torch.tensor([1, 1, 1, 0]), torch.arange(4)), {}
    )


def count_with_values(make, arguments):
    values = Shadows()
    with values.following():
        with torch.device("meta"):
            model = make().eval()
        arguments = arguments.to("meta")
    values.forget_weights(model)
    values.building = False
    with operations_in_parts():
        return count(model, arguments, "inference", shadows=values)


def count_for_real(make, arguments):
    with operations_in_parts():
        return count(make().eval(), arguments, "inference")


def filled_through_a_view(model, x, mask, positions):
    table = torch.zeros(6)
    table[2:4].fill_(1)
    table.view(2, 3)[0].add_(1)
    return int(table.sum())  # 2 + 3


def table_of_sizes(model, x, mask, positions):
    sizes = torch.empty((2, 2), dtype=torch.long, device=x.device)
    for level in range(2):
        sizes[level, 0].fill_(1)
        sizes[level, 1].fill_(level)
    return int(sizes.sum())  # 1 + 0 + 1 + 1


def causal_mask(model, x, mask, positions):
    hidden = torch.empty(4, 4).fill_(1.0).triu_(1)
    return int(hidden.sum())  # 6 above the diagonal


def steps_on_the_cpu(model, x, mask, positions):
    steps = torch.arange(3, device="cpu")
    return (x[:3] * steps.unsqueeze(1)) if steps.tolist() == [0, 1, 2] else 1


SQUARE = 4 * 8 * 8
ASKED = {
    # What is asked, and how many rows of 8 the products of 8 × 8 have in the end.
    "item": (lambda m, x, mask, p: mask.sum().item(), 3 * 4),
    "bool": (lambda m, x, mask, p: 1 if mask.all() else 2, 2 * 4),
    "int": (lambda m, x, mask, p: int(p[-1]), 3 * 4),
    "index": (lambda m, x, mask, p: len(range(p[2])), 2 * 4),
    "tolist": (lambda m, x, mask, p: sum(mask.tolist()), 3 * 4),
    "a_float_input": (lambda m, x, mask, p: 2 if x.max() > 30 else 1, 2 * 4),
    "equal": (lambda m, x, mask, p: 3 if torch.equal(mask[:3], torch.ones_like(mask[:3])) else 1,
              3 * 4),
    "contains": (lambda m, x, mask, p: 2 if 0 in mask[[-1, 0]] and 2 not in mask else 1, 2 * 4),
    "listed_columns": (lambda m, x, mask, p: int(x[:, [0, 1]].sum() > 0) + 1, 2 * 4),
    "constant": (lambda m, x, mask, p: int(torch.tensor([1, 2]).max()), 2 * 4),
    "constant_there": (lambda m, x, mask, p: int(torch.tensor([1, 2], device=x.device).max()),
                       2 * 4),
    "new_constant": (lambda m, x, mask, p: int(m.linear(x).new_ones(3).sum()), 4 + 3 * 4),
    "like_an_activation": (lambda m, x, mask, p: int(torch.ones_like(m.linear(x)[:, 0]).sum()),
                           4 + 4 * 4),
    "range": (lambda m, x, mask, p: int((torch.arange(x.shape[0]) > 1).sum()), 2 * 4),
    "view_written": (filled_through_a_view, 5 * 4),
    "written_piece_by_piece": (table_of_sizes, 3 * 4),
    "causal": (causal_mask, 6 * 4),
    "nonzero": (lambda m, x, mask, p: x[mask.nonzero().squeeze(1)], 3),
    "boolean_mask": (lambda m, x, mask, p: x[mask.bool()], 3),
    "boolean_mask_of_an_activation": (lambda m, x, mask, p: m.linear(x)[mask.bool()], 4 + 3),
    "masked_select": (lambda m, x, mask, p: m.linear(x).masked_select(mask.bool()[:, None])
                      .view(-1, 8), 4 + 3),
    "repeat_interleave": (lambda m, x, mask, p: m.linear(x).repeat_interleave(p, dim=0), 4 + 6),
    "unique": (lambda m, x, mask, p: len(mask.unique()), 2 * 4),
    "on_the_cpu": (steps_on_the_cpu, 3),
    "mixed_with_an_activation": (
        lambda m, x, mask, p: m.linear(x) * torch.ones(8, device="cpu"), 4 + 4),
    "split_by_values": (
        lambda m, x, mask, p: m.linear(x).split([*mask.tolist()[:3], 1])[3], 4 + 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_answered_on_meta_as_for_real(name):
    ask, rows = ASKED[name]
    meta = count_with_values(lambda: Asking(ask), inputs())
    real = count_for_real(lambda: Asking(ask), inputs())
    assert meta.cost.macs == rows * 64
    assert meta.cost == real.cost


BUILT = {
    # Attributes that a constructor makes, and what the forward asks of them.
    "linspace": (lambda: {"rates": [r.item() for r in torch.linspace(0, 2, 3)]},
                 lambda m, x, mask, p: int(sum(m.rates))),
    "listed": (lambda: {"rates": torch.linspace(0, 2, 3).tolist()},
               lambda m, x, mask, p: int(sum(m.rates))),
    "buffer": (lambda: {"steps": torch.tensor([1, 2])},
               lambda m, x, mask, p: int(m.steps.sum())),
    "buffer_filled": (lambda: {"steps": torch.empty(3).fill_(1)},
                      lambda m, x, mask, p: int(m.steps.sum())),
    "small_parameter": (lambda: {"scale": nn.Parameter(torch.ones(()) * 3)},
                        lambda m, x, mask, p: int(m.scale.item())),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_what_a_constructor_makes_is_known(name):
    build, ask = BUILT[name]
    meta = count_with_values(lambda: Asking(ask, build), inputs())
    assert meta.cost == count_for_real(lambda: Asking(ask, build), inputs()).cost
    assert meta.cost.macs == 3 * SQUARE


UNANSWERABLE = {
    "activation": lambda m, x, mask, p: int(m.linear(x).sum()),
    "weight": lambda m, x, mask, p: int(m.linear.weight[0, 0]),
    "random": lambda m, x, mask, p: int(torch.rand(1).sum()),
    "uninitialised": lambda m, x, mask, p: int(torch.empty(1).sum()),
    "overwritten_by_an_activation": lambda m, x, mask, p: int(
        torch.zeros(4, 8).copy_(m.linear(x)).sum()),
    "written_in_part_by_an_activation": lambda m, x, mask, p: int(
        torch.zeros(4, 8).index_add_(0, p, m.linear(x)).sum()),
    "made_random_in_place": lambda m, x, mask, p: int(torch.zeros(3).uniform_().sum()),
    "masked_by_an_activation": lambda m, x, mask, p: x[m.linear(x) > 0],
}  # fmt: skip


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_what_depends_on_weights_or_chance_is_not_made_up(name):
    with pytest.raises((RuntimeError, NotImplementedError)):
        count_with_values(lambda: Asking(UNANSWERABLE[name]), inputs())


def test_packed_sequences_have_the_tokens_that_their_lengths_say():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.lstm = nn.Linear(8, 8), nn.LSTM(8, 5, batch_first=True)

        def forward(self, x, lengths):
            packed = rnn.pack_padded_sequence(self.linear(x), lengths.cpu(), batch_first=True)
            return rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]

    arguments = Arguments((torch.zeros(3, 6, 8), torch.tensor([6, 4, 1])), {})
    meta = count_with_values(Packed, arguments)
    # 18 rows of the layer; 6 + 4 + 1 tokens by 4·5 rows of 8 and of 5 weights.
    assert meta.cost.macs == 18 * 64 + 11 * 20 * (8 + 5)
    assert meta.layers[0].output_shapes == ((3, 6, 5),)
    assert meta.cost.macs == count_for_real(Packed, arguments).cost.macs


def test_numpy_reads_what_is_known():
    pytest.importorskip("numpy")
    meta = count_with_values(
        lambda: Asking(lambda m, x, mask, p: int(mask.numpy().sum())), inputs()
    )
    assert meta.cost.macs == 3 * SQUARE


def test_large_tensors_are_never_computed():
    # A million products of a million: nobody computes this in a test, and nobody asks for it.
    side = 1 << 20
    x = torch.ones(side, device="cpu")

    class Outer(nn.Module):
        def forward(self, x):
            return F.relu(x[:, None] * x[None, :])

    counted = count_with_values(Outer, Arguments((x,), {}))
    assert counted.layers[0].output_shapes == ((side, side),)


def test_long_work_is_not_done_for_a_value():
    # 512³ multiply-accumulates are 2²⁷ of work for a product of 2¹⁸ elements.
    values = Shadows()
    with values.following():
        x = torch.ones(512, 512).to("meta")
        product, row = x @ x, x[:1] @ x
    assert values.of(product) is None
    assert values.of(row).unique().tolist() == [512]


def test_shadows_together_have_a_limit(monkeypatch):
    monkeypatch.setattr(shadows_module, "LARGEST_TOTAL_BYTES", 100)
    values = Shadows()
    first, second = (torch.empty(20, device="meta") for _ in range(2))
    values.keep(first, torch.ones(20))
    values.keep(second, torch.ones(20))
    assert values.of(first) is not None
    assert values.of(second) is None
    del first
    values.keep(second, torch.ones(20))
    assert values.of(second) is not None


def test_a_shadow_goes_with_its_tensor():
    values = Shadows()
    tensor = torch.empty(3, device="meta")
    real = torch.ones(3)
    alive = weakref.ref(real.untyped_storage())
    values.keep(tensor, real)
    view = tensor[1:]
    del tensor, real
    assert values.of(view).tolist() == [1, 1]
    del view
    gc.collect()
    assert alive() is None
    assert not values._values


def test_weights_are_forgotten_and_small_parameters_kept():
    values = Shadows()
    with values.following(), torch.device("meta"):
        model = nn.Sequential(nn.LayerNorm(2000), nn.LayerNorm(8))
        nn.init.ones_(model[1].weight)
    values.forget_weights(model)
    assert values.of(model[0].weight) is None
    assert values.of(model[1].weight).tolist() == [1] * 8
