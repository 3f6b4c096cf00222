"""Builders of records with plain figures, and golden files for whole documents."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reporter.compare.delta import compare
from reporter.records import (
    Comparison,
    Cost,
    Latency,
    Layer,
    Machine,
    ModelError,
    ModelResult,
    Revision,
    Snapshot,
    Throughput,
    Timing,
    Tool,
)

MACHINE = Machine(
    system="Linux 6.1 x86_64",
    python="3.12.4",
    torch="2.13.0",
    cpu="AMD EPYC 7763",
    cpu_count=4,
    threads=2,
    memory_bytes=16 * 1024**3,
)


def make_machine(**changed: Any) -> Machine:
    return replace(MACHINE, **changed)


def make_cost(**changed: Any) -> Cost:
    """4.09 G FLOPs and so on: about a ResNet-50."""
    cost = Cost(
        macs=4_089_284_608,
        madds=8_190_000_000,
        params=25_557_032,
        param_bytes=102_228_128,
        trainable_params=25_557_032,
        buffers=53_120,
        buffer_bytes=212_692,
        read_bytes=300_000_000,
        write_bytes=180_000_000,
        activation_peak_bytes=19_000_000,
    )
    return replace(cost, **changed)


def make_layer(path: str = "", type: str = "Linear", **changed: Any) -> Layer:
    layer = Layer(
        path=path,
        type=type,
        calls=1,
        params=0,
        macs=0,
        madds=0,
        read_bytes=0,
        write_bytes=0,
        input_shapes=((1, 8),),
        output_shapes=((1, 8),),
    )
    return replace(layer, **changed)


def make_timing(
    median_ms: float = 20.0,
    *,
    spread: float = 0.01,
    batch: int = 1,
    peak_bytes: int | None = 200 * 1024**2,
    device: str = "cpu",
) -> Timing:
    """A latency with p10 and p90 `spread` (a share) around it, and eight times its throughput."""
    low, high, rate = median_ms * (1 - spread), median_ms * (1 + spread), 8000 / median_ms
    latency = Latency(
        batch=batch,
        n=50,
        median_ms=median_ms,
        p10_ms=low,
        p90_ms=high,
        p99_ms=high * 1.05,
        ci95_ms=(low, high),
    )
    throughput = Throughput(
        batch=8,
        n=30,
        median_per_s=rate,
        p10_per_s=rate * (1 - spread),
        p90_per_s=rate * (1 + spread),
        input_bytes_per_s=rate * 602_112,
    )
    return Timing(
        device=device, threads=2, latency=latency, throughput=throughput, peak_bytes=peak_bytes
    )


def make_result(name: str = "resnet50", **changed: Any) -> ModelResult:
    """One profiled model; keywords of `Cost` go to its cost, the others to the result."""
    of_cost = {key: changed.pop(key) for key in list(changed) if key in Cost.__slots__}
    result = ModelResult(
        name=name, status="ok", error=None, batch=1, cost=make_cost(**of_cost), layers=()
    )
    return replace(result, **changed)


def make_failure(name: str = "broken", **changed: Any) -> ModelResult:
    error = ModelError(
        stage="forward",
        message="RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x512 and 256x10)",
        traceback=(
            'Traceback (most recent call last):\n  File "zoo/broken.py", line 12, in forward\n'
            "    return self.head(x)\n"
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x512 and 256x10)\n"
        ),
    )
    return ModelResult(
        name=name, status="failed", error=replace(error, **changed), batch=1, cost=None
    )


def make_snapshot(*models: ModelResult, side: str = "head", **changed: Any) -> Snapshot:
    """A snapshot of these models; its SHA repeats the first hexadecimal letter of `side`."""
    labels = {"head": "working tree", "base": "main"}
    revision = Revision(
        sha={"head": "e", "base": "b"}[side] * 40,
        dirty=False,
        label=labels[side],
        how="the merge-base with main" if side == "base" else None,
    )
    snapshot = Snapshot(
        schema=1,
        tool=Tool(name="modelperf-report", version="0.1.0"),
        revision=revision,
        machine=MACHINE,
        models=models,
    )
    return replace(snapshot, **changed)


def make_comparison(
    base: tuple[ModelResult, ...] | None,
    head: tuple[ModelResult, ...],
    budgets: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Comparison:
    before = None if base is None else make_snapshot(*base, side="base")
    return compare(before, make_snapshot(*head), budgets or {}, notes)


def _as_fixture(builder: Callable[..., Any]) -> Any:
    """The builder itself as a fixture: test modules cannot import a conftest."""
    return pytest.fixture(lambda: builder, scope="session", name=builder.__name__)


_machine = _as_fixture(make_machine)
_cost = _as_fixture(make_cost)
_layer = _as_fixture(make_layer)
_timing = _as_fixture(make_timing)
_result = _as_fixture(make_result)
_failure = _as_fixture(make_failure)
_snapshot = _as_fixture(make_snapshot)
_comparison = _as_fixture(make_comparison)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(autouse=True, scope="session")
def nobody_s_ignored_signals():
    """A runner may have started us with signals ignored (nohup, a background job)."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("name.md", text)`: equal to the file of that name in `golden/` beside the test."""
    folder = Path(request.path).parent / "golden"

    def check(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return check
