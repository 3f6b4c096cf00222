"""Our counts of the world's models, beside published figures and closed formulas, as Markdown.

    PYTHONPATH=. python benchmarks/accuracy.py [torchvision] [timm] [transformers]
        [survey] [--confirm] [--write]

`--write` puts the tables into docs/accuracy.md, between the comments that name them.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import timm_models
import torchvision_models
import torchvision_operators
import transformers_models

from reporter.profile.failures import ProfileFailure
from reporter.profile.ladder import count_model
from reporter.records import ModelSpec

PAGE = Path(__file__).parent.parent / "docs" / "accuracy.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the counter said of one model, by the path that every user takes; or why nothing."""

    macs: int = 0
    params: int = 0
    rung: str = ""
    seconds: float = 0.0
    uncounted: dict[str, int] = field(default_factory=dict)
    error: str = ""


def counted(spec: ModelSpec) -> Outcome:
    """Build and count the model of `spec`."""
    print(f"… {spec.name}", file=sys.stderr)
    start = time.perf_counter()
    try:
        result = count_model(spec)
    except ProfileFailure as failure:
        return Outcome(error=failure.error.message.splitlines()[0])
    cost = result.count.cost
    return Outcome(
        macs=cost.macs,
        params=cost.params,
        rung=result.counting.rung,
        seconds=time.perf_counter() - start,
        uncounted=dict(cost.uncounted),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    rules = ["---", *["--:"] * (len(heads) - 1)]
    lines = [heads, rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def folded(summary: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table behind a line to click on, where it has rows."""
    text = table(heads, rows) if rows else "None."
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


# torchvision --------------------------------------------------------------------------------------


def torchvision_section() -> str:
    """Every set of weights of a classifier against its own metadata."""
    seen = [(entry, counted(entry.spec())) for entry in torchvision_models.published()]
    exact = [
        (entry, outcome)
        for entry, outcome in seen
        if agrees_with_ops(outcome.macs, entry.gmacs) and outcome.params == entry.params
    ]
    on_meta = sum(outcome.rung == "meta" for _, outcome in seen)
    rows = [
        (
            f"{entry.model} · {entry.weights}",
            "×".join(map(str, entry.shape)),
            f"{entry.gmacs:.3f}",
            outcome.error or f"{outcome.macs / 1e9:.6f}",
            f"{entry.params:,}",
            f"{outcome.params:,}",
            outcome.rung,
        )
        for entry, outcome in seen
    ]
    heads = ("Weights", "Input", "`_ops`", "Counted, G", "`num_params`", "Counted", "On tensors")
    return (
        f"{len(exact)} of {len(seen)} sets of weights agree with torchvision's `_ops` to its last "
        f"digit (0.001 GMAC) and with its `num_params` exactly; "
        f"{on_meta} were counted without allocating a weight.\n\n"
        + folded(f"All {len(seen)}", heads, rows)
    )


def agrees_with_ops(macs: int, gmacs: float) -> bool:
    """Whether `macs` rounds to the three decimals that torchvision publishes."""
    return abs(macs / 1e9 - gmacs) <= 0.0005 + 1e-9


# timm ---------------------------------------------------------------------------------------------


def timm_section(path: Path, *, confirm: bool) -> str:
    """The rows of timm's table, and a reason for each that differs."""
    seen = [(row, counted(row.spec())) for row in timm_models.published(path)]
    built = [(row, outcome) for row, outcome in seen if not outcome.error]
    failed = [f"{row.model} ({outcome.error})" for row, outcome in seen if outcome.error]
    differing = [(row, outcome) for row, outcome in built if not agrees(row, outcome)]
    params = [(row, outcome) for row, outcome in built if not same_params(row, outcome)]
    rows = [
        (
            f"{row.model} · {row.side}",
            f"{row.gmacs:.2f}",
            f"{outcome.macs / 1e9:.4f}",
            f"{outcome.macs / 1e9 / row.gmacs - 1:+.1%}",
            opinion.text(outcome.macs) if opinion else "fvcore is not installed",
        )
        for row, outcome in differing
        for opinion in (second_opinion(row),)
    ]
    meta = sum(outcome.rung == "meta" for _, outcome in built)
    text = (
        f"{len(built)} of {len(seen)} rows built, {meta} of them counted without allocating a "
        f"weight; {len(built) - len(differing)} agree with the published GMACs within 2 % or one "
        f"unit of their last digit, {len(built) - len(params)} with the published millions of "
        "parameters to both decimals."
    )
    if failed:
        text += "\n\nNot built: " + ", ".join(failed) + "."
    for row, outcome in params:
        text += (
            f"\n\n{row.model}: published {row.params_m} M parameters, counted "
            f"{outcome.params:,}; the model of the installed timm has "
            f"{timm_models.parameters(row):,}."
        )
    heads = ("Model", "Published GMACs", "Counted, G", "Difference", "Why")
    text += "\n\n" + folded(f"The {len(rows)} that differ", heads, rows)
    return text + ("\n\n" + confirmed(built) if confirm else "")


def agrees(row: timm_models.Row, outcome: Outcome) -> bool:
    """Within 2 %, or within one unit of the last digit published."""
    difference = abs(outcome.macs / 1e9 - row.gmacs)
    return difference <= max(0.02 * row.gmacs, 0.01)


def same_params(row: timm_models.Row, outcome: Outcome) -> bool:
    """Whether the count rounds to the published two decimals of a million."""
    return abs(outcome.params / 1e6 - row.params_m) <= 0.005 + 1e-9


CONTRACTIONS = frozenset({"conv", "linear", "matmul", "bmm", "mm", "addmm", "einsum", "baddbmm"})
"""What fvcore counts that we call MACs; all else in its sum is norms, pooling, interpolation."""

SKIPPED = {
    "aten::lstm": "recurrent layers",
    "aten::gru": "recurrent layers",
    "aten::_convolution_mode": 'convolutions with padding="same"',
    "aten::scaled_dot_product_attention": "fused attention",
}
"""Operations that multiply matrices and that fvcore has no formula for."""


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Of fvcore, which made timm's table: `own` are contractions, `other` norms and pooling."""

    own: int
    other: int
    skipped: dict[str, int]

    def text(self, macs: int) -> str:
        """Why the published sum is not `macs`."""
        total, other = (self.own + self.other) / 1e9, self.other / 1e9
        text = f"fvcore: {total:.4f} G, of which {other:.4f} norms and pooling"
        if self.skipped:
            calls = ", ".join(f"{n} × {SKIPPED[name]}" for name, n in self.skipped.items())
            return f"{text}; it skips {calls}"
        same = "equal to ours" if self.own == macs else f"{self.own / macs - 1:+.4%} of ours"
        return f"{text}; the rest is {same}"


def second_opinion(row: timm_models.Row) -> SecondOpinion | None:
    """What fvcore says of the model of `row`, on real tensors; None where it is not installed.

    As in timm's own benchmark attention is not fused, so that fvcore sees its products.
    """
    try:
        import torch
        from fvcore.nn import FlopCountAnalysis  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    from timm.layers import set_fused_attn

    set_fused_attn(False)
    model = timm_models.timm_model(**row.spec().kwargs).eval()
    set_fused_attn(True)
    analysis = FlopCountAnalysis(model, torch.zeros(1, 3, row.side, row.side))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    own = sum(value for name, value in by_operator.items() if name in CONTRACTIONS)
    skipped = {name: n for name, n in analysis.unsupported_ops().items() if name in SKIPPED}
    return SecondOpinion(int(own), int(sum(by_operator.values()) - own), skipped)


def confirmed(seen: Sequence[tuple[timm_models.Row, Outcome]]) -> str:
    """How many rows fvcore's own convolutions and products confirm to the last one."""
    opinions = [(row, outcome, second_opinion(row)) for row, outcome in seen]
    equal = sum(
        opinion is not None and opinion.own == outcome.macs for _, outcome, opinion in opinions
    )
    rows = [
        (f"{row.model} · {row.side}", f"{outcome.macs:,}", opinion.text(outcome.macs))
        for row, outcome, opinion in opinions
        if opinion is not None and opinion.own != outcome.macs
    ]
    text = (
        f"Run again on real tensors, fvcore finds in {equal} of {len(opinions)} rows, norms and "
        "pooling apart, exactly the MACs that are counted here."
    )
    heads = ("Model", "Counted", "fvcore")
    return text + "\n\n" + folded(f"The {len(rows)} others", heads, rows)


# transformers and diffusers -----------------------------------------------------------------------


def transformers_section() -> str:
    """The models of transformers_models against their closed formulas."""
    seen = [(case, counted(case.spec())) for case in transformers_models.CASES]
    rows = [
        (
            case.name,
            f"{case.size.macs:,}",
            outcome.error or f"{outcome.macs:,}",
            "" if outcome.error else f"{outcome.macs / case.size.macs - 1:+.4%}",
            f"{case.size.params:,}",
            f"{outcome.params - case.size.params:+,}",
            outcome.rung,
            f"{outcome.seconds:.2f}",
            ", ".join(outcome.uncounted) or "none",
        )
        for case, outcome in seen
    ]
    heads = (
        "Model", "MACs by formula", "Counted", "Difference", "Params by formula", "Difference",
        "On tensors", "Seconds", "Uncounted",
    )  # fmt: skip
    exact = sum(tuple(case.size) == (outcome.macs, outcome.params) for case, outcome in seen)
    return (
        f"{exact} of {len(seen)} equal their closed formula in MACs and parameters "
        "to the last digit.\n\n" + table(heads, rows)
    )


NEEDS_VALUES = re.compile(r"item\(\)|meta|BF16|nonzero|no data|data-dependent")
"""What torch says where a forward wants values, or a kernel, that meta tensors do not have."""


def survey_section() -> str:
    """Every architecture of transformers, on meta tensors, against torch's own counter."""
    import transformers_survey

    seen = list(transformers_survey.survey())
    both = [each for each in seen if each.ours is not None and each.torch is not None]
    same = [each for each in both if each.ours == each.torch]
    refused = [each for each in seen if NEEDS_VALUES.search(each.refused)]
    unknown = sum(bool(each.uncounted) for each in both)
    rows = [(each.name, f"{each.ours:,}", f"{each.torch:,}") for each in both if each not in same]
    why = [(each.name, each.refused) for each in refused]
    return (
        f"Of {len(seen)} architectures {len(both)} run under both counters, and in {len(same)} of "
        f"them the MACs are the same to the last digit; {unknown} have an operation without a "
        f"formula. {len(refused)} want values that meta tensors do not have (the program counts "
        "them on real ones); the others need other inputs or settings than their defaults.\n\n"
        + folded(f"The {len(rows)} that differ", ("Model", "Ours", "torch"), rows)
        + "\n\n"
        + folded(f"The {len(why)} that want values", ("Model", "What torch says"), why)
    )


# The page -----------------------------------------------------------------------------------------


def put(section: str, text: str, page: str) -> str:
    """`page` with `text` between the comments that name `section`.

    Raises:
        ValueError: `page` has no such comments.
    """
    opening, closing = f"<!-- {section} -->", f"<!-- /{section} -->"
    found = re.compile(f"{re.escape(opening)}.*?{re.escape(closing)}", re.DOTALL)
    if not found.search(page):
        raise ValueError(f"no {opening} … {closing} in the page")
    return found.sub(lambda _: f"{opening}\n\n{text}\n\n{closing}", page)


def main() -> None:
    """Count, print, and with `--write` keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sections: dict[str, Callable[[argparse.Namespace], str]] = {
        "torchvision": lambda _: torchvision_section(),
        "timm": lambda arguments: timm_section(arguments.timm_results, confirm=arguments.confirm),
        "transformers": lambda _: transformers_section(),
        "survey": lambda _: survey_section(),
    }
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(sections)}; all if none")
    parser.add_argument("--timm-results", type=Path, default=timm_models.TABLE)
    parser.add_argument("--confirm", action="store_true", help="every row of timm by fvcore, too")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(sections)
    if unknown:
        parser.error(f"no section {', '.join(unknown)}")
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    torchvision_operators.define_if_missing()
    for section in arguments.sections or sections:
        text = sections[section](arguments)
        print(f"## {section}\n\n{text}\n")
        if arguments.write:
            PAGE.write_text(put(section, text, PAGE.read_text()))


if __name__ == "__main__":
    main()
