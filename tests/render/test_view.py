"""What a view says and leaves out; and that everything it claims adds up."""

from __future__ import annotations

import re
from collections import Counter
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
    """A rendered report read back: its paragraphs, and the tables and items of each section."""

    def __init__(self, markdown):
        super().__init__()
        self.section, self.tag, self.paragraphs, self.sections = "", "", [], {"": []}
        self.items = {}
        html = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        self.feed(html.replace("\xa0", " "))

    def handle_starttag(self, tag, attrs):
        self.tag = tag if tag not in ("code", "strong") else self.tag
        if tag == "p":
            self.paragraphs.append("")
        elif tag == "li":
            self.items.setdefault(self.section, []).append("")
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
        elif self.tag == "li":
            self.items[self.section][-1] += data.strip("\n")
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


def claimed_by_counts(verdict):
    """`1 model breaks 1 budget (…); 2 failed (…); 4 unchanged`: numbers by their word."""
    found = re.findall(
        r"(?:^|; )(\d+)(?: models?)? (breaks?|[a-z ]+?)(?= \(|;|\.|$| \d)",
        re.sub(r"\([^()]*\)", "", verdict),
    )
    return {
        word.strip().rstrip("s") if word.startswith("break") else word.strip(): int(n)
        for n, word in found
    }


def told_by_row(row):
    said = row.get("Status", "profiled")
    if said.endswith("over budget"):
        return "break"
    if said.startswith(("failed", "at base failed")):
        return "failed" if said.startswith("failed") else "not compared"
    return said.split(",")[0]


def test_the_counts_of_the_verdict_are_those_of_the_rows(case):
    comparison, document = case
    verdict = document.paragraphs[0]
    folded = sum(
        int(n) for p in document.paragraphs for n in re.findall(r"(\d+) models? unchanged:", p)
    )
    assert len(document.rows) + folded == len(comparison.models)
    if verdict.startswith("No change"):
        assert [int(n) for n in re.findall(r"\d+", verdict)] == [len(document.rows)]
        return
    seen = Counter(map(told_by_row, document.rows)) + Counter(unchanged=folded)
    claimed = claimed_by_counts(verdict)
    unjudged = claimed.pop("budget not judged", 0) + claimed.pop("budgets not judged", 0)
    assert unjudged <= sum(b.state == "unknown" for m in comparison.models for b in m.budgets)
    plain = {word: seen[word] for word in ("unchanged", "profiled") if seen[word]}
    assert {word: n for word, n in claimed.items() if word in ("unchanged", "profiled")} == plain
    telling = [row["Model"] for row in document.rows if told_by_row(row) not in plain]
    if len(telling) > Limits().names:
        assert claimed == seen
    else:
        clauses = verdict.split("; ")[: len(telling)]
        assert [clause.split(" ")[0] for clause in clauses] == telling


def test_every_budget_is_in_a_row_or_in_a_line(case):
    comparison, document = case
    title, tables = document.named("Budgets")
    verdicts = [row["Verdict"].split(":")[0] for table in tables for row in records(table)]
    stated = Counter(budget.state for model in comparison.models for budget in model.budgets)
    assert {w: int(n) for n, w in re.findall(r"(\d+) (broken|unknown|kept)", title or "")} == stated
    lines = document.items.get(title, [])
    kept = [int(n) for line in lines for n in re.findall(r"^(\d+) kept", line)]
    without_base = [int(n) for line in lines for n in re.findall(r"^(\d+) growth budget", line)]
    unjudged = [int(n) for line in lines for n in re.findall(r"(\d+) budgets? not judged", line)]
    assert sum(kept) == stated["kept"] and verdicts.count("kept") == 0
    assert verdicts.count("broken") == stated["broken"]
    told = verdicts.count("unknown") + sum(without_base) + sum(unjudged)
    assert told == stated["unknown"]
    broken = re.findall(r"breaks? (\d+) budgets?", document.paragraphs[0])
    assert sum(map(int, broken)) == stated["broken"]


def test_the_kinds_of_kept_budgets_add_up_to_their_number(case):
    _, document = case
    for line in document.items.get(document.named("Budgets")[0], []):
        if found := re.match(r"(\d+) kept: (.*)\.$", line):
            kinds = [
                int((re.findall(r" × (\d+)$", kind) or [1])[0]) for kind in found[2].split(", ")
            ]
            assert sum(kinds) == int(found[1])


