"""Nothing that is printed starts a workflow command, by the runner's own rules."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reporter.records import Inputs, Manifest, ModelSpec
from reporter.render import listing
from reporter.render.consoles import report_console, status_console
from reporter.render.document import render_markdown
from reporter.render.progress import progress
from reporter.render.terminal import print_profile, print_report
from reporter.render.untrusted import without_commands
from reporter.render.view import build_view

RULES = Path(__file__).resolve().parents[1] / "publish" / "runner_rules.py"
PIECES = ("::", ":", "##[", "##", "[", "]", "error", "warning ", "a", "x" * 40)
WHOLE = ("::add-mask::x", "##[error]", "::warning file=x::y")
BLANKS = (" ", "\n", "\r", "\t", "\u00a0", "\u2028")
HOSTILE = st.lists(st.sampled_from([*PIECES, *WHOLE, *BLANKS]), min_size=1, max_size=14).map(
    "".join
)


@pytest.fixture(scope="module")
def read_log():
    spec = importlib.util.spec_from_file_location("rules_of_the_runner", RULES)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module.read_log
    del sys.modules[spec.name]


def starts_commands(text):
    """Stricter than the runner, for which `::` alone is not yet a command."""
    lines = text.replace("\r", "\n").split("\n")
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


@given(text=HOSTILE)
def test_no_line_of_a_tamed_text_is_a_command(text, read_log):
    tamed = without_commands(text)
    assert read_log(tamed) == [] and starts_commands(tamed) == []
    assert tamed.replace("\u200b", "") == text


@pytest.mark.parametrize("text", ["a::b", "x: ::y", "#[", "::", "a ##x ["])
def test_only_what_could_start_a_command_is_touched(text):
    assert (without_commands(text) == text) is not text.startswith("::")


def test_the_runner_would_take_the_untamed_text(read_log):
    assert [c.name for c in read_log(" \t::error::x\na ##[warning]y")] == ["error", "warning"]


@pytest.fixture(scope="module")
def hostile(make_failure, make_result, make_layer):
    """Two models, one of them failed, in which every text is the same."""

    def build(text):
        tree = (make_layer("", text, macs=5), make_layer(text.strip() or "a", text, macs=5))
        return (
            make_failure(text, message=text, traceback=f"{text}\n  {text}\n"),
            make_result(f"{text}m", layers=tree, uncounted={text: 1}, declaration={text: text}),
        )

    return build


@settings(max_examples=40, deadline=None)
@given(text=HOSTILE, width=st.sampled_from([30, 60, 120]))
def test_nothing_of_a_report_is_a_command(
    *, text, width, read_log, hostile, make_comparison, make_snapshot
):
    models = hostile(text)
    view = build_view(make_comparison(None, models, notes=(text,)))
    stream = io.StringIO()
    console = report_console(stream)
    console.width = width
    print_report(view, console)
    print_profile(make_snapshot(*models), console, None)
    for printed in (stream.getvalue(), render_markdown(view)):
        assert read_log(printed) == [] and starts_commands(printed) == []


@settings(max_examples=40, deadline=None)
@given(text=HOSTILE)
def test_nothing_of_a_listing_or_of_the_progress_is_a_command(text, read_log, make_result):
    spec = ModelSpec(name=text, target=text, inputs=Inputs(source=text))
    found = (listing.Finding(text, text, is_well=False, hint=text),)
    stream = io.StringIO()
    with progress(status_console(stream), 1) as step:
        step(text)
    uncounted = make_result(text, uncounted={text: 1})
    for printed in (
        listing.manifest(Manifest(source=text, models=(spec,))),
        listing.findings(found),
        listing.uncounted((uncounted,)),
        stream.getvalue(),
    ):
        assert read_log(printed) == [] and starts_commands(printed) == []
