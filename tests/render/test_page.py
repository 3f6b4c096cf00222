"""The page is one file that needs nothing else and folds what the report folds."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from reporter.render.document import render_markdown
from reporter.render.page import render_page
from reporter.render.view import build_view

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balance(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self, html):
        super().__init__()
        self.stack, self.tags, self.attributes = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


@pytest.fixture
def page(comparisons):
    return render_page(render_markdown(build_view(comparisons["mixed"])), "Model performance")


def test_every_tag_is_closed_in_order(page):
    assert Balance(page).stack == []


def test_nothing_is_fetched_and_nothing_runs(page):
    read = Balance(page)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(read.tags)
    assert not {"src", "href", "srcset", "onerror", "onload"} & set(read.attributes)
    assert "url(" not in page and "@import" not in page and "//" not in page


def test_it_folds_what_the_report_folds(page, comparisons):
    titles = [section.title for section in build_view(comparisons["mixed"]).sections]
    assert re.findall("<summary>(.*?)</summary>", page) == titles
    assert page.count("<details>") == len(titles)


def test_tables_and_blocks_inside_the_folds_are_real(page, comparisons):
    view = build_view(comparisons["mixed"])
    parts = [part for section in view.sections for part in section.parts]
    assert page.count("<table>") == 1 + sum(len(part.tables) for part in parts)
    assert page.count("<pre>") == sum(len(part.blocks) for part in parts)
    assert "aten.cdist" in page and "<li>" in page


def test_a_line_that_only_looks_like_ours_stays_text():
    page = render_page("<details open onclick=x>\n\n<b>x</b> <summary><i>y</i></summary>\n", "t")
    body = page.partition("<body>")[2]
    assert set(Balance(body.partition("</body>")[0]).tags) <= {"p"}


def test_it_is_light_and_dark_and_fits_a_phone(page):
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport" content="width=device-width' in page
