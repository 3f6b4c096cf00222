"""The program as its users run it: real git repositories, real workers, small models."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reporter.__main__ import main
from reporter.errors import ExitCode
from reporter.snapshot import read_comparison, read_snapshot

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.inner = nn.Linear(4, width)
        self.outer = nn.Linear(width, 2)

    def forward(self, x):
        return self.outer(torch.relu(self.inner(x)))
"""

MANIFEST = """
[[model]]
name = "net"
target = "zoo:Net"
inputs = [{ shape = ["batch", 4] }]
"""


def linear_macs(rows, inputs, outputs):
    return rows * inputs * outputs


def net_macs(width, rows=1):
    return linear_macs(rows, 4, width) + linear_macs(rows, width, 2)


def net_params(width):
    return (4 * width + width) + (width * 2 + 2)


def git(folder, *arguments):
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder


def commit(folder, files, message="change"):
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def run(folder, *arguments):
    return main(["report", "-C", str(folder), "--quiet", "--static", *arguments])


def written(folder, name):
    return (folder / "modelperf-report" / name).read_text()


def comparison_in(folder):
    return read_comparison(written(folder, "comparison.json"), "comparison.json")


def metric(model, name):
    return next(delta for delta in model.metrics if delta.metric == name)


def state_of(folder):
    return {
        "status": git(folder, "status", "--porcelain=v2", "--untracked-files=all"),
        "head": git(folder, "rev-parse", "HEAD"),
        "refs": git(folder, "for-each-ref"),
        "stash": git(folder, "stash", "list"),
        "worktrees": git(folder, "worktree", "list"),
        "staged": git(folder, "diff", "--cached"),
    }


