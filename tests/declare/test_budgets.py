"""Budgets: growth in percent, caps in units."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.declare.budgets import parse_budget, pattern_of, scales_of
from reporter.metrics import BY_BUDGET_KEY, METRICS

KEYS = [metric.budget_key for metric in METRICS]


@pytest.mark.parametrize(
    ("key", "text", "limit"),
    [
        ("macs", "+5%", 0.05),
        ("macs", "+ 5 %", 0.05),
        ("macs", "+0%", 0.0),
        ("macs", "+0", 0.0),
        ("macs", "-0%", 0.0),
        ("latency", "+0.1%", 0.001),
        ("params", "+250%", 2.5),
        ("throughput", "-5%", -0.05),
        ("throughput", "+0%", 0.0),
    ],
)
def test_a_signed_percentage_is_a_growth(key, text, limit):
    budget = parse_budget(key, text)

    assert (budget.kind, budget.limit, budget.text) == ("growth", limit, text)
    assert budget.metric == BY_BUDGET_KEY[key].name


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("peak", "16 GiB", 16 * 1024**3),
        ("peak", "500 MB", 500 * 1000**2),
        ("peak", "1.5kB", 1500),
        ("peak", "1 KiB", 1024),
        ("peak", "2 TiB", 2 * 1024**4),
        ("read", "12 B", 12),
        ("read", 12_000_000, 12e6),
        ("macs", "4.1 G", 4.1e9),
        ("macs", "5 GMACs", 5e9),
        ("macs", "5 MFLOPs", 5e6),
        ("madds", "3 kMAdd", 3000),
        ("params", "25_600_000", 25.6e6),
        ("params", "25.6M", 25.6e6),
        ("macs", 4.1e9, 4.1e9),
        ("latency", "12 ms", 12),
        ("latency", "1.5 s", 1500),
        ("latency", "800us", 0.8),
        ("latency", "800 µs", 0.8),
        ("latency", 7, 7),
        ("throughput", "100 /s", 100),
        ("throughput", "100/s", 100),
    ],
)
def test_a_quantity_is_a_cap_in_the_metrics_own_unit(key, value, limit):
    budget = parse_budget(key, value)

    assert (budget.kind, budget.limit, budget.text) == ("cap", limit, str(value))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("macs", "5%", 'did you mean "+5%"'),
        ("throughput", "5%", 'did you mean "-5%"'),
        ("macs", "+5", 'did you mean "+5%"'),
        ("latency", "-5%", 'written with a plus: "+5%"'),
        ("throughput", "+5%", 'written with a minus: "-5%"'),
        ("throughput", "-100%", "never breaks"),
        ("peak", "16 G", "GiB, TiB (powers of 1024)"),
        ("peak", "16 Gb", "powers of 1000"),
        ("peak", "+16 GiB", "expected a growth"),
        ("peak", 0, 'write "+0%"'),
        ("peak", "0 GiB", 'write "+0%"'),
        ("macs", float("inf"), "above zero"),
        ("macs", "-5 G", "expected a growth"),
        ("macs", "4,1 G", "expected a growth"),
        ("macs", "lots", 'found "lots"'),
        ("macs", True, "found true"),
        ("macs", [1], "found [1]"),
        ("macs", "", 'found ""'),
        ("latency", "12 msec", 'did you mean "12 ms"'),
        ("params", "8 GiB", "k, M, G, T"),
        ("throughput", "5 ms", "a floor"),
    ],
)
def test_anything_else_is_refused_with_the_mend(key, value, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_budget(key, value)


@given(
    key=st.sampled_from(KEYS),
    number=st.integers(1, 10**6),
    space=st.sampled_from(["", " "]),
    data=st.data(),
)
def test_every_unit_scales_by_its_factor(key, number, space, data):
    unit, factor = data.draw(st.sampled_from(sorted(scales_of(BY_BUDGET_KEY[key]).items())))

    assert parse_budget(key, f"{number}{space}{unit}").limit == float(number * factor)


@given(
    key=st.sampled_from(KEYS),
    text=st.from_regex(r"[+-]?[ ]?[0-9_.]{0,4}[ ]?(%|[kKMGT]i?B?|m?s|/s|MACs)?", fullmatch=True),
)
def test_the_schemas_pattern_takes_what_the_parser_takes(key, text):
    """Zero caps and total losses are a matter of value, which no pattern can tell."""
    matches = re.search(pattern_of(BY_BUDGET_KEY[key]), text) is not None
    try:
        parse_budget(key, text)
    except ValueError as error:
        assert not matches or "above zero" in str(error) or "never breaks" in str(error)
    else:
        assert matches
