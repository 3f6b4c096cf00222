"""Errors told once and whole, and only those of this change."""

from __future__ import annotations

from reporter.render.view import Limits, build_view


def test_a_removed_model_that_failed_at_base_is_no_error_of_this_change(
    make_result, make_failure, make_comparison
):
    view = build_view(make_comparison((make_failure("old"), make_result("m")), (make_result("m"),)))
    assert view.errors is None
    (row,) = view.table.rows
    assert [cell.text.plain for cell in row] == ["old", "removed (failed at base)"] + ["failed"] * 3
    assert "old" not in {row[0].text.plain for row in view.traffic.parts[0].tables[0].rows}


def test_a_long_message_is_whole_among_the_errors(make_failure, make_comparison):
    message = "ManifestError: " + "a long story, " * 20 + "and the remedy."
    view = build_view(make_comparison(None, (make_failure(message=message, traceback=""),)))
    (part,) = view.errors.parts
    assert part.caption.plain == f"broken at head: failed in forward: {message}"
    assert "remedy" not in view.table.rows[0][1].text.plain


def test_an_error_of_several_models_is_told_once(make_failure, make_comparison):
    models = tuple(make_failure(f"m{n}", stage="import", message="E: no timm") for n in range(14))
    view = build_view(make_comparison(None, (*models, make_failure("other"))), Limits(rows=12))
    shared, other = view.errors.parts
    assert view.errors.title == "Errors (15)"
    assert shared.caption.plain == "14 models at head: failed on import: E: no timm"
    names = ", ".join(f"m{n}" for n in range(12))
    assert [line.plain for line in shared.lines] == [f"{names} and 2 more"]
    assert len(shared.blocks) == 1 and other.caption.plain.startswith("other at head: failed in")


def test_a_model_that_fails_now_has_no_row_of_traffic(make_failure, make_result, make_comparison):
    base = (make_result("broken"), make_result("m"))
    view = build_view(make_comparison(base, (make_failure("broken"), make_result("m", macs=1))))
    assert [row[0].text.plain for row in view.traffic.parts[0].tables[0].rows] == ["m"]
