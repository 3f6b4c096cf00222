"""How far the work is, told beside the report: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from .untrusted import clean_line

Step = Callable[[str], None]


@contextmanager
def progress(console: Console, total: int, quiet: bool = False) -> Iterator[Step]:
    """Tell the steps of some work as each begins.

    The yielded `step("resnet50 · head · counting")` announces the next one and counts the one
    before it as done. Where `console` is no terminal each step is a line of its own, without
    control characters, so that a log reads well.

    Args:
        console: Where to tell it; stderr, so that stdout stays the report's.
        total: How many steps there will be.
        quiet: Tell nothing.
    """
    if quiet:
        yield _silent
    elif console.is_terminal:
        with _bar(console) as bar:
            yield _bar_step(bar, total)
    else:
        yield _line_step(console, total)


def _silent(_: str) -> None:
    """Nothing to tell."""


def _bar(console: Console) -> Progress:
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(
        *columns, TextColumn("{task.description}", markup=False), console=console, transient=True
    )


def _bar_step(bar: Progress, total: int) -> Step:
    task = bar.add_task("", total=total)
    begun = 0

    def step(what: str) -> None:
        nonlocal begun
        bar.update(task, completed=begun, description=clean_line(what))
        begun += 1

    return step


def _line_step(console: Console, total: int) -> Step:
    begun = 0

    def step(what: str) -> None:
        nonlocal begun
        begun += 1
        line = f"[{begun}/{total}] {clean_line(what)}"
        console.print(Text(line), soft_wrap=True, highlight=False)

    return step
