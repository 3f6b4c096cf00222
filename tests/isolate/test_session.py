"""How a session goes, over real processes of a worker without torch that does as its model says."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from reporter.errors import WorkerError
from reporter.isolate import subprocess_worker
from reporter.isolate.session import (
    TimingPlan,
    Tree,
    _turns,
    machine_of,
    model_names,
    profile_trees,
    start_worker,
)
from reporter.records import Inputs, InputSpec, Measure, ModelSpec

WORKER = """
import json, os, sys, time

requests, answers, tree = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
COST = dict.fromkeys(
    ["macs", "madds", "params", "param_bytes", "trainable_params", "buffers", "buffer_bytes",
     "read_bytes", "write_bytes", "activation_peak_bytes"], len(os.path.basename(tree)))
MACHINE = {"system": "s", "python": "3", "torch": tree, "cpu": "c", "cpu_count": 1, "threads": 1,
           "memory_bytes": None}
OPINION = {"tool": "thop", "version": "1", "macs": 7, "params": 8, "error": None, "layers": []}
FAILED = {"stage": "forward", "message": "no", "traceback": "Traceback"}
state = {"target": "", "batch": 0, "n": 0}

def say(message):
    os.write(answers, json.dumps(message).encode() + b"\\n")

def note(*words):
    with open(os.path.join(os.path.dirname(tree), "notes"), "a") as notes:
        print(os.path.basename(tree), *words, file=notes)

def answer(do, given):
    if "model" in given:
        state["target"] = given["model"]["target"]
    if state["target"] == do + ":die":
        print("last words", flush=True)
        os._exit(3)
    if state["target"] == do + ":hang":
        time.sleep(60)
    if do == "machine" and "NO_MACHINE" in os.environ:
        return {"failed": FAILED}
    if state["target"] in (do + ":fail", do + ":fail-in-" + os.path.basename(tree)):
        return {"failed": FAILED}
    return {"ok": OK[do](**given)}

def block(seconds, at_least):
    forward_s = float(state["target"]) if state["target"][0].isdigit() else seconds
    n = max(at_least, round(seconds / forward_s)) if forward_s else at_least
    state["n"] += n
    note("block", state["batch"], n)
    return {"n": n, "seconds": n * forward_s}

def prepare(model, batch):
    state.update(batch=batch, n=0)
    note("prepare", batch)
    return {"device": "cpu", "threads": 1}

OK = {
    "machine": lambda: MACHINE,
    "count": lambda model: {"batch": model["measure"]["latency_batch"], "cost": COST,
                            "layers": [], "counting": {"rung": "meta", "reason": None}},
    "prepare": prepare,
    "block": block,
    "latency": lambda: {"batch": state["batch"], "n": state["n"], "median_ms": 1.0, "p10_ms": 1.0,
                        "p90_ms": 1.0, "p99_ms": 1.0, "ci95_ms": [1.0, 1.0]},
    "throughput": lambda: {"batch": state["batch"], "n": state["n"], "median_per_s": 1.0,
                           "p10_per_s": 1.0, "p90_per_s": 1.0, "input_bytes_per_s": 1.0},
    "peak": lambda: {"peak_bytes": None},
    "release": lambda: note("release") or {},
    "second_opinion": lambda model: note("second_opinion") or {"opinion": OPINION},
}
say({"protocol": 1, "pid": os.getpid(), "python": "3"})
note("start", os.getpid())
for line in open(requests):
    request = json.loads(line)
    say({"id": request["id"], **answer(request["do"], request["with"])})
