"""The real worker, in a tree that has a package of our name, over its own pair of pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import reporter
from reporter.profile.worker import Worker, model_spec
from reporter.records import PROTOCOL, Budget, Inputs, InputSpec, Measure, ModelSpec

BOOTSTRAP = Path(reporter.__file__).parent / "profile" / "bootstrap.py"

SPEC = ModelSpec(
    name="mine",
    target="reporter.models:build",
    kwargs={"width": 8},
    inputs=Inputs(
        positional=(InputSpec(shape=("batch", 8)),),
        keyword={"k": InputSpec(value=[1], dtype="int64", has_value=True)},
    ),
    measure=Measure(device="cpu", latency_batch=2),
    budgets=(Budget(metric="macs", kind="growth", limit=0.05, text="+5%"),),
)

SOURCE = """
import torch
print("what the user's code prints")

class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
    def forward(self, x, k):
        print("once more")
        return self.linear(x)

def build(width):
    return Model(width)
"""


def test_a_spec_survives_the_pipe():
    assert model_spec(json.loads(json.dumps(asdict(SPEC)))) == SPEC


class Pipe:
    def __init__(self, tree: Path) -> None:
        read_request, write_request = os.pipe()
        read_answer, write_answer = os.pipe()
        command = [sys.executable, "-W", "ignore", str(BOOTSTRAP)]
        self._log = tree / "printed.txt"
        with self._log.open("wb") as printed:
            self.process = subprocess.Popen(
                [*command, str(read_request), str(write_answer), str(tree)],
                pass_fds=(read_request, write_answer),
                stdout=printed,
                cwd=tree,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        os.close(read_request)
        os.close(write_answer)
        self._requests, self._answers = os.fdopen(write_request, "w"), os.fdopen(read_answer)
        self.hello = json.loads(self._answers.readline())
        self._number = 0

    def ask(self, do: str, **parameters: object) -> dict:
        self._number += 1
        self._requests.write(json.dumps({"id": self._number, "do": do, "with": parameters}) + "\n")
        self._requests.flush()
        answer = json.loads(self._answers.readline())
        assert answer.pop("id") == self._number
        return answer

    def close(self) -> str:
        self._requests.close()
        self.process.wait(timeout=30)
        self._answers.close()
        return self._log.read_text()


@pytest.fixture
def worker(tmp_path):
    package = tmp_path / "src" / "reporter"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("WHOSE = 'the user'\n")
    (package / "models.py").write_text(SOURCE)
    pipe = Pipe(tmp_path)
    yield pipe
    if pipe.process.poll() is None:
        pipe.close()


@pytest.mark.slow
def test_a_whole_conversation(worker):
    assert worker.hello["protocol"] == PROTOCOL
    assert worker.hello["pid"] == worker.process.pid

    counted = worker.ask("count", model=asdict(SPEC))["ok"]
    assert counted["batch"] == 2
    assert counted["cost"]["macs"] == 2 * 8 * 8
    assert counted["counting"]["rung"] == "meta"

    wrong = {**asdict(SPEC), "target": "reporter.models:builds"}
    failed = worker.ask("count", model=wrong)["failed"]
    assert failed["stage"] == "target"
    assert "did you mean 'build'" in failed["message"]

    assert worker.ask("prepare", model=asdict(SPEC), batch=2)["ok"]["device"] == "cpu"
    assert worker.ask("block", seconds=0.0, at_least=3)["ok"]["n"] == 3
    assert worker.ask("latency")["ok"]["n"] == 3
    assert worker.ask("throughput")["ok"]["batch"] == 2
    # 72 weights, 2·8 inputs and one int64, 2·8 results.
    assert worker.ask("peak")["ok"]["peak_bytes"] == 4 * 72 + 64 + 8 + 64
    assert worker.ask("release") == {"ok": {}}
    assert worker.ask("latency")["failed"]["message"] == "RuntimeError: no model is prepared"
    assert worker.ask("machine")["ok"]["python"] == worker.hello["python"]

    printed = worker.close()
    assert "what the user's code prints" in printed
    assert worker.process.returncode == 0


def test_an_unknown_request_is_answered():
    assert "KeyError" in Worker().answer("dance", {})["failed"]["message"]
