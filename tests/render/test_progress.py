"""Progress on a terminal, in a log, and not at all."""

from __future__ import annotations

import io

from rich.console import Console

from reporter.render.progress import progress


def told(*, terminal=False, quiet=False, width=80):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    with progress(console, 2, quiet) as step:
        step("resnet50 · head · counting")
        step("[red]vit[/red]\r\x1b[2J · base · timing")
    return console.file.getvalue()


def test_a_log_gets_one_plain_line_a_step():
    assert told() == (
        "[1/2] resnet50 · head · counting\n[2/2] [red]vit[/red] �[2J · base · timing\n"
    )


def test_a_long_step_is_still_one_line_of_a_log():
    assert told(width=10) == told()


def test_quiet_says_nothing():
    assert told(quiet=True) == told(quiet=True, terminal=True) == ""


def test_a_terminal_gets_a_bar_with_the_models_name():
    text = told(terminal=True)
    assert "resnet50 · head" in text or "[red]vit[/red]" in text
    assert "/2" in text and "\x1b[2J" not in text
