"""The report goes to stdout, progress to stderr, at a width that suits where they go."""

from __future__ import annotations

import io

import pytest

from reporter.render.consoles import report_console, status_console


@pytest.fixture(autouse=True)
def no_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


def test_the_report_is_stdout_and_progress_is_stderr(capsys):
    report_console().print("the report")
    status_console().print("the progress")
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("the report\n", "the progress\n")


def test_where_there_is_no_terminal_a_line_may_have_120_columns():
    stream = io.StringIO()
    report_console(stream).print("x" * 119, "y")
    assert [len(line.rstrip()) for line in stream.getvalue().splitlines()] == [119, 1]


def test_columns_decides_where_it_is_set(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert report_console(io.StringIO()).width == 60


def test_numbers_are_not_coloured_for_being_numbers(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    report_console(stream).print("18.5 G and 'text'")
    assert stream.getvalue() == "18.5 G and 'text'\n"
