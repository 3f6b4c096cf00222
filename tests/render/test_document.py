"""Whole documents against their golden files, our templates, and a user's own."""

from __future__ import annotations

import pytest
from jinja2 import nodes

from reporter.errors import TemplateError
from reporter.render.document import our_environment, render_markdown, templates_folder
from reporter.render.view import build_view

CASES = ("head_only", "base_missing", "unchanged", "mixed", "timings")
DECISIONS = (
    nodes.Assign,
    nodes.AssignBlock,
    nodes.BinExpr,
    nodes.Call,
    nodes.Compare,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Macro,
    nodes.UnaryExpr,
)


@pytest.mark.parametrize("case", CASES)
def test_whole_documents_read_as_agreed(case, comparisons, golden):
    golden(f"{case}.md", render_markdown(build_view(comparisons[case])))


@pytest.mark.parametrize("template", sorted(p.name for p in templates_folder().glob("*.j2")))
def test_our_templates_arrange_and_never_decide(template):
    source = (templates_folder() / template).read_text(encoding="utf-8")
    tree = our_environment().parse(source)
    assert [type(node).__name__ for kind in DECISIONS for node in tree.find_all(kind)] == []


def test_a_template_that_decides_would_be_found():
    tree = our_environment().parse("{{ 1 + 1 }}{% if a == 2 %}{{ f(x) }}{% endif %}")
    assert {type(n) for kind in DECISIONS for n in tree.find_all(kind)} == {
        nodes.Add,
        nodes.Compare,
        nodes.Call,
    }


def test_a_users_template_sees_the_view_and_may_include_ours(comparisons):
    included = "{% for table in view.tables %}{% include '_table.md.j2' %}{% endfor %}"
    own = "# Mine\n{{ view.verdict }}\n\n" + included
    text = render_markdown(build_view(comparisons["unchanged"]), own)
    assert text.startswith("# Mine\nNo change in 2 models.\n\n| Model | Status |")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("one\n{% for %}", "line 2"),
        ("one\ntwo\n{{ view.nonsense }}", "line 3"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("one\n{{ 1 / 0 }}", "line 2"),
        ("{% include 'nowhere.j2' %}", "nowhere.j2"),
    ],
)
def test_a_users_broken_template_is_an_error_that_says_where(template, said, comparisons):
    with pytest.raises(TemplateError) as raised:
        render_markdown(build_view(comparisons["unchanged"]), template)
    assert said in raised.value.message
    assert raised.value.hint


def test_a_document_ends_in_one_newline(comparisons):
    text = render_markdown(build_view(comparisons["mixed"]))
    assert text.endswith("</details>\n") and "\n\n\n" not in text