def test_a_widened_layer_is_worse_by_the_formula_in_every_exact_metric(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    git(repository, "switch", "--quiet", "--create", "wider")
    (repository / "zoo.py").write_text(MODEL.replace("width=8", "width=16"))

    assert run(repository, "--base", "main") == ExitCode.FINE

    (model,) = comparison_in(repository).models
    macs, params = metric(model, "macs"), metric(model, "params")
    assert (macs.base, macs.head) == (net_macs(8), net_macs(16))
    assert macs.share == net_macs(16) / net_macs(8) - 1
    assert (params.base, params.head) == (net_params(8), net_params(16))
    assert macs.change == params.change == "worse"
    assert [layer.path for layer in model.layers] == ["inner", "outer"]


@pytest.mark.slow
def test_the_files_of_a_run_tell_the_same_as_its_comparison(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    assert run(repository, "--base", "main") == ExitCode.FINE
    head = read_snapshot(written(repository, "head.json"), "head.json")
    base = read_snapshot(written(repository, "base.json"), "base.json")
    (model,) = head.models
    assert (replace(model, second_opinion=None),) == base.models
    assert (model.second_opinion.macs, model.second_opinion.error) == (net_macs(8), None)
    assert comparison_in(repository).models[0].head == head.models[0]
    layers = {layer.path: layer for layer in head.models[0].layers}
    assert layers[""].macs == head.models[0].cost.macs == net_macs(8)
    assert layers["inner"].macs == linear_macs(1, 4, 8)
    assert "net" in written(repository, "report.md")
    assert "<html" in written(repository, "report.html")


@pytest.mark.slow
def test_the_checkout_is_left_exactly_as_it_was(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    git(repository, "switch", "--quiet", "--create", "feature")
    commit(repository, {"zoo.py": MODEL.replace("width=8", "width=12")})
    (repository / "staged.py").write_text("x = 1\n")
    git(repository, "add", "staged.py")
    (repository / "untracked.txt").write_text("mine\n")
    before = state_of(repository)
    assert run(repository, "--base", "main") == ExitCode.FINE
    assert state_of(repository) == before


@pytest.mark.slow
def test_new_removed_and_failed_models_each_have_their_row(repository):
    two = MANIFEST + MANIFEST.replace('"net"', '"old"')
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": two})
    git(repository, "switch", "--quiet", "--create", "feature")
    broken = MODEL + "\n\ndef broken():\n    raise ValueError('no such weights: 3')\n"
    manifest = (
        MANIFEST
        + MANIFEST.replace('"net"', '"new"')
        + MANIFEST.replace('"net"', '"bad"').replace("zoo:Net", "zoo:broken")
    )
    commit(repository, {"zoo.py": broken, "modelperf.toml": manifest})

    assert run(repository, "--base", "main") == ExitCode.MODEL_FAILED

    states = {model.name: model for model in comparison_in(repository).models}
    assert {name: model.state for name, model in states.items()} == {
        "net": "compared",
        "new": "new",
        "bad": "failed",
        "old": "removed",
    }
    error = states["bad"].head.error
    assert (error.stage, error.message) == ("build", "ValueError: no such weights: 3")
    assert "raise ValueError" in error.traceback
    assert "reporter" not in error.traceback


@pytest.mark.slow
def test_a_base_without_a_manifest_borrows_the_one_of_head(repository):
    commit(repository, {"zoo.py": MODEL})
    git(repository, "switch", "--quiet", "--create", "feature")
    extra = MANIFEST + MANIFEST.replace('"net"', '"added"').replace("zoo:Net", "later:Net")
    commit(repository, {"modelperf.toml": extra, "later.py": MODEL})

    assert run(repository, "--base", "main") == ExitCode.FINE

    comparison = comparison_in(repository)
    assert {model.name: model.state for model in comparison.models} == {
        "net": "compared",
        "added": "new",
    }
    assert any("no manifest" in note for note in comparison.notes)


@pytest.mark.slow
def test_a_base_that_borrows_the_manifest_keeps_its_own_failures(repository):
    """New is only what the base does not have; what it has and cannot import has failed."""
    commit(repository, {"zoo.py": "import no_such_dependency\n" + MODEL})
    extra = MANIFEST + MANIFEST.replace('"net"', '"added"').replace("zoo:Net", "later:Net")
    git(repository, "switch", "--quiet", "--create", "feature")
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": extra, "later.py": MODEL})
    assert run(repository, "--base", "main") == ExitCode.FINE
    states = {model.name: model.state for model in comparison_in(repository).models}
    assert states == {"net": "base failed", "added": "new"}


@pytest.mark.slow
def test_a_target_without_the_inputs_it_needs_is_the_user_s_mistake(tmp_path, capsys):
    (tmp_path / "zoo.py").write_text(MODEL)
    assert main(["profile", "zoo:Net", "-C", str(tmp_path), "--static"]) == ExitCode.USAGE
    assert "--input" in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_base_caps_are_judged_and_nothing_is_compared(repository):
    capped = MANIFEST + f"budget = {{ macs = {net_macs(8) - 1} }}\n"
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": capped})
    assert run(repository) == ExitCode.REGRESSED
    (model,) = comparison_in(repository).models
    assert model.state == "single"
    assert not (repository / "modelperf-report" / "base.json").exists()


@pytest.mark.slow
def test_a_broken_growth_budget_exits_1_and_fail_on_never_does_not(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    git(repository, "switch", "--quiet", "--create", "feature")
    strict = MANIFEST + 'budget = { macs = "+0%" }\n'
    commit(repository, {"zoo.py": MODEL.replace("=8", "=9"), "modelperf.toml": strict})
    assert run(repository, "--base", "main") == ExitCode.REGRESSED
    assert run(repository, "--base", "main", "--fail-on", "never") == ExitCode.FINE


@pytest.mark.slow
def test_fail_on_regression_needs_no_budget(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    (repository / "zoo.py").write_text(MODEL.replace("width=8", "width=9"))
    assert run(repository, "--base", "main") == ExitCode.FINE
    assert run(repository, "--base", "main", "--fail-on", "regression") == ExitCode.REGRESSED


@pytest.mark.slow
def test_a_regression_goes_before_a_failed_model(repository):
    capped = MANIFEST + "budget = { macs = 1 }\n"
    missing = MANIFEST.replace('"net"', '"bad"').replace("zoo:Net", "zoo:Nett")
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": capped + missing})
    assert run(repository) == ExitCode.REGRESSED


@pytest.mark.slow
def test_timing_is_measured_for_both_sides_and_within_noise_of_itself(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    arguments = ["-C", str(repository), "--quiet", "--base", "main", "--seconds", "0.2"]
    assert main(arguments) == ExitCode.FINE
    (model,) = comparison_in(repository).models
    for side in (model.base, model.head):
        latency, throughput = side.timing.latency, side.timing.throughput
        assert latency.p10_ms <= latency.median_ms <= latency.p90_ms <= latency.p99_ms
        assert latency.ci95_ms[0] <= latency.median_ms <= latency.ci95_ms[1]
        assert (latency.batch, throughput.batch) == (1, 8)
        # 8 samples of 4 float32 values a forward.
        assert throughput.input_bytes_per_s == pytest.approx(throughput.median_per_s * 16)
    assert metric(model, "latency_ms").change == "within noise"


@pytest.mark.slow
def test_profile_of_a_target_needs_no_manifest(tmp_path, capsys):
    (tmp_path / "zoo.py").write_text(MODEL)
    arguments = ["-C", str(tmp_path), "--input", "3x4", "--static", "--kwargs", '{"width": 5}']
    assert main(["profile", "zoo:Net", *arguments]) == ExitCode.FINE
    printed = capsys.readouterr().out
    assert "inner" in printed
    assert f"{net_params(5)}" in printed
    assert f"{net_macs(5, rows=3)}" in printed
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "zoo.py"
    ]


@pytest.mark.slow
def test_a_src_layout_in_a_sub_directory_is_compared_in_place(repository):
    project = repository / "sub" / "project"
    commit(
        repository,
        {
            "sub/project/src/zoo/__init__.py": MODEL,
            "sub/project/pyproject.toml": MANIFEST.replace("[[model]]", "[[tool.modelperf.model]]"),
        },
    )
    (project / "src/zoo/__init__.py").write_text(MODEL.replace("width=8", "width=6"))
    assert run(project, "--base", "main") == ExitCode.FINE
    (model,) = comparison_in(project).models
    assert (metric(model, "macs").base, metric(model, "macs").head) == (net_macs(8), net_macs(6))
    assert metric(model, "macs").change == "better"


@pytest.mark.slow
def test_shards_merge_into_the_whole(repository, tmp_path):
    names = ["a", "b", "c"]
    manifest = "".join(MANIFEST.replace('"net"', f'"{name}"') for name in names)
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": manifest})
    shards = []
    for index in (1, 2):
        assert run(repository, "--shard", f"{index}/2", "--output-dir", f"part{index}") == 0
        shards.append(str(repository / f"part{index}" / "head.json"))
    merged = tmp_path / "merged.json"
    assert main(["merge", *shards, "--output", str(merged)]) == ExitCode.FINE
    assert run(repository) == ExitCode.FINE
    whole = read_snapshot(written(repository, "head.json"), "whole")
    joined = read_snapshot(merged.read_text(), "merged")
    assert sorted(model.name for model in joined.models) == names
    assert {model.name: model for model in joined.models} == {
        model.name: model for model in whole.models
    }


@pytest.mark.slow
def test_the_output_of_a_run_is_invisible_to_git_and_replaces_that_of_the_last(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    run(repository, "--base", "main")
    assert (repository / "modelperf-report" / "base.json").exists()
    run(repository)
    assert not (repository / "modelperf-report" / "base.json").exists()
    assert git(repository, "status", "--porcelain") == ""


ENDLESS = (
    MODEL
    + """

class Endless(Net):
    def forward(self, x):
        import pathlib, os, time
        pathlib.Path(os.environ["STARTED"]).write_text(str(os.getpid()))
        while True:
            time.sleep(0.01)
"""
)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_worker_and_no_trace_in_the_checkout(
    repository, tmp_path, signal_number
):
    endless = MANIFEST.replace("zoo:Net", "zoo:Endless")
    commit(repository, {"zoo.py": ENDLESS, "modelperf.toml": endless})
    before = state_of(repository)
    started, temporary = tmp_path / "started", tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "STARTED": str(started), "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-m", "reporter", "-C", str(repository), "--static", "--base", "main"],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: started.exists() and started.read_text())
    worker = int(started.read_text())
    process.send_signal(signal_number)
    _, complaint = process.communicate(timeout=20)
    wait_until(lambda: not alive(worker))
    if signal_number != signal.SIGKILL:
        assert process.returncode == ExitCode.INTERRUPTED
        assert complaint.endswith("modelperf-report: interrupted\n")
        assert not [path for path in temporary.rglob("*") if path.name == "tree"]
    assert state_of(repository) == before

    fine = {"zoo.py": MODEL, "modelperf.toml": MANIFEST}
    commit(repository, fine)
    assert (
        subprocess.run(
            [sys.executable, "-m", "reporter", "-C", str(repository), "--static", "-q"],
            cwd=Path(__file__).parents[1],
            env=environment,
            check=False,
        ).returncode
        == 0
    )
    assert not [path for path in temporary.rglob("*") if path.name == "tree"]


@pytest.mark.slow
def test_progress_goes_to_stderr_as_plain_lines_and_the_report_to_stdout(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    done = subprocess.run(
        [sys.executable, "-m", "reporter", "-C", str(repository), "--static"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\[1/1\] net\n", done.stderr)
    assert "net" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_snapshot_is_the_same_to_the_byte_twice(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    run(repository)
    first = json.loads(written(repository, "head.json"))
    run(repository)
    assert json.loads(written(repository, "head.json"))["models"] == first["models"]


OPERATOR = """
import torch
from torch import nn

@torch.library.custom_op("pipeline_test::scaled", mutates_args=())
def scaled(x: torch.Tensor, by: float) -> torch.Tensor:
    return x * by

scaled.register_fake(lambda x, by: torch.empty_like(x))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 8)

    def forward(self, x):
        return scaled(self.inner(x), 2.0)

def cost(arg, out):
    rows, width = arg["x"]
    return rows * width
"""


@pytest.mark.slow
def test_strict_fails_for_an_operation_without_a_formula_and_not_for_one_with(repository, capsys):
    commit(repository, {"zoo.py": OPERATOR, "modelperf.toml": MANIFEST})
    assert run(repository) == ExitCode.FINE
    assert "pipeline_test::scaled" not in capsys.readouterr().err
    assert run(repository, "--strict") == ExitCode.MODEL_FAILED
    assert "net: no formula for pipeline_test::scaled × 1 in (model)" in capsys.readouterr().err
    assert "`pipeline_test::scaled` × 1 in `(model)`" in written(repository, "report.md")

    formula = '[ops]\n"pipeline_test::scaled" = "zoo:cost"\n'
    (repository / "modelperf.toml").write_text(MANIFEST + formula)
    assert run(repository, "--strict") == ExitCode.FINE
    (model,) = comparison_in(repository).models
    # 8 outputs of 4 products, 3 sums and a bias, each scaled once.
    assert model.head.cost.madds == 8 * (4 + 3 + 1) + 8
    assert model.head.cost.uncounted == {}


@pytest.mark.slow
def test_thops_figures_stand_in_the_report(repository):
    commit(repository, {"zoo.py": MODEL, "modelperf.toml": MANIFEST})
    assert run(repository) == ExitCode.FINE
    assert "<summary>Second opinion: thop</summary>" in written(repository, "report.md")