def test_a_titles_count_is_the_number_of_things_under_it(case):
    comparison, document = case
    failed = [m for m in comparison.models if any(r and r.error for r in (m.base, m.head))]
    title, _ = document.named("Errors")
    assert title == (f"Errors ({len(failed)})" if failed else None)
    title, tables = document.named("Layers that changed")
    outside = sum("outside its submodules" in text for text in document.paragraphs)
    claimed = int(re.search(r"\d+", title)[0]) if title else 0
    assert claimed == len(tables) + outside


def repeated(row):
    found = re.search(r" ×(\d+)", row["Layer"])
    return int(found[1]) if found else 1


def figure(row, title):
    """A column of the layers' table, whose head says `, each` where rows stand for several."""
    (value,) = (text for head, text in row.items() if head.startswith(title))
    return value


def test_own_flops_and_shares_add_up_to_the_model(case):
    comparison, document = case
    add_up(comparison, document)


def add_up(comparison, document):
    _, tables = document.named("Where the FLOPs go")
    captions = [p for p in document.paragraphs if " FLOPs in " in p]
    layered = [m for m in comparison.models if m.head and m.head.layers]
    assert len(captions) == len(tables) == len(layered)
    flops = {model.name: model.head.cost.macs for model in layered}
    for caption, table in zip(captions, tables, strict=True):
        named, total, modules = re.match(r"(.+): (.+) FLOPs in (\d+) module", caption).groups()
        after = document.paragraphs[document.paragraphs.index(caption) + 1]
        others, rest, share = re.match(
            r"(\d+) more modules?: (?:no own FLOPs|(.+) FLOPs \((.+) %\))", after
        ).groups()
        rows = records(table)
        assert number(total) == pytest.approx(flops[named], rel=0.005)
        assert sum(map(repeated, rows)) + int(others) == int(modules)
        own = sum(number(figure(row, "Own FLOPs")) * repeated(row) for row in rows)
        assert own + number(rest or "0") == pytest.approx(number(total), rel=0.005)
        shares = [float(figure(row, "Share of model").rstrip(" %")) for row in rows]
        shares.append(float(share or 0))
        assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))
        for row, told in zip(rows, shares, strict=False):
            part = 100 * number(figure(row, "Own FLOPs")) * repeated(row) / flops[named]
            assert told == pytest.approx(part, abs=0.6)


def test_repeated_blocks_are_one_row_and_still_add_up(make_result, make_layer, make_comparison):
    def net(macs, odd):
        blocks = [make_layer(f"blocks.{n}", macs=macs, params=n % 2 * odd) for n in range(12)]
        total = 12 * macs + 50
        stem = make_layer("stem", "Conv2d", macs=50)
        return make_result(macs=total, layers=(make_layer("", "Net", macs=total), stem, *blocks))

    comparison = make_comparison((net(100, 0),), (net(110, 0),))
    document = Document(render_markdown(build_view(comparison)))
    add_up(comparison, document)
    (changed,) = document.named("Layers that changed")[1]
    assert records(changed) == [
        {"Layer": "blocks.{0…11} ×12", "Class": "Linear", "FLOPs": "110 (+10.0 %)"}
    ]
    uneven = Document(render_markdown(build_view(make_comparison((net(100, 0),), (net(110, 7),)))))
    rows = [row for table in uneven.named("Layers that changed")[1] for row in records(table)]
    assert [(row["Layer"], row["Params"]) for row in rows] == [
        ("blocks.{1, 3, 5, 7, 9, 11} ×6", "7 (+7)"),
        ("blocks.{0, 2, 4, 6, 8, 10} ×6", "0 (±0)"),
    ]


def test_the_root_layer_is_the_cost_in_every_case(case):
    comparison, _ = case
    for model in comparison.models:
        for result in (model.base, model.head):
            if result and result.layers:
                root = result.layers[0]
                assert (root.macs, root.params) == (result.cost.macs, result.cost.params)


