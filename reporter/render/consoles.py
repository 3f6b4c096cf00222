"""Where the two kinds of output go: the report to stdout, how far the work is to stderr.

What is printed is tamed here, once its lines are broken: a text that is harmless as a whole may
have a workflow command of GitHub Actions begin one of its lines.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO, cast

from rich.console import Console

from .untrusted import without_commands

_WIDTH_OF_NO_TERMINAL = 120


def report_console(stream: TextIO | None = None) -> Console:
    """For the report: stdout, as wide as the terminal is, or 120 where there is none."""
    return _console(stream, stderr=False)


def status_console(stream: TextIO | None = None) -> Console:
    """For progress: stderr."""
    return _console(stream, stderr=True)


def _console(stream: TextIO | None, *, stderr: bool) -> Console:
    stream = stream or (sys.stderr if stderr else sys.stdout)
    tamed = cast(TextIO, _WithoutCommands(stream))
    console = Console(file=tamed, stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_NO_TERMINAL
    return console


class _WithoutCommands:
    """A stream through which no line starts a workflow command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(without_commands(text))

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._stream, attribute)
