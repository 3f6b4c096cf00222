"""The verdict where a question changed, or could not be answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reporter.records import Budget, ModelError
from reporter.render.view import build_view


def first_line(comparison):
    return build_view(comparison).verdict.plain


def asked(shape, **measure):
    of_measure = {"dtype": "float32", "mode": "inference", "latency_batch": 1, **measure}
    return {"target": "zoo:m", "inputs": {"positional": [{"shape": shape}]}, "measure": of_measure}


def test_a_changed_question_is_no_changed_answer(make_result, make_comparison):
    growth = Budget(metric="macs", kind="growth", limit=0.0, text="+0%")
    base = make_result("m", macs=100, declaration=asked([1, 8]))
    head = make_result("m", macs=10_000, declaration=asked([1, 800]))
    view = build_view(make_comparison((base,), (head,), {"m": (growth,)}))
    assert view.verdict.plain == "m is declared differently (inputs); 1 budget not judged."
    assert view.tone == "neutral"
    texts = [cell.text.plain for cell in view.table.rows[0]]
    assert texts[1:4] == ["declared differently", "10.0 K (not comparable)", "25.6 M (±0)"]
    (row,) = view.budgets.parts[0].tables[0].rows
    assert row[-2].text.plain == "not comparable"
    assert row[-1].text.plain == "unknown: declared differently: inputs"
    assert view.layers is None


def test_what_can_be_compared_in_spite_of_another_question_is_said(make_result, make_comparison):
    base = make_result("m", params=100, declaration=asked([1, 8]))
    head = make_result("m", params=150, declaration=asked([1, 8], dtype="float16", mode="train"))
    view = build_view(make_comparison((base,), (head,)))
    said = "m is declared differently (dtype, mode), Params +50.0 %."
    assert (view.verdict.plain, view.tone) == (said, "worse")


def test_a_timing_that_failed_is_in_the_verdict_and_in_the_row(
    make_result, make_comparison, make_timing
):
    error = ModelError(stage="forward", message="OutOfMemoryError")
    untimed = make_result("m", error=error)
    assert first_line(make_comparison(None, (untimed,))) == (
        "1 model profiled; 1 not timed; there is no base to compare with."
    )
    view = build_view(make_comparison((make_result("m"),), (untimed,)))
    assert view.verdict.plain == "m is unchanged; 1 not timed."
    assert view.table.rows[0][1].text.plain == "unchanged, not timed"
    timed = make_result("m", macs=1, timing=make_timing())
    line = first_line(make_comparison((timed,), (untimed, make_result("n"))))
    assert line.endswith("; 1 not timed.") and "m is costlier" in line


@pytest.mark.parametrize(
    ("based", "timed", "said"),
    [(True, True, True), (True, False, False), (False, True, True), (False, False, False)],
)
def test_budgets_that_could_not_be_judged_are_counted_unless_nobody_asked(
    *, based, timed, said, make_result, make_timing, make_comparison
):
    latency = Budget(metric="latency_ms", kind="cap", limit=1, text="1 ms")
    peak = Budget(metric="peak_bytes", kind="cap", limit=1, text="1 B")
    timing = replace(make_timing(peak_bytes=None), latency=None) if timed else None
    head = (make_result("m", timing=timing),)
    line = first_line(make_comparison(head if based else None, head, {"m": (latency, peak)}))
    assert ("; 2 budgets not judged" in line) is said


def test_growth_without_anything_to_grow_from_is_no_budget_not_judged(make_result, make_comparison):
    growth = Budget(metric="macs", kind="growth", limit=0.0, text="+0%")
    for base in (None, (), (make_result("other"),)):
        assert "judged" not in first_line(
            make_comparison(base, (make_result("m"),), {"m": (growth,)})
        )
