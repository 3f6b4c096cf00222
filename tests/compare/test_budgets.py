"""Budgets at their edges, and the exit code of a comparison."""

from __future__ import annotations

import pytest

from reporter.compare.budgets import exit_code, judge_budget, uncounted_at_head
from reporter.compare.delta import compare
from reporter.errors import ExitCode
from reporter.records import Budget, MetricDelta, ModelError


def growth(metric, limit):
    return Budget(metric=metric, kind="growth", limit=limit, text=f"{limit:+.0%}")


def cap(metric, limit):
    return Budget(metric=metric, kind="cap", limit=limit, text=str(limit))


def delta(metric, base, head, change="worse"):
    share = head / base - 1 if base and head is not None else None
    return MetricDelta(metric=metric, base=base, head=head, change=change, share=share)


@pytest.mark.parametrize(
    ("base", "head", "limit", "state"),
    [
        (100, 105, 0.05, "kept"),  # exactly the limit, although 105/100 - 1 > 0.05 in binary
        (100, 106, 0.05, "broken"),
        (1000, 1029, 2.9 / 100, "kept"),  # as "+2.9%" is parsed, and 2.9 / 100 < 0.029 in binary
        (10**15, 10**15 + 1, 0.0, "broken"),  # +0 % means not one more
        (10**15, 10**15, 0.0, "kept"),
        (100, 90, -0.05, "kept"),  # a budget may ask for less
        (100, 96, -0.05, "broken"),
        (0, 0, 0.0, "kept"),
        (0, 1, 9.0, "broken"),  # no share of nothing is something
    ],
)
def test_growth_is_held_against_the_share(base, head, limit, state):
    verdict = judge_budget("m", "compared", growth("macs", limit), delta("macs", base, head))
    assert (verdict.state, verdict.reason) == (state, None)


@pytest.mark.parametrize(
    ("change", "state"), [("within noise", "kept"), ("better", "kept"), ("worse", "broken")]
)
def test_growth_of_a_time_breaks_a_budget_only_when_it_is_more_than_noise(change, state):
    seen = delta("latency_ms", 10.0, 11.0, change)
    assert judge_budget("m", "compared", growth("latency_ms", 0.05), seen).state == state


@pytest.mark.parametrize(("head", "state"), [(95.0, "kept"), (94.9, "broken"), (120.0, "kept")])
def test_a_loss_is_limited_where_more_is_better(head, state):
    seen = delta("throughput_per_s", 100.0, head)
    assert judge_budget("m", "compared", growth("throughput_per_s", -0.05), seen).state == state


@pytest.mark.parametrize(("head", "state"), [(1024, "kept"), (1025, "broken")])
@pytest.mark.parametrize("where", ["single", "new", "base failed", "compared"])
def test_a_cap_needs_no_base(where, head, state):
    seen = delta("peak_bytes", None, head)
    assert judge_budget("m", where, cap("peak_bytes", 1024), seen, "other device").state == state


@pytest.mark.parametrize(
    ("where", "base", "head", "incomparable", "reason"),
    [
        ("single", None, 5, None, "there is no base to compare with"),
        ("new", None, 5, None, "the model is new"),
        ("base failed", None, 5, None, "the model could not be profiled at base"),
        ("failed", 5, None, None, "the model could not be profiled"),
        ("compared", None, 5, None, "not measured at base"),
        ("compared", 5, None, None, "not measured at head"),
        ("compared", 5, 9, "different device", "different device"),
    ],
)
def test_a_budget_without_figures_is_unknown_and_says_why(where, base, head, incomparable, reason):
    seen = delta("macs", base, head)
    verdict = judge_budget("m", where, growth("macs", 0.0), seen, incomparable)
    assert (verdict.state, verdict.reason) == ("unknown", reason)


def test_a_metric_that_was_never_seen_is_unknown():
    verdict = judge_budget("m", "compared", cap("peak_bytes", 1), None)
    assert (verdict.state, verdict.reason) == ("unknown", "not measured at head")


@pytest.mark.parametrize(
    ("grown", "limit", "fails", "fail_on", "code"),
    [
        (False, 0.0, False, "regression", ExitCode.FINE),
        (True, 1.0, False, "budget", ExitCode.FINE),
        (True, 1.0, False, "regression", ExitCode.REGRESSED),
        (True, 0.0, False, "budget", ExitCode.REGRESSED),
        (True, 0.0, False, "never", ExitCode.FINE),
        (False, 0.0, True, "budget", ExitCode.MODEL_FAILED),
        (True, 0.0, True, "budget", ExitCode.REGRESSED),
        (True, 0.0, True, "never", ExitCode.MODEL_FAILED),
    ],
)
def test_the_exit_code_is_the_most_telling(
    *, grown, limit, fails, fail_on, code, make_result, make_failure, make_comparison
):
    base, head = (make_result(macs=100),), (make_result(macs=150 if grown else 100),)
    failure = (make_failure(),) if fails else ()
    comparison = make_comparison(base, (*head, *failure), {"resnet50": (growth("macs", limit),)})
    assert exit_code(comparison, fail_on) == code


def test_noise_is_never_a_regression(make_result, make_timing, make_comparison):
    base = make_result(timing=make_timing(20.0, spread=0.1))
    head = make_result(timing=make_timing(21.0, spread=0.1))
    assert exit_code(make_comparison((base,), (head,)), "regression") == ExitCode.FINE


def test_a_model_that_could_be_counted_but_not_timed_is_a_failure_too(make_result, make_snapshot):
    untimed = make_result("net", error=ModelError(stage="forward", message="out of memory"))
    comparison = compare(None, make_snapshot(untimed), {})
    assert exit_code(comparison, "never") == ExitCode.MODEL_FAILED


@pytest.mark.parametrize(
    ("at_base", "at_head", "strict", "code"),
    [
        ({}, {"mylib::fused": 2}, True, ExitCode.MODEL_FAILED),
        ({}, {"mylib::fused": 2}, False, ExitCode.FINE),
        ({"mylib::fused": 2}, {}, True, ExitCode.FINE),
        ({}, {}, True, ExitCode.FINE),
    ],
)
def test_uncounted_operations_of_head_fail_where_that_is_strict(
    *, at_base, at_head, strict, code, make_result, make_comparison
):
    base, head = make_result(uncounted=at_base), make_result(uncounted=at_head)
    comparison = make_comparison((base,), (head,))
    assert exit_code(comparison, "never", strict=strict) == code
    assert list(uncounted_at_head(comparison)) == (["resnet50"] if at_head else [])
