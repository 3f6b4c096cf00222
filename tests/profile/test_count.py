"""Whole counts: the seed's example, bytes, training, the unknown, and what is left behind."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from reporter.profile.count import count
from reporter.profile.tensors import Arguments


def t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_the_worked_example(device, on):
    # Conv 3 → 2, 7 × 7, stride 2: M = (500 - 7 + 2·3)/2 + 1 = 250, 2·250² outputs of 147 products.
    model = nn.Sequential(
        nn.Conv2d(3, 2, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(2), nn.ReLU()
    )
    counted = on(device, model, t(1, 3, 500, 500))
    conv, norm, relu = counted.layers[1:]
    assert (conv.macs, conv.madds) == (125_000 * 147, 125_000 * (2 * 147 - 1))
    assert (conv.macs, conv.madds) == (18_375_000, 36_625_000)
    assert (conv.read_bytes, conv.write_bytes) == (3_001_176, 500_000)
    assert conv.output_shapes == ((1, 2, 250, 250),)
    # 4 operations an element; 500,000 B of input and four vectors of 2 (γ, β, mean, variance).
    assert (norm.macs, norm.madds) == (0, 500_000)
    assert (norm.read_bytes, norm.write_bytes) == (500_000 + 4 * 2 * 4, 500_000)
    assert (relu.macs, relu.madds, relu.read_bytes, relu.write_bytes) == (
        0, 125_000, 500_000, 500_000)  # fmt: skip
    assert counted.cost.params == 294 + 4
    assert (counted.cost.buffers, counted.cost.buffer_bytes) == (2 + 2 + 1, 4 * 4 + 8)


N = 4 * 8  # elements of the inputs below, four bytes each

MOVED = {
    # (read, written) in bytes.
    "view": (lambda x: x.view(8, 4).t()[1:], (0, 0)),
    "binary": (lambda x, y: x + y, (2 * 4 * N, 4 * N)),
    "the_same_tensor_twice_is_read_once": (lambda x: x * x, (4 * N, 4 * N)),
    "expanded": (lambda x: x[:, :1].expand(4, 8) + 1, (4 * 4, 4 * N)),
    "in_place": (lambda x: x.mul_(2), (4 * N, 4 * N)),
    "fill": (lambda x: x.zero_(), (0, 4 * N)),
    "copy_in": (lambda x, y: x.copy_(y), (4 * N, 4 * N)),
    "out": (lambda x, y: torch.mul(x, y, out=torch.empty(4, 8)), (2 * 4 * N, 4 * N)),
    "cat": (lambda x, y: torch.cat([x, y]), (2 * 4 * N, 2 * 4 * N)),
    "contiguous_of_contiguous": (lambda x: x.contiguous(), (0, 0)),
    "contiguous_of_transposed": (lambda x: x.t().contiguous(), (4 * N, 4 * N)),
    "reshape_without_a_copy": (lambda x: x.reshape(32), (0, 0)),
    # 3 rows of 8 and their three indices.
    "embedding": (lambda x, i: F.embedding(i, x), (3 * 8 * 4 + 3 * 8, 3 * 8 * 4)),
    "index_select": (lambda x, i: x.index_select(0, i), (3 * 8 * 4 + 3 * 8, 3 * 8 * 4)),
    "half": (lambda x: x.half() + 1, (4 * N + 2 * N, 2 * N + 2 * N)),
}


@pytest.mark.parametrize("name", MOVED)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_bytes_moved(name, device, calling, on):
    function, expected = MOVED[name]
    second = {"i": torch.tensor([0, 1, 1])}.get(function.__code__.co_varnames[-1], t(4, 8))
    args = (t(4, 8), second)[: function.__code__.co_argcount]
    cost = on(device, calling(function), *args).cost
    assert (cost.read_bytes, cost.write_bytes) == expected


def test_an_unknown_operation_is_named_and_its_results_still_move(calling, on):
    @torch.library.custom_op("modelperf_test::smooth", mutates_args=())
    def smooth(x: torch.Tensor) -> torch.Tensor:
        return x * 0.5 + 0.25

    smooth.register_fake(torch.empty_like)
    for device in ("meta", "cpu"):
        cost = on(device, calling(lambda x: smooth(smooth(x)).relu()), t(4, 8)).cost
        assert cost.uncounted == {"modelperf_test::smooth": 2}
        assert cost.madds == N  # the relu alone
        assert (cost.read_bytes, cost.write_bytes) == (3 * 4 * N, 3 * 4 * N)


TRAINED = {
    "linear": (nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)), t(4, 8)),
    "conv": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3)),
             torch.rand(2, 3, 8, 8)),
    "transposed": (nn.ConvTranspose2d(3, 4, 3, stride=2), t(2, 3, 5, 5)),
    "encoder": (nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), t(2, 5, 8)),
    "lstm": (nn.LSTM(8, 5, num_layers=2), t(7, 3, 8)),
    "gru": (nn.GRU(8, 5), t(7, 3, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINED)
def test_training_agrees_with_torchs_own_counter(name, on):
    model, source = TRAINED[name]
    counted = on("meta", model, source, mode="train").cost
    reference, x = _on_meta(model.train()), source.to("meta")
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        result = reference(x)
        (result[0] if isinstance(result, tuple) else result).sum().backward()
    assert counted.macs == counter.get_total_flops() // 2  # it counts two for each
    assert counted.uncounted == {}


def _on_meta(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).to("meta")


def test_training_a_linear_layer(on):
    # Forward 4·6 outputs of 8 products and a bias; the weight's gradient 6·8 sums of 4 products;
    # the bias's 6 sums of 4. The input needs no gradient.
    cost = on("meta", nn.Linear(8, 6), t(4, 8), mode="train").cost
    assert cost.macs == 24 * 8 + 48 * 4
    assert cost.madds == 24 * 16 + 48 * 7 + 6 * 3


def test_training_a_softplus(on):
    # Forward 3 an element, backward 4: exp, plus 1, a division, a product with the gradient.
    model = nn.Sequential(Shift(), nn.Softplus())
    cost = on("meta", model, t(2, 4, 8, 8), mode="train").cost
    assert (cost.madds, cost.uncounted) == ((1 + 3 + 4) * 2 * 4 * 64, {})


def test_training_a_convolution(on):
    # 2·6·6 pixels by 4 channels of 27 products forward; as many for the weight's 4·27 sums; the
    # bias sums 72 pixels for each of 4 channels.
    cost = on("meta", nn.Conv2d(3, 4, 3), t(2, 3, 8, 8), mode="train").cost
    products = 72 * 4 * 27
    assert cost.macs == 2 * products
    assert cost.madds == (72 * 4 * 54) + (2 * products - 4 * 27) + (4 * 71)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm(8)])
def test_training_a_norm(norm, on):
    # Statistics 4, normalising 2, γ and β 2; backward 3 for Σ dy·x̂ and Σ dy, and 8 for the input's
    # gradient, but only where something before the norm wants it: here an added parameter.
    source, elements = t(2, 4, 8, 8), 2 * 4 * 64
    batches = int(isinstance(norm, nn.BatchNorm2d))  # it counts the batches it has seen
    alone, shifted = nn.Sequential(norm), nn.Sequential(Shift(), norm)
    cost = on("meta", alone, source, mode="train").cost
    assert cost.madds == (8 + 3) * elements + batches
    cost = on("meta", shifted, source, mode="train").cost
    assert cost.madds == (1 + 8 + 3 + 8) * elements + batches


class Shift(nn.Module):
    """One addition an element forward, none backward: the gradient passes as it is."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(t(2, 4, 8, 8))

    def forward(self, x):
        return x + self.by


