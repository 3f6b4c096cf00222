"""The traceback a row shows: the user's frames, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reporter.profile.failures import ProfileFailure, failing_in
from reporter.profile.ladder import count_model
from reporter.records import Inputs, InputSpec, ModelSpec

SOURCE = """
from torch import nn

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
    def forward(self, x):
        try:
            return self.linear(x)
        except RuntimeError as error:
            raise ValueError("the batch does not fit") from error

class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
    def forward(self, x):
        return self.inner(x)
"""


@pytest.fixture
def error(user_module):
    name = user_module(SOURCE)
    inputs = Inputs(positional=(InputSpec(shape=("batch", 5)),))
    with pytest.raises(ProfileFailure) as caught:
        count_model(ModelSpec(name="m", target=f"{name}:Outer", inputs=inputs))
    return caught.value.error


def test_the_first_line_and_the_stage(error):
    assert (error.stage, error.message) == ("forward", "ValueError: the batch does not fit")


def test_the_users_frames_and_none_of_ours_or_of_torchs_plumbing(error):
    assert "in forward\n    return self.inner(x)" in error.traceback
    assert 'raise ValueError("the batch does not fit") from error' in error.traceback
    for hidden in ("reporter/profile", "_call_impl", "torch/_", "importlib", "_device.py"):
        assert hidden not in error.traceback


def test_the_cause_is_kept(error):
    assert "The above exception was the direct cause" in error.traceback
    assert "shapes cannot be multiplied" in error.traceback


def test_an_inner_stage_is_not_overwritten():
    with pytest.raises(ProfileFailure) as caught, failing_in("worker"), failing_in("inputs"):
        raise KeyError("x")
    assert caught.value.error.stage == "inputs"


def test_an_exception_without_a_message_is_its_name():
    with pytest.raises(ProfileFailure) as caught, failing_in("build"):
        raise RuntimeError
    assert caught.value.error.message == "RuntimeError"


def test_paths_are_told_from_the_root_of_the_tree_so_that_base_and_head_agree(tmp_path):
    code = (
        "import sys; sys.path.insert(0, ROOT)\n"
        "from reporter.profile.failures import ProfileFailure, failing_in\n"
        "import json, os; sys.path.insert(0, os.getcwd())\n"
        "try:\n"
        "    with failing_in('import'):\n"
        "        import zoo.net\n"
        "except ProfileFailure as failure:\n"
        "    print(json.dumps([failure.error.message, failure.error.traceback]))\n"
    ).replace("ROOT", repr(str(Path(__file__).resolve().parents[2])))
    source = "import os\nraise OSError(f'no {os.getcwd()}/w.pt, no /x{os.getcwd()}/w.pt')\n"
    told = []
    for side in ("base", "head"):
        tree = tmp_path / side
        (tree / "zoo").mkdir(parents=True)
        (tree / "zoo" / "net.py").write_text(source)
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=tree, check=True, capture_output=True, text=True
        )
        told.append(json.loads(found.stdout))
    (message, trace), (_, of_head) = told
    assert message == f"OSError: no w.pt, no /x{tmp_path}/base/w.pt"
    assert '  File "zoo/net.py", line 2, in <module>\n    raise OSError(' in trace
    assert trace.replace("/base/", "/head/") == of_head


@pytest.mark.parametrize(
    "stack",
    [
        "Exception raised from check at /pytorch/c10/x.cpp:1 (most recent call first):\n"
        "frame #0: c10::Error::Error(c10::SourceLocation) + 0x57 (0x7f in /x/libc10.so)\n"
        "frame #1: clone + 0x44\n",
        "C++ CapturedTraceback:\n#4 c10::Error::Error from ??:0\n#5 main from ??:0\n",
    ],
)
def test_the_stack_of_torchs_cpp_is_cut(stack):
    with pytest.raises(ProfileFailure) as caught, failing_in("forward"):
        raise RuntimeError(f"expected a scalar\n{stack}and how to mend it")
    error = caught.value.error
    assert error.message == "RuntimeError: expected a scalar"
    assert error.traceback.endswith("RuntimeError: expected a scalar\nand how to mend it\n")
    with pytest.raises(ProfileFailure) as caught, failing_in("forward"):
        raise RuntimeError(stack)
    assert caught.value.error.message == "RuntimeError"
