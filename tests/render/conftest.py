"""Whole comparisons to render, one for each kind of report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reporter.records import Budget, Counting

GROWTH = Budget(metric="macs", kind="growth", limit=0.0, text="+0%")
LATENCY = Budget(metric="latency_ms", kind="growth", limit=0.05, text="+5%")
CAP = Budget(metric="peak_bytes", kind="cap", limit=16 * 1024**3, text="16 GiB")


@pytest.fixture(scope="session")
def layers(make_layer):
    """A root of 1 G FLOPs: 600 M in `stem`, 300 M in `head`, 100 M in the root's own forward."""

    def build(head_macs=300_000_000, head_params=1000):
        return (
            make_layer("", "Net", macs=700_000_000 + head_macs, params=500 + head_params),
            make_layer("stem", "Sequential", macs=600_000_000, params=500),
            make_layer("stem.0", "Conv2d", macs=600_000_000, params=500),
            make_layer("head", "Linear", macs=head_macs, params=head_params),
        )

    return build


@pytest.fixture(scope="session")
def comparisons(make_result, make_failure, make_timing, make_comparison, layers):
    """Comparisons by the name of their golden file."""
    plain = make_result(macs=1_000_000_000, params=1500, layers=layers())
    grown = make_result(
        macs=1_020_000_000, params=1600, layers=layers(320_000_000, 1100), madds=8_200_000_000
    )
    single = (replace(plain, timing=make_timing()), make_result("vit_b_16"), make_failure())

    def timed(name, median_ms, **more):
        return make_result(name, timing=make_timing(median_ms, **more))

    mixed_base = (
        plain,
        make_result("unet", macs=48_000_000_000),
        make_result("tagger"),
        make_result("captioner"),
        make_result("retired"),
        make_failure(
            "late", stage="import", message="ImportError: No module named 'timm'", traceback=""
        ),
        make_failure("broken"),
        make_result("same_1", declaration={"measure": {"throughput_batch": 8}}),
        make_result("same_2", timing=make_timing()),
    )
    mixed_head = (
        grown,
        make_result("unet", macs=36_000_000_000, read_bytes=290_000_000),
        make_result("tagger", read_bytes=300_000_004, uncounted={"aten.cdist": 3}),
        make_result("captioner", macs=4_000_000_000, write_bytes=190_000_000),
        make_failure("broken"),
        make_result("late"),
        make_result(
            "fresh",
            counting=Counting(rung="real", reason="numpy() on a meta tensor is not possible"),
        ),
        make_result("same_1", declaration={"measure": {"throughput_batch": 16}}),
        make_result("same_2", timing=make_timing(20.1)),
    )
    budgets = {
        "resnet50": (GROWTH,),
        "unet": (GROWTH, CAP),
        "fresh": (GROWTH,),
        "same_2": (LATENCY, CAP),
    }
    timed_base = (timed("steady", 20.0), timed("slower", 20.0), timed("moved", 20.0))
    timed_head = (
        timed("steady", 20.1),
        timed("slower", 26.0),
        timed("moved", 20.0, device="cuda:0"),
    )
    missing = ("There is no base: the branch main has no manifest.",)
    return {
        "head_only": make_comparison(None, single),
        "base_missing": make_comparison(
            None,
            (plain,),
            {"resnet50": (GROWTH, replace(CAP, metric="activation_peak_bytes"))},
            missing,
        ),
        "unchanged": make_comparison((plain, make_result("vit")), (plain, make_result("vit"))),
        "mixed": make_comparison(mixed_base, mixed_head, budgets),
        "timings": make_comparison(
            timed_base, timed_head, {"slower": (LATENCY,), "steady": (LATENCY,)}
        ),
    }
