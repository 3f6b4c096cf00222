"""What a view says and leaves out; and that everything it claims adds up."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from reporter.records import Budget
from reporter.render.document import render_markdown
from reporter.render.view import Limits, build_view

CASES = ("head_only", "base_missing", "unchanged", "mixed", "timings")
FACTORS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


class Document(HTMLParser):
    """A rendered report read back: its paragraphs, and its tables under each section's title."""

    def __init__(self, markdown):
        super().__init__()
        self.section, self.tag, self.paragraphs, self.sections = "", "", [], {"": []}
        html = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        self.feed(html.replace("\xa0", " "))

    def handle_starttag(self, tag, attrs):
        self.tag = tag if tag not in ("code", "strong") else self.tag
        if tag == "p":
            self.paragraphs.append("")
        elif tag == "summary":
            self.section = None
        elif tag == "table":
            self.sections[self.section].append([])
        elif tag == "tr":
            self.sections[self.section][-1].append([])
        elif tag in ("td", "th"):
            self.sections[self.section][-1][-1].append("")

    def handle_data(self, data):
        if self.section is None:
            self.section = data
            self.sections.setdefault(data, [])
        elif self.tag == "p":
            self.paragraphs[-1] += data
        elif self.tag in ("td", "th"):
            self.sections[self.section][-1][-1][-1] += data.strip("\n")

    @property
    def rows(self):
        """The main table without its head, as mappings."""
        return [row for table in self.sections[""] for row in records(table)]

    def named(self, prefix):
        """Title and tables of the section that begins so."""
        found = [item for item in self.sections.items() if item[0].startswith(prefix)]
        return found[0] if found else (None, [])


def records(table):
    head, *rows = table
    return [dict(zip(head, row, strict=True)) for row in rows]


def number(text):
    found = re.match(r"([\d.,]+) ?([KMGT]?)", text)
    return float(found[1].replace(",", "")) * FACTORS[found[2]]


@pytest.fixture(params=CASES)
def case(request, comparisons):
    comparison = comparisons[request.param]
    return comparison, Document(render_markdown(build_view(comparison)))


# What a document claims adds up -------------------------------------------------------------------


def test_the_counts_of_the_verdict_are_those_of_the_rows(case):
    comparison, document = case
    verdict = document.paragraphs[0]
    folded = [
        int(n) for p in document.paragraphs for n in re.findall(r"(\d+) models? unchanged:", p)
    ]
    assert len(document.rows) + sum(folded) == len(comparison.models)
    if verdict.startswith("No change"):
        assert [int(n) for n in re.findall(r"\d+", verdict)] == [len(document.rows)]
        return
    sentence = re.sub(r"^.*?\)\. ", "", verdict) if "broken (" in verdict else verdict
    claimed = {
        word: int(n)
        for n, word in re.findall(
            r"(?:^|; )(\d+)(?: models?)? ([a-z ]+?)(?= \(|;|\.|$)",
            re.sub(r"\([^()]*\)", "", sentence),
        )
    }
    seen = {"unchanged": sum(folded)} if folded else {}
    for row in document.rows:
        said = re.sub(r"^at base failed .*", "not compared", row.get("Status", "profiled"))
        said = "failed" if said.startswith("failed") else said
        seen[said] = seen.get(said, 0) + 1
    assert {word.strip(): n for word, n in claimed.items()} == seen


def test_the_budget_counts_are_those_of_the_budget_rows(case):
    comparison, document = case
    title, tables = document.named("Budgets")
    verdicts = [row["Verdict"].split(":")[0] for table in tables for row in records(table)]
    assert len(verdicts) == sum(len(model.budgets) for model in comparison.models)
    claimed = {word: int(n) for n, word in re.findall(r"(\d+) (broken|unknown|kept)", title or "")}
    assert claimed == {word: verdicts.count(word) for word in set(verdicts)}
    broken = re.findall(r"^(\d+) budgets? broken", document.paragraphs[0])
    assert sum(map(int, broken)) == verdicts.count("broken")


