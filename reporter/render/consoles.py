"""Where the two kinds of output go: the report to stdout, how far the work is to stderr."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console

_WIDTH_OF_NO_TERMINAL = 120


def report_console(stream: TextIO | None = None) -> Console:
    """For the report: stdout, as wide as the terminal is, or 120 where there is none."""
    return _console(stream, stderr=False)


def status_console(stream: TextIO | None = None) -> Console:
    """For progress: stderr."""
    return _console(stream, stderr=True)


def _console(stream: TextIO | None, *, stderr: bool) -> Console:
    console = Console(file=stream, stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_NO_TERMINAL
    return console
