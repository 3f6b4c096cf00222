"""Which changes of a declaration make another question of it, and for which metrics."""

from __future__ import annotations

import pytest

from reporter.compare.budgets import exit_code
from reporter.compare.question import declared_differently, why_other_question
from reporter.errors import ExitCode
from reporter.metrics import METRICS
from reporter.records import Budget

MEASURE = {
    "device": "auto",
    "dtype": "float32",
    "mode": "inference",
    "latency_batch": 1,
    "throughput_batch": 8,
}
ASKED = {
    "target": "zoo:net",
    "kwargs": {"width": 8},
    "inputs": {"positional": [{"shape": ["batch", 8]}]},
    "measure": MEASURE,
}
EVERY = {metric.name for metric in METRICS}


def changed(key, value):
    if key in MEASURE:
        return {**ASKED, "measure": {**MEASURE, key: value}}
    return {**ASKED, key: value}


@pytest.mark.parametrize(
    ("key", "value", "affected"),
    [
        ("inputs", {"positional": [{"shape": ["batch", 800]}]}, EVERY - {"params"}),
        ("dtype", "float16", EVERY - {"params"}),
        ("mode", "train", EVERY - {"params"}),
        ("latency_batch", 4, EVERY - {"params", "throughput_per_s"}),
        ("throughput_batch", 16, set()),
        ("kwargs", {"width": 16}, set()),
        ("target", "zoo:other", set()),
    ],
)
def test_what_makes_another_question(key, value, affected, make_result):
    base, head = make_result(declaration=ASKED), make_result(declaration=changed(key, value))
    assert declared_differently(base, head) == ((key,) if affected else ())
    why = {metric.name: why_other_question(metric, base, head) for metric in METRICS}
    assert {name for name, said in why.items() if said} == affected
    assert {why[name] for name in affected} <= {f"declared differently: {key}"}


def test_another_batch_is_another_question_whatever_was_recorded(make_result):
    assert declared_differently(make_result(batch=1), make_result(batch=2)) == ("latency_batch",)
    assert declared_differently(make_result(), make_result(declaration=ASKED)) == ()


def test_a_changed_question_compares_parameters_alone(make_result, make_layer, make_comparison):
    def net(cost, declaration):
        root = make_layer("", "Net", macs=2 * cost, params=10)
        own = make_layer("fc", macs=cost, params=10)
        return make_result(macs=2 * cost, params=10, layers=(root, own), declaration=declaration)

    head = net(500, changed("inputs", []))
    budgets = (
        Budget(metric="macs", kind="growth", limit=0.0, text="+0%"),
        Budget(metric="params", kind="growth", limit=0.0, text="+0%"),
        Budget(metric="macs", kind="cap", limit=999, text="999"),
    )
    comparison = make_comparison((net(5, ASKED),), (head,), {"resnet50": budgets[:2]})
    (model,) = comparison.models
    seen = {delta.metric: delta.change for delta in model.metrics}
    assert seen["params"] == "unchanged" and model.layers == ()
    assert {change for name, change in seen.items() if name != "params"} == {"not comparable"}
    assert [verdict.state for verdict in model.budgets] == ["unknown", "kept"]
    assert model.budgets[0].reason == "declared differently: inputs"
    assert exit_code(comparison, "regression") == ExitCode.FINE
    capped = make_comparison((net(5, ASKED),), (head,), {"resnet50": budgets[2:]})
    assert capped.models[0].budgets[0].state == "broken"
