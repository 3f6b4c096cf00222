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


def in_full(cell, text):
    """Whether a cell is there: in one line, over several, or, words alone, broken at spaces."""
    if cell.text.plain in text:
        return True
    pieces = [line.plain for line in cell.lines] or cell.text.plain.split()
    return all(piece in text or piece in re.sub(r"\s", "", text) for piece in pieces)


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
            assert in_full(cell, text)
    assert squeezed(text).startswith(view.verdict.plain)


def test_errors_budgets_and_warnings_are_printed(comparisons):
    text = squeezed(printed(print_report, build_view(comparisons["mixed"]), width=120))
    for said in ("return self.head(x)", "Budgets (1 broken", "aten.cdist × 3", "320 M (+6.7 %)"):
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
    assert row.startswith("    0 Conv2d") and "1×64×56×56" in row and "1.00 G   24.5 %" in row
    (root,) = [line for line in lines if "(model) Net" in line]
    assert "4.09 G" in root and "25.6 M" in root
    assert "Identity" not in text and "1 more layer further down: --depth all" in text
    assert "Latency      20.0 ms at batch 1 (p10 19.8 ms, p90 20.2 ms, 50 forwards), on cpu" in (
        printed(print_profile, profiled, width=120)
    )
    assert "aten.cdist × 2 (no formula" in squeezed(text)
    assert "[red]" in text and "return self.head(x)" in text


def test_the_totals_are_those_of_the_whole_model(profiled):
    text = squeezed(printed(print_profile, profiled, width=120))
    # 25,557,032 parameters of 4 bytes = 97.49 MiB; 212,692 bytes of buffers = 207.7 KiB.
    assert "Params 25.6 M (97.5 MiB), all trainable, buffers 53.1 K (208 KiB)" in text
    assert "FLOPs 4.09 G at batch 1, MAdd 8.19 G" in text
    assert "Memory 286 MiB read, 172 MiB written, activations at most 18.1 MiB" in text
    assert "Throughput 400 /s at batch 8" in text and "Peak memory 200 MiB" in text


def test_a_narrow_terminal_gives_up_figures_before_names(profiled):
    wide, narrow = (printed(print_profile, profiled, width=width) for width in (120, 50))
    assert "MemWrite" in wide and "too narrow" not in wide
    assert "too narrow for: Share, MAdd, MemRead, MemWrite." in squeezed(narrow)
    assert "features Sequential" in narrow and "4.09 G" in narrow


@pytest.fixture
def six_columns(make_result, make_timing, make_comparison):
    """A broken report of six metrics, every one of them changed."""

    def side(factor):
        costs = {"macs": 18_000_000_000, "params": 91_000_000, "activation_peak_bytes": 9_000_000}
        changed = {key: value * factor // 100 for key, value in costs.items()}
        timing = make_timing(2.0 * factor, peak_bytes=4_000_000 * factor)
        return make_result("vision_transformer_b16", timing=timing, **changed)

    return build_view(make_comparison((side(100),), (side(153),)))


@pytest.mark.parametrize("width", [100, 120, 160])
def test_from_a_hundred_columns_the_main_table_is_a_table(width, six_columns):
    lines = printed(print_report, six_columns, width=width).splitlines()
    titles = ("Model", "Params", "Activations", "memory", "Latency", "Throughput")
    rows = [at for at, line in enumerate(lines) if "vision_transformer_b16" in line]
    head, row = lines[rows[1] - 3 : rows[1] - 1], lines[rows[1]]
    assert all(title in " ".join(head) for title in titles)
    assert all(text in row for text in ("27.5 G", "13.1 MiB", "306 ms", "26.1 /s"))
    assert lines[rows[1] + (width < 160)].count("+53.0 %") == 5


def test_words_in_the_place_of_figures_do_not_break_the_table(comparisons):
    lines = printed(print_report, build_view(comparisons["mixed"]), width=100).splitlines()
    (late,) = (line for line in lines if line.startswith("late "))
    (broken,) = (line for line in lines if line.startswith("broken "))
    assert "failed in " in broken and broken.split()[-6:] == ["failed"] * 6
    (retired,) = (line for line in lines if line.startswith("retired "))
    assert late.split()[-5:] == ["18.1", "MiB", "not", "not", "not"]
    assert "was 25.6 M" in retired


def test_below_it_each_row_is_a_list(six_columns):
    lines = printed(print_report, six_columns, width=60).splitlines()
    assert "    Latency      306 ms (+53.0 %)" in [line.rstrip() for line in lines]


@pytest.mark.parametrize(("depth", "rows"), [(0, 1), (1, 2), (2, 3), (3, 4), (None, 4)])
def test_a_profile_goes_as_deep_as_asked(depth, rows, profiled):
    console = Console(file=io.StringIO(), width=120)
    print_profile(profiled, console, depth)
    text = console.file.getvalue()
    assert sum(word in text for word in ("(model) Net", "Sequential", "Conv2d", "Identity")) == rows


def test_a_long_message_keeps_its_remedy(make_failure, make_result, make_snapshot):
    message = "ValueError: " + "a long story, " * 20 + "and the remedy."
    failed = make_failure(message=message, traceback="")
    untimed = make_result("untimed", error=failed.error)
    text = squeezed(printed(print_profile, make_snapshot(failed, untimed)))
    assert text.count(message) == 2
