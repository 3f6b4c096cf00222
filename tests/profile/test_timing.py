"""Quantiles and intervals by hand, blocks, and settings that are put back."""

from __future__ import annotations

import gc
import statistics

import pytest
import torch

from reporter.profile import timing
from reporter.profile.failures import ProfileFailure
from reporter.profile.peak import peak_bytes
from reporter.profile.timing import Prepared, choose_device, prepare, quantile
from reporter.records import Inputs, InputSpec, Measure, ModelSpec

SOURCE = """
import torch
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 32))

class Raising(nn.Linear):
    def forward(self, x):
        raise RuntimeError("too wide")

def weightless():
    with torch.device("meta"):
        return nn.Linear(16, 2)

def lazy():
    return nn.LazyLinear(2)

class Steps(nn.Module):
    taken = 0
    def forward(self, x):
        for _ in range(3):
            Steps.taken += 1
            yield x
"""


@pytest.fixture
def spec(user_module):
    name = user_module(SOURCE)

    def made(attribute="mlp", kwargs=None, **measure):
        inputs = Inputs(positional=(InputSpec(shape=("batch", 16)),))
        return ModelSpec(name="m", target=f"{name}:{attribute}", kwargs=kwargs or {},
                         inputs=inputs, measure=Measure(device="cpu", **measure))  # fmt: skip

    return made


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch):
    monkeypatch.setattr(timing, "WARM_UP_SECONDS", 0.001)
    monkeypatch.setattr(timing, "WARM_UP_FORWARDS", 2)


def measured(seconds, *, batch=1, input_bytes=0):
    return Prepared(
        device=torch.device("cpu"),
        threads=1,
        batch=batch,
        forward=lambda: None,
        timed=lambda: 0.5,
        input_bytes=input_bytes,
        weight_bytes=0,
        seconds=seconds,
    )


def test_quantiles_are_linear_between_neighbours():
    # Positions 0.1·4 = 0.4 and 0.9·4 = 3.6 of 10, 20, 30, 40, 50.
    ordered = [10.0, 20.0, 30.0, 40.0, 50.0]
    assert quantile(ordered, 0.1) == pytest.approx(14)
    assert quantile(ordered, 0.9) == pytest.approx(46)
    assert quantile(ordered, 0.5) == statistics.median(ordered)
    assert quantile([7.0], 0.99) == 7


def test_quantiles_agree_with_the_standard_library():
    values = sorted((index * 37 % 101) / 7 for index in range(101))
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert [quantile(values, n / 100) for n in (10, 50, 90, 99)] == pytest.approx(
        [cuts[n - 1] for n in (10, 50, 90, 99)]
    )


def test_latency_and_the_interval_of_its_median():
    # 1 … 100 ms in any order: median 50.5; 50 ± 1.96·√100/2 = 40.2 and 59.8, so the order
    # statistics of index 40 and 60, which are 41 and 61 ms.
    latency = measured([each / 1e3 for each in range(100, 0, -1)]).latency()
    assert (latency.n, latency.median_ms) == (100, pytest.approx(50.5))
    assert latency.ci95_ms == pytest.approx((41, 61))
    assert (latency.p10_ms, latency.p90_ms) == pytest.approx((10.9, 90.1))


def test_few_forwards_have_the_widest_interval():
    assert measured([0.003, 0.001, 0.002]).latency().ci95_ms == pytest.approx((1, 3))


def test_throughput_is_batch_over_time():
    # 8 samples in 1, 2 and 4 s: 8, 4, 2 a second; 4 · 96 / 8 bytes of each sample.
    throughput = measured([1.0, 2.0, 4.0], batch=8, input_bytes=96).throughput()
    assert throughput.median_per_s == 4
    assert throughput.p10_per_s == pytest.approx(2 + 0.2 * 2)
    assert throughput.input_bytes_per_s == 4 * 12


def test_a_block_runs_at_least_so_many_and_at_least_so_long():
    prepared = measured([])
    assert prepared.run_block(0, 3) == (3, 1.5)
    assert prepared.run_block(2, 1) == (4, 2.0)
    assert len(prepared.seconds) == 7


def test_nothing_measured_is_no_zero():
    with pytest.raises(RuntimeError, match="no block was run"):
        measured([]).latency()


@pytest.mark.parametrize("collecting", [True, False])
def test_settings_are_put_back_also_after_an_exception(collecting):
    def failing():
        assert (torch.get_num_threads(), gc.isenabled()) == (1, False)
        raise RuntimeError("stop")

    was_enabled, threads = gc.isenabled(), torch.get_num_threads()
    prepared = measured([])
    prepared.timed = failing
    torch.set_num_threads(2)
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(ProfileFailure):
            prepared.run_block(1, 1)
        assert (torch.get_num_threads(), gc.isenabled()) == (2, collecting)
    finally:
        torch.set_num_threads(threads)
        (gc.enable if was_enabled else gc.disable)()


def test_a_real_model(spec):
    prepared = prepare(spec(), batch=4)
    prepared.run_block(0.0, 5)
    latency = prepared.latency()
    assert (latency.n, latency.batch, prepared.threads) == (5, 4, 1)
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms
    # 4·16 values; 16·64 + 64 and 64·32 + 32 weights.
    assert (prepared.input_bytes, prepared.weight_bytes) == (4 * 64, 4 * (1088 + 2080))


def test_training_leaves_no_gradients(spec):
    prepared = prepare(spec(mode="train"), batch=4)
    prepared.run_block(0.0, 1)
    model = prepared.forward.__closure__
    layers = [
        cell.cell_contents for cell in model if isinstance(cell.cell_contents, torch.nn.Module)
    ]
    assert layers
    assert all(parameter.grad is None for parameter in layers[0].parameters())


def test_a_generator_is_run_to_its_end(spec):
    prepared = prepare(spec("Steps"), batch=1)
    model = prepared.forward()
    assert len(model) == 3


def test_lazy_layers_weigh_what_they_become(spec):
    assert prepare(spec("lazy"), batch=1).weight_bytes == 4 * (16 * 2 + 2)


@pytest.mark.parametrize(
    ("attribute", "kwargs", "stage", "message"),
    [
        ("Raising", {"in_features": 16, "out_features": 2}, "forward", "RuntimeError: too wide"),
        ("weightless", {}, "build", "without weights (meta device)"),
    ],
)
def test_what_cannot_be_timed_says_why(attribute, kwargs, stage, message, spec):
    with pytest.raises(ProfileFailure) as caught:
        prepare(spec(attribute, kwargs), batch=1)
    assert caught.value.error.stage == stage
    assert message in caught.value.error.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_devices():
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ProfileFailure, match="'cuda:1', but torch sees no CUDA device"):
        choose_device("cuda:1")


def test_peak_by_hand(spec):
    # Weights 3168 values, the input 8·16; while the ReLU runs its input and result, 8·64 each.
    prepared = prepare(spec(), batch=8)
    assert peak_bytes(prepared) == 4 * (3168 + 8 * 16 + 2 * 8 * 64)
