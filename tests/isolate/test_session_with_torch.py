"""Whole sessions: the real worker, real trees, models that work and models that misbehave."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from reporter.isolate.scratch import sweep_abandoned
from reporter.isolate.session import TimingPlan, Tree, profile_trees, start_worker
from reporter.records import Inputs, InputSpec, ModelSpec

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
FOUR = Inputs(positional=(InputSpec(shape=("batch", 4)),))
ZOO = """
import os, sys
import torch
from torch import nn

print("imported")
module = nn.Linear(4, 3)

class Net(nn.Module):
    def __init__(self, width=2, layers=1):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, width, bias=False) for _ in range(layers))
    def forward(self, x, scale=None):
        return [layer(x) for layer in self.layers]

def function(width):
    return Net(width)

def raising():
    raise ValueError("no such size")

def exiting():
    sys.exit(4)

class Talks(nn.Module):
    def __init__(self):
        super().__init__()
        for _ in range(1000):
            print("x" * 100_000)
        self.only = nn.Linear(4, 2)
    def forward(self, x):
        return self.only(x)

class Raises(Net):
    def forward(self, x):
        raise KeyError("lost")

class Exits(Net):
    def forward(self, x):
        os._exit(5)

class Loops(Net):
    def forward(self, x):
        if "MARK" in os.environ:
            with open(os.environ["MARK"], "w") as mark:
                mark.write(str(os.getpid()))
        while True:
            pass
"""


def spec(target: str, name: str | None = None, **more) -> ModelSpec:
    return ModelSpec(name=name or target, target=target, **{"inputs": FOUR, **more})


def tree(folder: Path, *models: ModelSpec, **files: str) -> Tree:
    """A folder with these files; `a__b` names a/b."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Tree(folder=folder, models=models)


def profiled(one: Tree, **more) -> dict:
    found, _ = profile_trees(one, timing=more.pop("timing", None), **more)
    return {model.name: model for model in found.models}


def test_targets_of_every_kind_and_failures_of_every_stage(tmp_path):
    models = (
        spec("zoo:module"),
        spec("zoo:Net"),
        spec("zoo:function", kwargs={"width": 5}),
        spec("zoo:Net", "by keyword", inputs=Inputs(keyword={"x": FOUR.positional[0]})),
        spec("zoo:Net", "wrong shape", inputs=Inputs(positional=(InputSpec(shape=("batch", 3)),))),
        spec("inner.deep.net:Net"),
        spec("laid_out:Net"),
        spec("broken:Net"),
        spec("nowhere:Net"),
        spec("zoo:Nett"),
        spec("zoo:raising"),
        spec("zoo:exiting"),
        spec("zoo:Raises"),
        spec("zoo:Exits"),
        spec("zoo:Talks"),
    )
    files = {
        "zoo": ZOO,
        "inner__deep__net": "from .near import Net",
        "inner__deep__near": "from zoo import Net",
        "inner____init__": "",
        "src__laid_out": "from zoo import Net",
        "broken": "import zoo\nimport a_package_that_is_not_there\n",
    }
    found = profiled(tree(tmp_path / "tree", *models, **files))

    def macs(name: str) -> int | None:
        return found[name].cost.macs if found[name].cost else None

    def error(name: str) -> tuple[str, str]:
        return found[name].error.stage, found[name].error.message

    assert macs("zoo:module") == 4 * 3
    assert macs("zoo:Net") == macs("by keyword") == 4 * 2
    assert macs("inner.deep.net:Net") == macs("laid_out:Net") == 4 * 2
    assert macs("zoo:function") == 4 * 5
    assert macs("zoo:Talks") == 4 * 2
    assert error("wrong shape")[0] == "forward"
    assert error("broken:Net") == (
        "import",
        "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
    )
    assert "line 2" in found["broken:Net"].error.traceback
    assert error("nowhere:Net")[0] == "target"
    assert error("zoo:Nett")[0] == "target"
    assert "did you mean 'Net'" in error("zoo:Nett")[1]
    assert error("zoo:raising") == ("build", "ValueError: no such size")
    assert error("zoo:exiting") == ("build", "SystemExit: 4")
    assert error("zoo:Raises") == ("forward", "KeyError: 'lost'")
    assert error("zoo:Exits") == ("worker", "the worker exited with code 5")
    assert not list((tmp_path / "tree").rglob("__pycache__"))