"""


SCALING = Inputs(positional=(InputSpec(shape=("batch", 4)),))
FIXED = Inputs(positional=(InputSpec(shape=(1, 4)),))


@pytest.fixture(autouse=True)
def worker_without_torch(tmp_path, monkeypatch):
    program = tmp_path / "worker.py"
    program.write_text(WORKER, encoding="utf-8")
    monkeypatch.setattr(subprocess_worker, "_BOOTSTRAP", program)


@pytest.fixture
def trees(tmp_path):
    """A head and a base that declare models of these targets, each named as its target."""

    def make(head: list[str], base: list[str] = ()) -> tuple[Tree, Tree]:
        return _tree(tmp_path / "head", head), _tree(tmp_path / "base", base)

    return make


def _tree(folder: Path, targets: list[str]) -> Tree:
    folder.mkdir()
    measure = Measure(latency_batch=2, throughput_batch=16)
    return Tree(
        folder=folder,
        models=tuple(
            ModelSpec(name=each, target=each, measure=measure, inputs=SCALING) for each in targets
        ),
        declarations={each: {"target": each} for each in targets},
    )


def notes(tree: Tree, kind: str) -> list[list[str]]:
    """What the workers noted of this kind, in order: side, kind, and the rest."""
    lines = (tree.folder.parent / "notes").read_text(encoding="utf-8").splitlines()
    return [words for words in map(str.split, lines) if words[1] == kind]


def only(profiled):
    (model,) = profiled.models
    return model


# Counting ---------------------------------------------------------------------------------------


def test_head_alone_has_no_base(trees):
    head, _ = trees(["a", "b"])
    profiled, base = profile_trees(head, timing=None)
    assert base is None
    assert [model.name for model in profiled.models] == ["a", "b"]
    assert profiled.machine.torch == str(head.folder)
    first = profiled.models[0]
    assert (first.status, first.error, first.batch) == ("ok", None, 2)
    assert first.cost.macs == len("head")
    assert first.declaration == {"target": "a"}
    assert (first.timing, first.counting.rung) == (None, "meta")


def test_head_alone_is_asked_for_a_second_opinion(trees):
    head, base = profile_trees(*trees(["a", "count:fail"], ["a"]), timing=None)
    assert [each.second_opinion and each.second_opinion.macs for each in head.models] == [7, None]
    assert only(base).second_opinion is None


@pytest.mark.parametrize("how", ["die", "fail"])
def test_a_second_opinion_never_costs_the_row(trees, how):
    head, _ = trees([f"second_opinion:{how}", "b"])
    first, second = profile_trees(head, timing=None)[0].models
    assert (first.status, first.error, first.cost.macs) == ("ok", None, len("head"))
    assert first.second_opinion.error.startswith("thop could not: ")
    assert first.second_opinion.macs is None
    assert second.second_opinion.macs == 7


def test_each_tree_has_one_worker_of_its_own(trees):
    head, base = trees(["a", "b"], ["a", "b"])
    profile_trees(head, base, timing=None)
    assert sorted(side for side, *_ in notes(head, "start")) == ["base", "head"]


def test_a_model_is_profiled_where_it_is_declared_and_only_there(trees):
    head, base = trees(["new", "both"], ["both", "gone"])
    at_head, at_base = profile_trees(head, base, timing=None)
    assert [model.name for model in at_head.models] == ["new", "both"]
    assert [model.name for model in at_base.models] == ["both", "gone"]


def test_progress_hears_each_name_once_in_the_order_announced(trees):
    head, base = trees(["b", "a"], ["gone", "a"])
    heard = []
    profile_trees(head, base, timing=None, progress=heard.append)
    assert tuple(heard) == model_names(head, base) == ("b", "a", "gone")


def test_a_tree_without_models_starts_no_worker(trees):
    head, base = trees([], ["a"])
    profiled, _ = profile_trees(head, base, timing=None)
    assert (profiled.models, profiled.machine) == ((), None)
    assert [side for side, *_ in notes(head, "start")] == ["base"]


def test_a_model_that_fails_keeps_the_worker_and_the_others(trees):
    head, _ = trees(["a", "count:fail", "b"])
    profiled, _ = profile_trees(head, timing=TimingPlan(seconds=0.01))
    a, failed, b = profiled.models
    assert (a.status, failed.status, b.status) == ("ok", "failed", "ok")
    assert (failed.error.stage, failed.error.message, failed.cost) == ("forward", "no", None)
    assert failed.batch == 2
    assert failed.declaration == {"target": "count:fail"}
    assert len(notes(head, "start")) == 1


def test_a_model_that_takes_its_worker_with_it_leaves_the_others_a_fresh_one(trees):
    head, _ = trees(["a", "count:die", "b"])
    profiled, _ = profile_trees(head, timing=None)
    a, died, b = profiled.models
    assert (a.status, died.status, b.status) == ("ok", "failed", "ok")
    assert died.error.stage == "worker"
    assert died.error.message == "the worker exited with code 3"
    assert died.error.traceback == "The worker's last output:\nlast words"
    assert len(notes(head, "start")) == 2


def test_a_model_that_hangs_is_ended_at_the_deadline(trees):
    head, _ = trees(["count:hang", "b"])
    profiled, _ = profile_trees(
        head, timing=None, start=lambda folder: start_worker(folder, deadline_s=1.0)
    )
    hung, b = profiled.models
    assert hung.error.message == "the worker did not answer within 1 s (count)"
    assert b.status == "ok"


def test_a_python_that_does_not_start_is_every_models_error(trees):
    head, _ = trees(["a", "b"])
    profiled, _ = profile_trees(
        head, timing=None, start=lambda folder: start_worker(folder, python="/no/python")
    )
    assert profiled.machine is None
    assert [model.error.stage for model in profiled.models] == ["worker", "worker"]
    assert "/no/python" in profiled.models[0].error.message


def test_a_worker_that_ends_before_it_says_hello_is_every_models_error(trees):
    head, _ = trees(["a"])
    profiled, _ = profile_trees(
        head, timing=None, start=lambda folder: start_worker(folder, python="/bin/false")
    )
    assert only(profiled).error.message == "the worker exited with code 1"


def test_all_workers_are_gone_after_an_exception(trees, is_gone):
    head, base = trees(["a"], ["a", "b"])

    def interrupt(name: str) -> None:
        if name == "b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_trees(head, base, timing=None, progress=interrupt)
    pids = [int(pid) for *_, pid in notes(head, "start")]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


def test_the_machine_is_told_without_any_model(trees, is_gone):
    head, _ = trees([])
    assert machine_of(head.folder).torch == str(head.folder)
    assert is_gone(int(notes(head, "start")[0][2]))


def test_a_machine_that_cannot_be_told_is_an_error(trees, monkeypatch):
    head, _ = trees([])
    monkeypatch.setenv("NO_MACHINE", "1")
    with pytest.raises(WorkerError, match=r"^no$"):
        machine_of(head.folder)


# Timing -----------------------------------------------------------------------------------------


def test_latency_and_throughput_are_timed_at_their_batches(trees):
    head, _ = trees(["a"])
    profiled, _ = profile_trees(head, timing=TimingPlan(seconds=0.01))
    timing = only(profiled).timing
    assert (timing.device, timing.threads, timing.peak_bytes) == ("cpu", 1, None)
    assert (timing.latency.batch, timing.throughput.batch) == (2, 16)
    assert [words[2] for words in notes(head, "prepare")] == ["2", "16"]
    assert len(notes(head, "release")) == 1


def test_a_model_whose_inputs_have_no_batch_has_no_throughput(trees):
    head, _ = trees(["a", "b"])
    fixed = replace(head, models=(replace(head.models[0], inputs=FIXED), head.models[1]))
    profiled, _ = profile_trees(fixed, timing=TimingPlan(seconds=0.01))
    without, after = profiled.models
    assert without.error is None
    assert (without.timing.latency.batch, without.timing.throughput) == (2, None)
    assert after.timing.throughput.batch == 16
    assert [words[2] for words in notes(head, "prepare")] == ["2", "2", "16"]


@pytest.mark.parametrize(
    ("forward_s", "blocks", "forwards"),
    [
        ("0.01", 5, 100),  # 1 s in blocks of 1/5 s: 5 blocks of 0.2 / 0.01 = 20 forwards
        ("0.3", 4, 4),  # a forward a block, until 4 × 0.3 = 1.2 ≥ 1 s
        ("7", 3, 3),  # 1 s is over with the first, but three there must be
    ],
)
def test_how_long_a_model_is_timed(trees, forward_s, blocks, forwards):
    head, _ = trees([forward_s])
    profiled, _ = profile_trees(head, timing=TimingPlan(seconds=1.0, blocks=5, forwards=3))
    assert only(profiled).timing.latency.n == forwards
    assert only(profiled).timing.throughput.n == forwards
    for batch in ("2", "16"):
        assert len([words for words in notes(head, "block") if words[2] == batch]) == blocks


def test_blocks_of_no_length_do_not_go_on_for_ever(trees):
    head, _ = trees(["0"])
    profiled, _ = profile_trees(head, timing=TimingPlan())
    assert only(profiled).timing.latency.n == 100


def test_blocks_of_both_sides_alternate(trees):
    head, base = trees(["0.05"], ["0.05"])
    profile_trees(head, base, timing=TimingPlan(seconds=1.0, blocks=20))
    at_latency_batch = [side for side, _, batch, _ in notes(head, "block") if batch == "2"]
    rounds = list(zip(at_latency_batch[::2], at_latency_batch[1::2], strict=True))
    assert len(rounds) == 20
    assert all(set(each) == {"base", "head"} for each in rounds)
    assert sum(first == "head" for first, _ in rounds) == 10


def test_each_order_comes_as_often_and_neither_always_first():
    firsts = []
    for seed in range(40):
        turns = _turns(["A", "B"], random.Random(seed))
        four = ["".join(next(turns)) for _ in range(4)]
        assert sorted(four) == ["AB", "AB", "BA", "BA"]
        assert sorted(four[:2]) == ["AB", "BA"]
        firsts.append(four[0])
    assert 5 < firsts.count("AB") < 35


@pytest.mark.parametrize("step", ["prepare", "block", "latency", "peak", "throughput"])
@pytest.mark.parametrize("how", ["fail", "die"])
def test_a_failure_while_timing_keeps_the_exact_cost(trees, step, how):
    head, _ = trees([f"{step}:{how}", "b"])
    profiled, _ = profile_trees(head, timing=TimingPlan(seconds=0.01))
    model, after = profiled.models
    assert (model.status, model.cost.macs, model.timing) == ("ok", len("head"), None)
    assert model.error.stage == {"fail": "forward", "die": "worker"}[how]
    assert (after.error, after.timing.latency.batch) == (None, 2)


def test_a_side_that_fails_while_timing_leaves_the_other_its_timing(trees):
    head, base = trees(["block:fail-in-head"], ["block:fail-in-head"])
    at_head, at_base = profile_trees(head, base, timing=TimingPlan(seconds=0.01))
    assert (only(at_head).timing, only(at_head).error.message) == (None, "no")
    assert only(at_base).error is None
    assert only(at_base).timing.throughput.batch == 16


def test_a_model_that_was_not_counted_is_not_timed(trees):
    head, base = trees(["count:fail-in-base"], ["count:fail-in-base"])
    at_head, at_base = profile_trees(head, base, timing=TimingPlan(seconds=0.01))
    assert only(at_head).timing is not None
    assert (only(at_base).status, only(at_base).timing) == ("failed", None)
    assert {side for side, *_ in notes(head, "prepare")} == {"head"}