def test_training_a_grouped_convolution(on):
    # Each product of the forward, 2·6·6 pixels by 4 channels of 9, once again for the weight:
    # torch's own counter has it twice there, once for each group.
    cost = on("meta", nn.Conv2d(2, 4, 3, groups=2), t(2, 2, 8, 8), mode="train").cost
    assert cost.macs == 2 * (72 * 4 * 9)


def test_training_needs_something_to_differentiate(calling, on):
    with pytest.raises(ValueError, match="requires a gradient"):
        on("meta", calling(lambda x: x + 1), t(2), mode="train")


def test_a_generator_is_run_to_its_end(on):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):
            for _ in range(3):
                x = self.linear(x)
                yield x

    assert on("meta", Steps(), t(4, 8)).cost.macs == 3 * 4 * 8 * 8


def test_the_branch_of_a_condition_that_is_taken(calling, on):
    def forward(x):
        return torch.cond(x.sum() > 0, lambda y: y @ y.mT, lambda y: y @ y.mT @ y, (x,))

    assert on("cpu", calling(forward), t(4, 8)).cost.macs == 4 * 4 * 8
    assert on("cpu", calling(forward), -t(4, 8)).cost.macs == 2 * 4 * 4 * 8


def test_tensors_made_of_tensors_are_counted_inside(calling, on):
    def forward(x):
        ragged = torch.nested.nested_tensor([x, x[:2]], layout=torch.jagged)
        return ragged.unbind()[0] @ x.mT

    assert on("cpu", calling(forward), t(4, 8)).cost.macs == 4 * 4 * 8


