"""Whole documents against their golden files, our templates, and a user's own."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2 import nodes

from reporter.errors import TemplateError
from reporter.render.document import our_environment, render_markdown, templates_folder
from reporter.render.parts import Cell, Column, Part, ReportView, Section, Table
from reporter.render.view import build_view

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "templates.md"

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
    assert text.startswith("# Mine\nNo change in 2 models.\n\n| Model | FLOPs |")


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


def test_the_guides_example_renders_the_verdict_the_table_and_two_sections(comparisons):
    (example,) = re.findall(r"```jinja\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    view = build_view(comparisons["mixed"])
    text = render_markdown(view, example)
    assert text.startswith(f"## {view.verdict}\n\n| Model | Status |")
    assert re.findall("<summary>(.*)</summary>", text) == [view.errors.title, view.budgets.title]
    assert f"\n\n{view.folded}\n\n" in text
    assert text.rstrip().endswith(str(view.provenance[-1]))


def test_the_guide_lists_every_field_and_no_other():
    kinds = {"view": ReportView, "section": Section, "part": Part}
    kinds |= {"table": Table, "column": Column, "cell": Cell}
    there = {f"{word}.{field.name}" for word, kind in kinds.items() for field in fields(kind)}
    there |= {
        f"{word}.{name}"
        for word, kind in kinds.items()
        for name, member in vars(kind).items()
        if isinstance(member, property)
    }
    listed = re.findall(r"^\| `(\w+\.\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(there)