def test_a_titles_count_is_the_number_of_things_under_it(case):
    comparison, document = case
    failed = [m for m in comparison.models if any(r and r.error for r in (m.base, m.head))]
    title, _ = document.named("Errors")
    assert title == (f"Errors ({len(failed)})" if failed else None)
    title, tables = document.named("Layers that changed")
    outside = sum("outside its submodules" in text for text in document.paragraphs)
    claimed = int(re.search(r"\d+", title)[0]) if title else 0
    assert claimed == len(tables) + outside


def test_own_flops_and_shares_add_up_to_the_model(case):
    comparison, document = case
    _, tables = document.named("Where the FLOPs go")
    captions = [p for p in document.paragraphs if " FLOPs in " in p]
    assert (
        len(captions)
        == len(tables)
        == sum(bool(m.head and m.head.layers) for m in comparison.models)
    )
    flops = {
        model.name: model.head.cost.macs
        for model in comparison.models
        if model.head and model.head.cost
    }
    for caption, table in zip(captions, tables, strict=True):
        named, total, modules = re.match(r"(.+): (.+) FLOPs in (\d+) module", caption).groups()
        after = document.paragraphs[document.paragraphs.index(caption) + 1]
        rest = re.match(r"(\d+) more modules?: (.+) FLOPs \((.+) %\)", after)
        rows = records(table)
        assert number(total) == pytest.approx(flops[named], rel=0.005)
        assert len(rows) + int(rest[1]) == int(modules)
        own = sum(number(row["Own FLOPs"]) for row in rows) + number(rest[2])
        assert own == pytest.approx(number(total), rel=0.005)
        shares = sum(float(row["Share of model"].rstrip(" %")) for row in rows) + float(rest[3])
        assert shares == pytest.approx(100, abs=0.05 * (len(rows) + 1))
        for row in rows:
            part = 100 * number(row["Own FLOPs"]) / flops[named]
            assert float(row["Share of model"].rstrip(" %")) == pytest.approx(part, abs=0.6)


def test_the_root_layer_is_the_cost_in_every_case(case):
    comparison, _ = case
    for model in comparison.models:
        for result in (model.base, model.head):
            if result and result.layers:
                root = result.layers[0]
                assert (root.macs, root.params) == (result.cost.macs, result.cost.params)


def test_the_change_of_a_layer_is_the_change_of_its_model(case):
    _, document = case
    for table in document.named("Layers that changed")[1]:
        for row in records(table):
            before, after, share = re.match(r"(.+) → (.+) \(([+−][\d.]+) %", row["FLOPs"]).groups()
            told = 100 * (number(after) / number(before) - 1)
            assert float(share.replace("−", "-")) == pytest.approx(told, abs=0.5)


def test_no_cell_is_blank_and_no_row_is_ragged(case):
    _, document = case
    for tables in document.sections.values():
        for table in tables:
            assert {len(row) for row in table} == {len(table[0])}
            assert all(text.strip() for row in table for text in row)


# What is said -------------------------------------------------------------------------------


def first_line(comparison, **limits):
    return build_view(comparison, Limits(**limits)).verdict.plain


def test_the_order_is_broken_budgets_then_severity_then_as_declared(comparisons):
    rows = [row[0].text.plain for row in build_view(comparisons["mixed"]).table.rows]
    assert rows == ["resnet50", "broken", "tagger", "captioner", "late", "retired", "fresh", "unet"]


def test_an_unchanged_model_over_its_cap_is_not_folded_away(make_result, make_comparison):
    cap = Budget(metric="params", kind="cap", limit=1, text="1")
    models = (make_result("a"), make_result("b"))
    view = build_view(make_comparison(models, models, {"b": (cap,)}))
    assert [row[0].text.plain for row in view.table.rows] == ["b"]
    assert view.folded.plain == "1 model unchanged: a."
    assert view.verdict.plain == "1 budget broken (b Params). 2 models unchanged."
    assert view.tone == "worse"