def test_the_cell_of_a_layer_is_its_value_at_head_and_its_own_change(case):
    comparison, document = case
    layers = {
        layer.path: {delta.metric: delta for delta in layer.metrics}
        for model in comparison.models
        for layer in model.layers
    }
    for table in document.named("Layers that changed")[1]:
        for row in records(table):
            value, share = re.match(r"(.+) \(([+−][\d.]+) %", row["FLOPs"]).groups()
            delta = layers[row["Layer"]]["macs"]
            assert number(value) == pytest.approx(delta.head, rel=0.005)
            told = 100 * (delta.head / delta.base - 1)
            assert float(share.replace("−", "-")) == pytest.approx(told, abs=0.05)


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
    assert view.verdict.plain == "b breaks 1 budget (Params 25.6 M, over 1); 1 model unchanged."
    assert view.tone == "worse"


def test_a_status_that_is_the_same_for_all_is_no_column(comparisons):
    alone, failed = build_view(comparisons["base_missing"]), build_view(comparisons["head_only"])
    assert [column.title for column in alone.table.columns][:3] == ["Model", "FLOPs", "Params"]
    assert not alone.table.columns[0].numeric and alone.table.columns[1].numeric
    assert [column.title for column in failed.table.columns][:2] == ["Model", "Status"]


def test_nothing_profiled_is_said_in_words(make_comparison):
    view = build_view(make_comparison((), (), notes=("Shard 3/4 has none of the 2 models.",)))
    assert view.verdict.plain == "No model was profiled."
    assert [note.plain for note in view.notes] == ["Shard 3/4 has none of the 2 models."]
    assert "|" not in render_markdown(view).split("<details>")[0]


def test_timings_within_noise_are_said_to_be(make_result, make_timing, make_comparison):
    base, head = make_result(timing=make_timing(20.0)), make_result(timing=make_timing(20.1))
    view = build_view(make_comparison((base,), (head,)))
    assert view.verdict.plain == "No change in 1 model (timings within noise)."
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
        total = sum(macs.values())
        return make_result(macs=total, layers=(make_layer("", "Net", macs=total), *parts))

    comparison = make_comparison((net(a=100, b=100, c=100),), (net(a=101, b=50, c=110),))
    (part,) = build_view(comparison, Limits(layers=2)).layers.parts
    assert [row[0].text.plain for row in part.tables[0].rows] == ["b", "c"]
    assert [row[2].text.plain for row in part.tables[0].rows] == [
        "50 (−50.0 %)",
        "110 (+10.0 % worse)",
    ]
    assert part.remark.plain == "And 1 more layer."


def test_a_block_counts_as_often_as_it_repeats(make_result, make_layer, make_comparison):
    def net(step):
        blocks = [make_layer(f"blocks.{n}", macs=100 + step) for n in range(3)]
        stem = make_layer("stem", macs=100 + 2 * step)
        total = 400 + 5 * step
        return make_result(macs=total, layers=(make_layer("", "Net", macs=total), stem, *blocks))

    view = build_view(make_comparison((net(0),), (net(10),)))
    # 3 blocks by 10 each are more than one stem by 20; and 3 × 110 of 450 FLOPs are 73.3 %.
    (changed,), (top,) = view.layers.parts[0].tables, view.top_layers.parts[0].tables
    assert [row[0].text.plain for row in changed.rows] == ["blocks.{0…2} ×3", "stem"]
    assert [row[-1].text.plain for row in top.rows] == ["73.3 %", "26.7 %"]


def test_uncounted_operations_are_told_with_their_calls(comparisons):
    view = build_view(comparisons["mixed"])
    lines = [line.plain for line in view.warnings.parts[0].lines]
    assert lines[0].startswith("tagger at head: operations without a formula")
    assert lines[0].endswith("aten.cdist × 3")
    assert any("tagger" in note.plain for note in view.notes)


