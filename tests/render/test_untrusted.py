"""Hostile text, read back through GitHub's own Markdown dialect."""

from __future__ import annotations

from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from reporter.render.page import render_page
from reporter.render.untrusted import MOST_CHARACTERS, block, clean_line, joined, name, prose

HOSTILE = (
    "a|b",
    "a\\|b\\\\|c\\",
    "|",
    "\\",
    "`",
    "```",
    "``a`b```",
    "a\nb\r\n\n| c |",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "@user",
    "@org/team and owner/repo#1",
    "#1",
    "GH-1",
    "a](http://x)",
    "![x](http://x/y.png)",
    "https://evil.example www.evil.example me@evil.example",
    "-->",
    "<!--",
    "</details>",
    "<details markdown=1>",
    "</td></tr></table>",
    "&lt;b&gt; &#60;",
    "**bold** _it_ ~~no~~",
    "$x$ :smile:",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "",
    "   ",
    "1. one",
    "- item",
    "# head",
    "> quote",
    "x" * 5000,
    "\ue000\ud800",
)
INLINE = frozenset({"code", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong"})


class Reader(HTMLParser):
    """The tags of a piece of HTML and the text of its table cells, code and paragraphs."""

    def __init__(self):
        super().__init__()
        self.tags, self.rows, self.codes, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "code":
            self.codes.append("")
        self.open = tag

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
        if self.codes and self.open == "code":
            self.codes[-1] += data


def github(markdown):
    reader = Reader()
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    reader.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options))
    return reader


def page(markdown):
    reader = Reader()
    reader.feed(render_page(markdown, "t").partition("<body>")[2].partition("</body>")[0])
    return reader


def shown(text):
    """What a reader should see of a hostile text."""
    clean = clean_line(text) or "(empty)"
    return clean if len(clean) <= MOST_CHARACTERS else clean[: MOST_CHARACTERS - 1].rstrip() + "…"


def in_a_table(text):
    return f"| a | b |\n| --- | ---: |\n| {name(text).cell} | 2 |\n| {name(text).cell} | 3 |\n"


@pytest.mark.parametrize("read", [github, page])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_in_a_cell_stays_one_cell_with_its_own_text(text, read):
    reader = read(in_a_table(text))
    rows = [[cell.strip("\n") for cell in row] for row in reader.rows]
    assert rows == [["a", "b"], [shown(text), "2"], [shown(text), "3"]]
    assert set(reader.tags) <= INLINE | {"div"}


@given(st.text(max_size=60) | st.text(alphabet="|`\\<>@#\n -*_[]()!&a1:", max_size=30))
def test_any_name_in_a_cell_stays_one_cell_with_its_own_text(text):
    reader = github(in_a_table(text))
    rows = [[cell.strip("\n") for cell in row] for row in reader.rows]
    assert rows == [["a", "b"], [shown(text), "2"], [shown(text), "3"]]
    assert reader.tags.count("code") == 2 and set(reader.tags) <= INLINE


@given(st.text(alphabet="|`\\<>@#\n -*_[]()!&a1:/dieltsm", max_size=40))
def test_any_name_on_the_page_makes_no_tag(text):
    reader = page(
        f"<details>\n<summary>Ours</summary>\n\n- {name(text)} and {prose(text)}\n\n</details>\n"
    )
    assert set(reader.tags) <= INLINE | {"details", "summary"}
    assert reader.tags.count("details") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_in_a_line_is_one_code_span(text):
    reader = github(f"- {joined('before ', name(text), ' after')}\n")
    assert reader.tags == ["ul", "li", "code"]
    assert reader.codes == [shown(text)]


@pytest.mark.parametrize("read", [github, page])
@pytest.mark.parametrize("text", HOSTILE)
def test_prose_is_only_text(text, read):
    reader = read(f"> {prose(text)}\n")
    assert set(reader.tags) <= {"blockquote", "p"}
    assert reader.text.replace("\u200b", "").strip() == clean_line(text)


@given(st.text(max_size=60) | st.text(alphabet="|`\\<>@#\n -*_[]()!&a1:w.htp/=~+", max_size=40))
def test_any_prose_is_only_text(text):
    reader = github(f"- {prose(text)}\n")
    assert reader.tags in (["ul", "li"], ["ul", "li", "p"])
    assert (
        reader.text.replace("\u200b", "").strip() == clean_line(text).replace("\u200b", "").strip()
    )


@pytest.mark.parametrize(
    "text", ["@user", "see #12", "owner/repo#1", "GH-12", "http://x.y", "www.x.y"]
)
def test_prose_breaks_what_github_would_link(text):
    assert text not in github(f"- {prose(text)}").text


@pytest.mark.parametrize("read", [github, page])
@pytest.mark.parametrize("text", [*HOSTILE, "```\n</details>\n<b>\n`````\n~~~\n    x\n````"])
def test_nothing_in_a_block_ends_its_fence(text, read):
    fence = block(text)
    reader = read(f"<details>\n<summary>Ours</summary>\n\n{fence}\n\n</details>\n\nafter\n")
    assert reader.tags == ["details", "summary", "pre", "code", "p"]
    assert reader.text.rstrip().endswith("after")


def test_a_block_keeps_its_last_lines_and_says_how_many_are_gone():
    lines = "\n".join(f"line {n}" for n in range(1, 51)) + "\n"
    kept = block(lines, most_lines=10).plain.split("\n")
    assert kept == ["… 40 lines above", *(f"line {n}" for n in range(41, 51))]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_plain_form_has_no_control_characters(text):
    assert name(text).plain.isprintable()


def test_the_title_of_a_page_is_text():
    assert "<title>&lt;/title&gt;&lt;script&gt;</title>" in render_page("x", "</title><script>")
