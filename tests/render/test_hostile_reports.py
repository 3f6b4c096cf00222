"""A whole report in which every text is hostile keeps the shape of a harmless one."""

from __future__ import annotations

import re
from dataclasses import replace

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from reporter.records import Budget, Counting
from reporter.render.document import render_markdown
from reporter.render.page import render_page
from reporter.render.view import build_view

HOSTILE = (
    "a|b\\|c",
    "`x` ``` ``",
    "<img src=x onerror=alert(1)>",
    "</details>\n\n<script>alert(1)</script>",
    "&# &#x &lt &#60;",
    "@user #1 a](http://x) <!-- -->",
    "| --- | --- |\n| x | y |",
)
REPEATED = "{0…2}"
NAMES = st.text(alphabet="|`\\<>@#\n -*_[]()!&a1:/dt~", max_size=25).filter(str.strip)


@pytest.fixture(scope="session")
def hostile(make_result, make_failure, make_layer, make_timing, make_comparison):
    """A report of a regression, an error, a broken budget and warnings, all under one name."""

    def build(text):
        def layered(macs):
            blocks = [make_layer(f"{text}.{n}", text, macs=macs) for n in range(3)]
            outer = [make_layer(path, text, macs=4 * macs) for path in ("", text)]
            tree = (*outer, *blocks)
            return make_result(
                f"m {text}",
                macs=4 * macs,
                layers=tree,
                timing=make_timing(),
                uncounted={text: 1},
                counting=Counting(rung="real", reason=text),
                declaration={text: macs, "other": text},
            )

        failure = make_failure(f"f {text}", message=text, traceback=f"{text}\n```\n{text}\n")
        budget = Budget(metric="macs", kind="growth", limit=0.0, text=text)
        comparison = make_comparison(
            (layered(100),), (layered(200), failure), {f"m {text}": (budget,)}, (text,)
        )
        revision = replace(comparison.head.revision, label=text, how=text, sha=text)
        side = replace(comparison.head, revision=revision)
        return replace(comparison, head=side, base=side)

    return build


def shape(html):
    """The tags in order."""
    return re.findall(r"<(/?[a-z][a-z0-9]*)", html)


def github(comparison):
    markdown = render_markdown(build_view(comparison))
    return shape(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


def page(comparison):
    return shape(render_page(render_markdown(build_view(comparison)), "t"))


@pytest.mark.parametrize("read", [github, page])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_report_has_the_shape_of_a_harmless_one(text, read, hostile):
    assert read(hostile(text)) == read(hostile("harmless"))


def test_the_harmless_one_has_repeated_layers_in_both_sections(hostile):
    text = render_markdown(build_view(hostile("harmless")))
    assert text.count(f"`harmless.{REPEATED}` ×3") == 2


@settings(max_examples=40, deadline=None)
@given(text=NAMES)
def test_any_report_has_the_shape_of_a_harmless_one_on_github(text, hostile):
    assert github(hostile(text)) == github(hostile("harmless"))


@settings(max_examples=20, deadline=None)
@given(text=NAMES)
def test_any_report_has_the_shape_of_a_harmless_one_on_the_page(text, hostile):
    assert page(hostile(text)) == page(hostile("harmless"))