def test_few_models_are_told_by_name_and_many_are_counted(make_result, make_comparison):
    base = tuple(make_result(f"m{n}", macs=100, params=200) for n in range(4))
    head = (
        make_result("m0", macs=150, params=201),
        make_result("m1", macs=50, params=200),
        make_result("m2", macs=90, params=210),
        make_result("m3", macs=100, params=200),
    )
    growth = Budget(metric="macs", kind="growth", limit=0.0, text="+0%")
    cap = Budget(metric="params", kind="cap", limit=200, text="200")
    comparison = make_comparison(base, head, {"m0": (growth, cap), "m1": (growth,)})
    assert first_line(comparison) == (
        "m0 breaks 2 budgets (FLOPs +50.0 %, Params 201, over 200); "
        "m2 is mixed (FLOPs −10.0 % better, Params +5.0 % worse); "
        "m1 is cheaper (FLOPs −50.0 %); 1 model unchanged."
    )
    assert first_line(comparison, names=2) == (
        "1 model breaks 2 budgets (m0 FLOPs +50.0 %); 1 mixed (m2); "
        "1 better (m1 FLOPs −50.0 %); 1 unchanged."
    )


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ((10.0, 100), "m is slower (Latency +100 %)"),
        ((40.0, 100), "m is faster (Latency −50.0 %)"),
        ((10.0, 50), "m is costlier and slower (FLOPs +100 %, Latency +100 %)"),
        ((40.0, 200), "m is cheaper and faster (FLOPs −50.0 %, Latency −50.0 %)"),
        ((20.0, 200), "m is cheaper (FLOPs −50.0 %)"),
    ],
)
def test_cost_and_time_have_words_of_their_own(
    base, said, make_result, make_timing, make_comparison
):
    sides = (
        (make_result("m", macs=macs, timing=make_timing(milliseconds)),)
        for milliseconds, macs in (base, (20.0, 100))
    )
    assert first_line(make_comparison(*sides)) == f"{said}."


def test_states_without_figures_are_clauses_too(make_result, make_failure, make_comparison):
    late = make_failure("late", stage="import")
    head = (make_failure("bad"), make_result("late"), make_result("fresh"))
    base = (make_failure("bad"), late, make_result("old"))
    assert first_line(make_comparison(base, head)) == (
        "bad fails in forward, as at base; late cannot be compared (fails on import at base); "
        "old is removed; fresh is new."
    )


def test_growth_budgets_without_a_base_are_one_sentence(make_result, make_failure, make_comparison):
    growth = Budget(metric="macs", kind="growth", limit=0.0, text="+0%")
    cap = Budget(metric="params", kind="cap", limit=1, text="1")
    of_each = dict.fromkeys(("a", "b", "bad"), (growth, cap))
    models = (make_result("a"), make_result("b"), make_failure("bad"))
    section = build_view(make_comparison(None, models, of_each)).budgets
    assert section.title == "Budgets (2 broken, 4 unknown)"
    ((part),) = section.parts
    assert [line.plain for line in part.lines] == [
        "2 growth budgets need a base: run with --base.",
        "bad failed: 2 budgets not judged.",
    ]
    assert [row[0].text.plain for row in part.tables[0].rows] == ["a", "b"]


def test_a_change_outside_the_main_table_is_said_beside_the_status(comparisons):
    rows = {r[0].text.plain: r[1].text.plain for r in build_view(comparisons["mixed"]).table.rows}
    assert rows["tagger"] == "worse, MemRead +4 B"
    assert rows["captioner"] == "mixed, MemWrite +5.6 % worse"
    assert rows["unet"] == "better" and rows["resnet50"] == "worse, over budget"


def test_the_table_of_traffic_says_better_and_worse_itself(comparisons):
    (part,) = build_view(comparisons["mixed"]).traffic.parts
    assert [column.title for column in part.tables[0].columns] == [
        "Model",
        "MAdd",
        "MemRead",
        "MemWrite",
    ]
    cells = {row[0].text.plain: [c.text.plain for c in row[1:]] for row in part.tables[0].rows}
    assert cells["unet"][1] == "277 MiB (−3.3 % better)" and cells["fresh"][0] == "8.19 G (new)"
    assert "broken" not in cells and "same_1" not in cells


def test_a_layer_that_differs_in_madd_alone_shows_it(make_result, make_layer, make_comparison):
    def net(madds):
        layers = (make_layer("", "Net", madds=madds), make_layer("act", "Act", madds=madds))
        return make_result(madds=madds, layers=layers)

    (part,) = build_view(make_comparison((net(10),), (net(20),))).layers.parts
    assert [column.title for column in part.tables[0].columns] == ["Layer", "Class", "MAdd"]


def test_a_report_without_a_base_is_short(comparisons):
    titles = [section.title for section in build_view(comparisons["base_missing"]).sections]
    assert titles == [
        "Budgets (1 unknown, 1 kept)",
        "Where the FLOPs go",
        "MAdd and memory traffic",
        "Machine and versions",
    ]


def test_uncommitted_changes_are_said(comparisons):
    comparison = comparisons["unchanged"]
    dirty = replace(comparison.head, revision=replace(comparison.head.revision, dirty=True))
    view = build_view(replace(comparison, head=dirty))
    assert "uncommitted changes included" in view.provenance[0].plain
