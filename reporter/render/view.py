"""A comparison becomes the view that every template and the terminal show."""

from __future__ import annotations

from ..records import Comparison
from . import details, layers, opinions, summary
from .budgets import budgets
from .parts import Limits, ReportView
from .verdict import tone_of, verdict

__all__ = ["Limits", "ReportView", "build_view"]

TITLE = "Model performance"


def build_view(comparison: Comparison, limits: Limits | None = None) -> ReportView:
    """Word, sort and cut everything a report says.

    Args:
        comparison: What changed.
        limits: How much is shown; the defaults suit a pull request's comment.

    Returns:
        The view, without a decision left to take.
    """
    limits = limits or Limits()
    table, folded = summary.main_table(comparison, limits)
    return ReportView(
        title=TITLE,
        verdict=verdict(comparison, limits),
        tone=tone_of(comparison),
        provenance=summary.provenance(comparison),
        notes=summary.notes(comparison, limits),
        table=table,
        folded=folded,
        layers=layers.layer_changes(comparison, limits),
        errors=details.errors(comparison, limits),
        budgets=budgets(comparison),
        warnings=details.warnings(comparison),
        traffic=summary.traffic(comparison, limits),
        timings=details.timings(comparison),
        top_layers=layers.top_layers(comparison, limits),
        second_opinion=opinions.second_opinion(comparison, limits),
        machine=details.machine(comparison),
    )