@pytest.mark.filterwarnings("ignore:.*nested tensors is in prototype")
def test_nested_and_sparse_tensors_are_named_where_they_hide_their_shapes(calling, on):
    def sparse(x):
        return torch.sparse.mm(x.to_sparse(), x.mT)

    assert on("cpu", calling(sparse), t(4, 8)).cost.uncounted != {}

    def nested(x):
        return torch.nested.to_padded_tensor(torch.nested.nested_tensor([x, x]), 0.0)

    assert on("cpu", calling(nested), t(4, 8)).cost.uncounted != {}


class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        self.linear(x)
        raise RuntimeError("no further")


def globals_of_torch() -> tuple[object, ...]:
    hooks = torch.nn.modules.module
    return (
        torch.get_rng_state().tolist(),
        random.getstate(),
        torch.get_default_dtype(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.mkldnn.enabled,
        torch.is_grad_enabled(),
        len(hooks._global_forward_hooks),
        len(hooks._global_forward_pre_hooks),
    )


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_nothing_is_left_behind(device, on):
    model, raising = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)), Raising()
    before = globals_of_torch()
    on(device, model, t(4, 8))
    assert globals_of_torch() == before
    with pytest.raises(RuntimeError, match="no further"):
        on(device, raising, t(4, 8))
    assert globals_of_torch() == before


def test_the_models_gradients_are_its_own_afterwards():
    model = nn.Linear(8, 6)
    model.weight.grad = mine = torch.ones(6, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count(model, Arguments((t(4, 8),), {}), "train")
    assert model.weight.grad is mine
    assert bool((mine == 1).all())
    assert model.bias.grad is None
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


@pytest.mark.slow
def test_two_hundred_models_in_one_process_leave_nothing_behind(user_module):
    import gc

    from reporter.profile.ladder import count_model
    from reporter.records import Inputs, InputSpec, ModelSpec

    name = user_module(
        """
        import torch
        from torch import nn

        class Asking(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(20))
                self.register_buffer("steps", torch.arange(1000))

            def forward(self, x):
                for layer in self.layers[: int(x.shape[0] + (self.steps < 10).sum())]:
                    x = layer(x)
                return x
        """
    )
    inputs = Inputs(positional=(InputSpec(shape=("batch", 64)),))
    spec = ModelSpec(name="m", target=f"{name}:Asking", inputs=inputs)

    def objects_alive():
        gc.collect()
        return len(gc.get_objects())

    for _ in range(5):
        count_model(spec)
    before = objects_alive()
    for _ in range(200):
        assert count_model(spec).count.cost.macs == 11 * 64 * 64
    # A few lists of Python's own may come and go; one object a model would be 200.
    assert objects_alive() - before < 100


def test_many_models_in_one_process_leave_no_storage_behind(on):
    import gc

    def tensors_alive():
        gc.collect()
        return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())

    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    on("meta", model, t(4, 8))
    before = tensors_alive()
    for _ in range(20):
        on("meta", model, t(4, 8))
    assert tensors_alive() <= before
