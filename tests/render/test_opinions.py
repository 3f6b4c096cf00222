"""The second opinion as its section tells it: figures, reasons in words, layers far apart."""

import pytest

from reporter.records import OpinionLayer, SecondOpinion
from reporter.render.parts import Limits
from reporter.render.view import build_view


def layer(path, macs, their_macs, reason="functional: not seen", **more):
    figures = {"params": 0, "their_params": 0, "type": "Attention", **more}
    return OpinionLayer(path=path, macs=macs, their_macs=their_macs, reason=reason, **figures)


def opinion(**fields):
    return SecondOpinion(**{"tool": "thop", "version": "1", **fields})


@pytest.fixture
def section_of(make_result, make_comparison):
    def make(said, limits=None, **cost):
        head = make_result("net", second_opinion=said, **{"macs": 1000, "params": 100, **cost})
        return build_view(make_comparison(None, (head,)), limits).second_opinion

    return make


def plain(table):
    return [[cell.text.plain for cell in row] for row in table.rows]


def test_without_an_opinion_there_is_no_section(section_of):
    assert section_of(None) is None


def test_two_that_agree(section_of):
    section = section_of(opinion(macs=1000, params=100))
    assert section.title == "Second opinion: thop"
    (part,) = section.parts
    (row,) = plain(part.tables[0])
    assert row == ["net", "1.00 K", "1.00 K", "±0", "100", "100", "±0", "both agree"]


def test_far_apart_the_main_reasons_and_the_layers(section_of):
    layers = (
        layer("attention", 400, 0),
        layer("norm", 0, 30, "thop counts Norm", type="Norm"),
        layer("", 20, 0, "bias"),
        layer("lost", 0, 0, "left out", params=50),
    )
    section = section_of(opinion(macs=610, params=50, layers=layers))
    every, apart = section.parts
    (row,) = plain(every.tables[0])
    assert (row[3], row[6]) == ("−39.0 %", "−50.0 %")
    assert row[-1] == "functional: not seen; thop counts Norm"
    assert apart.caption.plain == "net"
    assert [each[:4] for each in plain(apart.tables[0])] == [
        ["attention", "Attention", "400", "0"],
        ["norm", "Norm", "0", "30"],
        ["(model)", "Attention", "20", "0"],
    ]


def test_within_a_percent_no_layers_are_shown(section_of):
    said = opinion(macs=1010, params=100, layers=(layer("norm", 0, 10),))
    assert len(section_of(said).parts) == 1
    said = opinion(macs=1011, params=100, layers=(layer("norm", 0, 11),))
    assert len(section_of(said).parts) == 2


def test_what_is_cut_is_counted(section_of):
    layers = tuple(layer(f"l{at}", 10, 0) for at in range(5))
    section = section_of(opinion(macs=950, params=100, layers=layers), Limits(top_layers=2))
    assert len(section.parts[1].tables[0].rows) == 2
    assert section.parts[1].remark.plain == "And 3 more layers."


def test_what_thop_could_not_is_told_and_not_a_zero(section_of):
    section = section_of(opinion(error="thop could not: [x](http://evil.example) <img>"))
    (row,) = plain(section.parts[0].tables[0])
    assert row[2:4] == ["not known", "not known"]
    assert row[-1].startswith("thop could not: ")
    shown = str(section.parts[0].tables[0].rows[0][-1])
    assert "<img>" not in shown and "](" not in shown


def test_the_modules_of_uncounted_operations_are_named(make_result, make_comparison):
    head = make_result(
        "net", uncounted={"mylib::f": 3}, uncounted_modules={"mylib::f": ("", "block.0")}
    )
    (line,) = build_view(make_comparison(None, (head,))).warnings.parts[0].lines
    assert line.plain.endswith("mylib::f × 3 in (model), block.0")
