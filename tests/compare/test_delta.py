"""What becomes of each model and metric of two snapshots."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reporter.compare.delta import compare
from reporter.metrics import METRICS
from reporter.records import Budget


def states(comparison):
    return [(model.name, model.state) for model in comparison.models]


def changes(model):
    return {delta.metric: delta.change for delta in model.metrics}


def test_every_model_has_a_state_and_removed_ones_come_last(
    make_result, make_failure, make_comparison
):
    base = (
        make_result("gone"),
        make_result("kept"),
        make_failure("never"),
        make_failure("mended"),
        make_result("broke"),
        make_failure("dropped"),
    )
    head = (
        make_result("fresh"),
        make_failure("broke"),
        make_result("mended"),
        make_failure("never"),
        make_result("kept"),
        make_failure("stillborn"),
    )
    assert states(make_comparison(base, head)) == [
        ("fresh", "new"),
        ("broke", "failed"),
        ("mended", "base failed"),
        ("never", "failed"),
        ("kept", "compared"),
        ("stillborn", "failed"),
        ("gone", "removed"),
        ("dropped", "removed"),
    ]


def test_without_a_base_caps_are_judged_and_growth_is_unknown(make_result, make_comparison):
    budgets = (
        Budget(metric="params", kind="cap", limit=1000, text="1000"),
        Budget(metric="params", kind="growth", limit=0.0, text="+0%"),
    )
    comparison = make_comparison(None, (make_result(params=1001),), {"resnet50": budgets})
    (model,) = comparison.models
    assert comparison.base is None and model.state == "single"
    assert [verdict.state for verdict in model.budgets] == ["broken", "unknown"]


@pytest.mark.parametrize(("head", "change"), [(99, "better"), (100, "unchanged"), (101, "worse")])
@pytest.mark.parametrize("metric", [metric for metric in METRICS if not metric.timed][:6])
def test_exact_metrics_compare_exactly(metric, head, change, make_result, make_comparison):
    comparison = make_comparison(
        (make_result(**{metric.name: 100}),), (make_result(**{metric.name: head}),)
    )
    seen = {delta.metric: delta for delta in comparison.models[0].metrics}
    assert seen[metric.name].change == change
    assert seen[metric.name].share == pytest.approx((head - 100) / 100)
    assert {delta.change for name, delta in seen.items() if name != metric.name} == {"unchanged"}


def test_a_share_of_nothing_is_no_share(make_result, make_comparison):
    comparison = make_comparison((make_result(params=0),), (make_result(params=5),))
    (delta,) = [d for d in comparison.models[0].metrics if d.metric == "params"]
    assert (delta.change, delta.share) == ("worse", None)


def test_a_metric_is_there_only_where_a_side_has_it(make_result, make_timing, make_comparison):
    timed, untimed = make_result(timing=make_timing(peak_bytes=None)), make_result()
    assert "latency_ms" not in changes(make_comparison((untimed,), (untimed,)).models[0])
    seen = changes(make_comparison((timed,), (untimed,)).models[0])
    assert seen["latency_ms"] == seen["throughput_per_s"] == "not measured"
    assert "peak_bytes" not in seen


def test_new_and_removed_metrics_say_so(make_result, make_comparison):
    comparison = make_comparison((make_result("old"),), (make_result("young"),))
    assert [set(changes(model).values()) for model in comparison.models] == [{"new"}, {"removed"}]


def test_timings_of_two_machines_are_not_compared_and_the_reader_is_told(
    make_result, make_timing, make_snapshot, make_machine
):
    result = make_result(timing=make_timing())
    head = make_snapshot(result, machine=make_machine(cpu="Other"))
    budget = Budget(metric="latency_ms", kind="growth", limit=0.05, text="+5%")
    comparison = compare(
        make_snapshot(result, side="base"), head, {"resnet50": (budget,)}, ["first"]
    )
    (model,) = comparison.models
    seen = changes(model)
    assert seen["latency_ms"] == seen["throughput_per_s"] == seen["peak_bytes"] == "not comparable"
    assert seen["macs"] == "unchanged"
    assert model.budgets[0].state == "unknown"
    assert comparison.notes[0] == "first" and "AMD EPYC 7763 → Other" in comparison.notes[1]
    assert "resnet50 (Latency, Throughput, Peak memory)" in comparison.notes[1]


def test_a_removed_model_has_no_budget_to_keep(make_result, make_comparison):
    budget = Budget(metric="macs", kind="cap", limit=1, text="1")
    comparison = make_comparison((make_result(),), (), {"resnet50": (budget,)})
    assert comparison.models[0].budgets == ()


def test_a_changed_question_is_told_key_by_key(make_result, make_comparison):
    base = make_result(
        declaration={"kwargs": {"num_classes": 10, "width": 64}, "target": "a:b", "mode": "train"}
    )
    head = replace(base, declaration={"kwargs": {"num_classes": 100, "width": 64}, "target": "a:b"})
    (model,) = make_comparison((base,), (head,)).models
    assert model.declaration_changes == (
        "kwargs.num_classes: 10 → 100",
        'mode: "train" → not set',
    )


def test_layers_are_compared_only_where_both_sides_have_them(
    make_result, make_layer, make_failure, make_comparison
):
    one = make_result(layers=(make_layer("", "Net"), make_layer("fc", macs=1)))
    two = make_result(layers=(make_layer("", "Net"), make_layer("fc", macs=2)))
    assert [d.path for d in make_comparison((one,), (two,)).models[0].layers] == ["fc"]
    assert make_comparison((make_failure("resnet50"),), (two,)).models[0].layers == ()
    assert make_comparison((), (two,)).models[0].layers == ()
