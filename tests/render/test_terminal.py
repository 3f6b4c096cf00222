"""The report on a terminal: whole in words, within its width, colour only as a second telling."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from reporter.render.terminal import print_profile, print_report
from reporter.render.view import build_view

CASES = ("head_only", "base_missing", "unchanged", "mixed", "timings")


def printed(show, *what, width=80, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    show(*what, console)
    return console.file.getvalue()


def squeezed(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 120, 250])
@pytest.mark.parametrize("case", CASES)
def test_every_figure_of_the_main_table_is_there_within_the_width(case, width, comparisons):
    view = build_view(comparisons[case])
    text = printed(print_report, view, width=width)
    assert max(map(len, text.splitlines())) <= width
    for row in view.table.rows:
        for cell in row:
            assert squeezed(cell.text.plain) in squeezed(text)
    assert squeezed(text).startswith(view.verdict.plain)


def test_errors_budgets_and_warnings_are_printed(comparisons):
    text = squeezed(printed(print_report, build_view(comparisons["mixed"]), width=120))
    for said in ("return self.head(x)", "Budgets (1 broken", "aten.cdist × 3", "300 M → 320 M"):
        assert said in text


def test_colour_is_for_terminals_only(comparisons, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    view = build_view(comparisons["mixed"])
    coloured = printed(print_report, view, force_terminal=True, color_system="standard")
    plain = printed(print_report, view, force_terminal=False)
    assert "\x1b[31m" in coloured and "\x1b" not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_no_color_is_obeyed(comparisons, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    view = build_view(comparisons["mixed"])
    text = printed(print_report, view, force_terminal=True, color_system="standard")
    assert not re.search(r"\x1b\[(3|9)\d", text)


def test_names_are_neither_markup_nor_escape_sequences(make_result, make_failure, make_comparison):
    hostile = make_failure(
        "[red]x[/red]\x1b[2J", message="[bold]\x1b]0;t\x07", traceback="a\x1b[1mb\n"
    )
    view = build_view(make_comparison(None, (hostile, make_result("b"))))
    text = printed(print_report, view, width=200)
    assert "[red]x[/red]�[2J" in text and "[bold]�]0;t�" in text and "a�[1mb" in text
    assert "\x1b" not in text


@pytest.fixture
def profiled(make_result, make_layer, make_timing, make_snapshot, make_failure):
    network = make_result(
        timing=make_timing(),
        uncounted={"aten.cdist": 2},
        layers=(
            make_layer(
                "", "Net", macs=4_089_284_608, params=25_557_032, output_shapes=((1, 1000),)
            ),
            make_layer("features", "Sequential", macs=2_000_000_000),
            make_layer(
                "features.0", "Conv2d", macs=1_000_000_000, output_shapes=((1, 64, 56, 56),)
            ),
            make_layer("features.0.inner", "Identity"),
        ),
    )
    return make_snapshot(network, make_failure("[red]"))


def test_a_profile_is_a_tree_of_layers_at_eighty_columns(profiled):
    text = printed(print_profile, profiled)
    assert max(map(len, text.splitlines())) <= 80
    lines = text.splitlines()
    (row,) = [line for line in lines if "Conv2d" in line]
    assert row.startswith("     0 Conv2d") and "1×64×56×56" in row and "1.00 G" in row
    (root,) = [line for line in lines if "(model) Net" in line]
    assert "4.09 G" in root and "25.6 M" in root
    assert "Identity" not in text and "And 1 more layer." in text
    assert "Latency 20.0 ms" in squeezed(text) and "aten.cdist × 2" in text
    assert "[red]" in text and "return self.head(x)" in text


@pytest.mark.parametrize(("depth", "rows"), [(0, 1), (1, 2), (2, 3), (3, 4), (None, 4)])
def test_a_profile_goes_as_deep_as_asked(depth, rows, profiled):
    console = Console(file=io.StringIO(), width=120)
    print_profile(profiled, console, depth)
    text = console.file.getvalue()
    assert sum(word in text for word in ("(model) Net", "Sequential", "Conv2d", "Identity")) == rows
