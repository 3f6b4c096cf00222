"""What went wrong in the user's code, told as the user would want it told.

Paths in the tree are told from its root, so that the same failure reads the same at base and head.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..records import ModelError, Stage


def _working_folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # It was deleted under the process.
        return None


_TREE = _working_folder()
"""A worker starts in the tree that it profiles."""
_CPP_STACK = re.compile(
    r"^(?:Exception raised from .* \(most recent call first\):|C\+\+ CapturedTraceback:)$\n?"
    r"(?:^(?:frame )?#\d+.*$\n?)*",
    re.MULTILINE,
)
_OUR_FOLDER = str(Path(__file__).resolve().parents[1])
_PLUMBING = (
    ("torch/nn/modules/module.py", "_wrapped_call_impl"),
    ("torch/nn/modules/module.py", "_call_impl"),
    ("torch/nn/modules/module.py", "inner"),
    ("torch/utils/_device.py", "__torch_function__"),
    ("importlib/__init__.py", "import_module"),
)
"""Frames that every call goes through and that tell nothing; by end of path and function.
Beside them all of torch's private modules, its kernels for meta tensors among them."""


class ProfileFailure(Exception):
    """A step of profiling one model failed; `error` is what its row will say."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(error.message)
        self.error = error


@contextmanager
def failing_in(stage: Stage) -> Iterator[None]:
    """Turn whatever the block raises, a `SystemExit` too, into a `ProfileFailure` of this stage.

    A `ProfileFailure` from an inner block passes through with the stage it has.
    """
    try:
        yield
    except ProfileFailure:
        raise
    except BaseException as error:
        raise ProfileFailure(
            ModelError(stage=stage, message=_one_line(error), traceback=user_traceback(error))
        ) from error


def failure(stage: Stage, message: str) -> ProfileFailure:
    """A failure that we found ourselves, without a traceback to show."""
    return ProfileFailure(ModelError(stage=stage, message=message))


def user_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, without our frames and torch's plumbing."""
    report = traceback.TracebackException.from_exception(error, capture_locals=False)
    _cut(report)
    return _told("".join(report.format()))


def _told(text: str) -> str:
    """Paths from the tree's root, and no stack of torch's C++, which has only addresses."""
    if _TREE is not None:
        start = re.escape(_TREE.rstrip(os.sep) + os.sep)
        text = re.sub(rf"(?<![\w./\\-]){start}", "", text)
    return _CPP_STACK.sub("", text)


def _cut(report: traceback.TracebackException | None) -> None:
    while report is not None:
        kept = [frame for frame in report.stack if not _is_plumbing(frame)]
        report.stack = traceback.StackSummary.from_list(kept)
        _cut(report.__context__)
        report = report.__cause__


def _is_plumbing(frame: traceback.FrameSummary) -> bool:
    if frame.filename.startswith((_OUR_FOLDER, "<frozen importlib")):
        return True
    if "/torch/_" in frame.filename:
        return True
    return any(
        frame.filename.endswith(path) and frame.name == function for path, function in _PLUMBING
    )


def _one_line(error: BaseException) -> str:
    text = _told(str(error)).strip()
    first_line = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