def test_a_status_that_is_the_same_for_all_is_no_column(comparisons):
    alone, failed = build_view(comparisons["base_missing"]), build_view(comparisons["head_only"])
    assert [column.title for column in alone.table.columns][:3] == ["Model", "FLOPs", "MAdd"]
    assert not alone.table.columns[0].numeric and alone.table.columns[1].numeric
    assert [column.title for column in failed.table.columns][:2] == ["Model", "Status"]


def test_nothing_declared_is_said_in_words(make_comparison):
    view = build_view(make_comparison((), ()))
    assert view.verdict.plain == "No models are declared."
    assert "|" not in render_markdown(view).split("<details>")[0]


def test_timings_within_noise_are_said_to_be(make_result, make_timing, make_comparison):
    base, head = make_result(timing=make_timing(20.0)), make_result(timing=make_timing(20.1))
    view = build_view(make_comparison((base,), (head,)))
    assert view.verdict.plain == "No change in 1 model, timings within noise."
    texts = {
        c.title: cell.text.plain
        for c, cell in zip(view.table.columns, view.table.rows[0], strict=True)
    }
    assert texts["Latency"] == "20.1 ms (+0.5 %, within noise)"
    assert texts["Throughput"] == "398 /s (−0.5 %, within noise)"


def test_a_timing_lost_at_head_keeps_its_row(make_result, make_timing, make_comparison):
    base, head = make_result(timing=make_timing(20.0)), make_result()
    view = build_view(make_comparison((base, make_result("b")), (head, make_result("b"))))
    (row,) = view.table.rows
    assert row[1].text.plain == "partly measured"
    assert "not measured, was 20.0 ms" in [cell.text.plain for cell in row]


def test_what_is_cut_is_counted(make_result, make_comparison):
    base = tuple(make_result(f"m{n}", macs=100) for n in range(9))
    head = tuple(make_result(f"m{n}", macs=200) for n in range(9))
    view = build_view(make_comparison(base, head), Limits(rows=4, names=2, models=3))
    assert len(view.table.rows) == 4 and view.folded.plain == "And 5 more models."
    assert view.verdict.plain == "9 models worse (m0 FLOPs +100 %, m1 FLOPs +100 % and 7 more)."
    assert view.layers.parts[-1].remark.plain == "And 6 more models."


def test_layers_come_by_the_size_of_their_change(make_result, make_layer, make_comparison):
    def net(**macs):
        parts = (make_layer(path, macs=value) for path, value in macs.items())
        return make_result(layers=(make_layer("", "Net", macs=sum(macs.values())), *parts))

    comparison = make_comparison((net(a=100, b=100, c=100),), (net(a=101, b=50, c=110),))
    (part,) = build_view(comparison, Limits(layers=2)).layers.parts
    assert [row[0].text.plain for row in part.tables[0].rows] == ["b", "c"]
    assert part.remark.plain == "And 1 more layer."


def test_uncounted_operations_are_told_with_their_calls(comparisons):
    view = build_view(comparisons["mixed"])
    lines = [line.plain for line in view.warnings.parts[0].lines]
    assert lines[0].startswith("tagger at head: operations without a formula")
    assert lines[0].endswith("aten.cdist × 3")
    assert any("tagger" in note.plain for note in view.notes)


@pytest.mark.parametrize("sha", ["x; rm -rf ~", "--upload-pack=x", "", None])
def test_a_sha_that_is_none_never_becomes_a_command(sha, comparisons):
    comparison = comparisons["unchanged"]
    revision = replace(comparison.base.revision, sha=sha)
    forged = replace(
        comparison,
        base=replace(comparison.base, revision=revision),
        head=replace(comparison.head, revision=revision),
    )
    (part,) = build_view(forged).reproduce.parts
    assert part.blocks[0].plain == "modelperf-report"


def test_uncommitted_changes_are_said(comparisons):
    comparison = comparisons["unchanged"]
    dirty = replace(comparison.head, revision=replace(comparison.head.revision, dirty=True))
    view = build_view(replace(comparison, head=dirty))
    assert "uncommitted changes included" in view.provenance[0].plain
    assert view.reproduce.parts[0].remark is not None