def test_a_forward_without_end_is_ended_and_the_next_model_profiled(tmp_path):
    one = tree(tmp_path / "tree", spec("zoo:Loops"), spec("zoo:Net"), zoo=ZOO)
    found = profiled(one, start=partial(start_worker, deadline_s=12.0))
    assert found["zoo:Loops"].error.message == "the worker did not answer within 12 s (count)"
    assert found["zoo:Net"].cost.macs == 4 * 2


def test_a_users_own_package_of_our_name_is_theirs(tmp_path):
    files = {"reporter__records": ZOO, "reporter__profile": ZOO}
    one = tree(
        tmp_path / "tree", spec("reporter.records:Net"), spec("reporter.profile:Net"), **files
    )
    (one.folder / "reporter" / "__init__.py").write_text("")
    found = profiled(one)
    assert [model.error for model in found.values()] == [None, None]
    assert [model.cost.macs for model in found.values()] == [4 * 2, 4 * 2]


def test_base_and_head_each_import_their_own_module_of_one_name(tmp_path):
    model = spec("zoo:Net")
    head = tree(tmp_path / "head", model, zoo=ZOO.replace("width=2", "width=7"))
    base = tree(tmp_path / "base", model, zoo=ZOO)
    at_head, at_base = profile_trees(head, base, timing=TimingPlan(seconds=0.05))
    assert at_head.models[0].cost.macs == 4 * 7
    assert at_base.models[0].cost.macs == 4 * 2
    for side in (at_head, at_base):
        timing = side.models[0].timing
        assert timing.latency.median_ms > 0
        assert (timing.latency.batch, timing.throughput.batch) == (1, 8)
        assert timing.latency.n >= 3
        assert side.machine.torch


SESSION = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from reporter.isolate.revisions import checked_out, resolve_base
from reporter.isolate.session import Tree, profile_trees
from reporter.records import Inputs, InputSpec, ModelSpec

inputs = Inputs(positional=(InputSpec(shape=("batch", 4)),))
models = (ModelSpec(name="net", target="zoo:Net", inputs=inputs),
          ModelSpec(name="loops", target="zoo:Loops", inputs=inputs))
project = Path(sys.argv[2])
with checked_out(project, resolve_base(project, "main")) as base:
    profile_trees(Tree(folder=project, models=models), Tree(folder=base, models=models),
                  timing=None)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_the_run_however_it_ends(
    new_repository, is_gone, tmp_path, temporary_folder, number
):
    repository = new_repository()
    repository.commit(zoo=ZOO)
    repository.write(stray="x = 1\n")
    before = repository.everything()
    mark = tmp_path / "mark"
    with subprocess.Popen(
        [sys.executable, "-c", SESSION, str(REPOSITORY), str(repository.folder)],
        env={**os.environ, "MARK": str(mark)},
        stderr=subprocess.PIPE,
    ) as session:
        looping = _marked(mark, session)
        workers = _children(session.pid)
        session.send_signal(number)
        session.communicate(timeout=20)
    assert session.returncode != 0
    assert looping in workers
    assert len(workers) == 2
    assert all(is_gone(worker) for worker in workers)
    assert list(temporary_folder.rglob("zoo.py")) != [] or number != signal.SIGKILL
    if number == signal.SIGKILL:
        sweep_abandoned()
    assert list(temporary_folder.rglob("zoo.py")) == []
    assert repository.everything() == before


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text(encoding="utf-8").split()]


def _marked(mark: Path, session: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until and session.poll() is None:
        if mark.exists() and (text := mark.read_text(encoding="utf-8")):
            return int(text)
        time.sleep(0.05)
    session.kill()
    raise AssertionError(f"the model did not start: {session.stderr.read()!r}")
