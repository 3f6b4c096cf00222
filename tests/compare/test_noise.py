"""When a measured change counts, and when two sides cannot be held against each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.compare.noise import Spread, judge, why_machines_differ, why_not_comparable
from reporter.metrics import BY_NAME


def spread(median, low, high, n=5):
    return Spread(n=n, low=low, median=median, high=high)


@pytest.mark.parametrize(
    ("base", "head", "said"),
    [
        # apart (101 < 120) and 21 % of 100 away
        (spread(100, 99, 101), spread(121, 120, 122), "worse"),
        (spread(100, 99, 101), spread(79, 78, 80), "better"),
        # apart, but 19 % away: below the minimum effect of 20 %
        (spread(100, 99.9, 100.1), spread(119, 118.9, 119.1), "within noise"),
        # 20 % exactly is an effect
        (spread(100, 99.9, 100.1), spread(120, 119.9, 120.1), "worse"),
        # so few forwards lie apart by chance
        (spread(100, 99, 101, n=4), spread(200, 199, 201), "within noise"),
        (spread(100, 99, 101), spread(200, 199, 201, n=4), "within noise"),
        # 30 % away, but the intervals share the point 115
        (spread(100, 85, 115), spread(130, 115, 145), "within noise"),
        (spread(130, 115, 145), spread(100, 85, 115), "within noise"),
        (spread(100, 100, 100), spread(100, 100, 100), "within noise"),
    ],
)
def test_a_change_counts_when_intervals_are_apart_and_the_effect_is_large_enough(base, head, said):
    assert judge(base, head, "lower") == said


def test_more_is_better_for_a_throughput():
    slow, fast = spread(100, 99, 101), spread(130, 129, 131)
    assert judge(slow, fast, "higher") == "better"
    assert judge(fast, slow, "higher") == "worse"


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0, 0.5))
def test_swapping_the_sides_never_keeps_a_verdict_of_better(base, head, width):
    sides = [spread(x, x * (1 - width), x * (1 + width)) for x in (base, head)]
    said = {judge(*sides, "lower"), judge(*reversed(sides), "lower")}
    assert said not in ({"better"}, {"worse"})


@pytest.mark.parametrize(
    ("field", "value"),
    [("cpu", "Other"), ("cpu_count", 8), ("threads", 1), ("accelerator", "H100"), ("system", "X")],
)
def test_times_of_different_machines_are_not_comparable(field, value, make_machine):
    why = why_machines_differ(make_machine(), make_machine(**{field: value}))
    assert why is not None and field.replace("_", " ") in why and str(value) in why


@pytest.mark.parametrize(("field", "value"), [("torch", "3"), ("python", "4"), ("memory_bytes", 1)])
def test_versions_and_memory_do_not_make_another_machine(field, value, make_machine):
    assert why_machines_differ(make_machine(), make_machine(**{field: value})) is None


def test_an_unknown_machine_is_not_comparable(make_machine):
    assert why_machines_differ(None, make_machine())
    assert why_machines_differ(make_machine(), None)


@pytest.mark.parametrize(
    ("changed", "metric", "why"),
    [
        ({"device": "cuda:0"}, "latency_ms", "different device: cpu → cuda:0"),
        ({"device": "cuda:0"}, "peak_bytes", "different device: cpu → cuda:0"),
        ({"threads": 1}, "throughput_per_s", "different threads: 2 → 1"),
        ({"device": "cuda:0"}, "macs", None),
        ({}, "latency_ms", None),
    ],
)
def test_a_measurement_is_comparable_only_under_the_same_conditions(
    *, changed, metric, why, make_result, make_timing, make_machine
):
    base = make_result(timing=make_timing())
    head = make_result(timing=replace(make_timing(), **changed))
    machines = (make_machine(), make_machine())
    assert why_not_comparable(BY_NAME[metric], base, head, machines) == why


def test_another_batch_is_another_question(make_result, make_timing, make_machine):
    base, head = make_result(timing=make_timing()), make_result(timing=make_timing(batch=4))
    machines = (make_machine(), make_machine())
    assert why_not_comparable(BY_NAME["latency_ms"], base, head, machines) == (
        "different batch: 1 → 4"
    )
    assert why_not_comparable(BY_NAME["throughput_per_s"], base, head, machines) is None
