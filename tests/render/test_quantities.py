"""Numbers at every boundary, and that what is said never contradicts what is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.render import quantities

K = 1024
UNITS = ("count", "bytes", "ms", "per_s")


def spaced(text):
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "count", "0"),
        (1, "count", "1"),
        (999, "count", "999"),
        (1000, "count", "1.00 K"),
        (1004, "count", "1.00 K"),
        (1005, "count", "1.01 K"),
        (999_499, "count", "999 K"),
        (999_500, "count", "1.00 M"),
        (18_375_000, "count", "18.4 M"),
        (4_089_284_608, "count", "4.09 G"),
        (999_500_000_000, "count", "1.00 T"),
        (1_234_000_000_000_000, "count", "1,234 T"),
        (0, "bytes", "0 B"),
        (1023, "bytes", "1,023 B"),
        (K, "bytes", "1.00 KiB"),
        (10 * K, "bytes", "10.0 KiB"),
        (1023 * K, "bytes", "1,023 KiB"),
        (K * K - 1, "bytes", "1.00 MiB"),
        (K * K - K // 2, "bytes", "1.00 MiB"),
        (K**3, "bytes", "1.00 GiB"),
        (K**4, "bytes", "1.00 TiB"),
        (0.0, "ms", "0 µs"),
        (0.0005, "ms", "0.500 µs"),
        (0.9994, "ms", "999 µs"),
        (0.9996, "ms", "1.00 ms"),
        (0.999999, "ms", "1.00 ms"),
        (12.34, "ms", "12.3 ms"),
        (999.4, "ms", "999 ms"),
        (999.5, "ms", "1.00 s"),
        (3_600_000.0, "ms", "3,600 s"),
        (0.52, "per_s", "0.520 /s"),
        (312.4, "per_s", "312 /s"),
        (999.5, "per_s", "1.00 K/s"),
    ],
)
def test_a_quantity_at_the_boundaries(value, unit, text):
    assert spaced(quantities.quantity(value, unit)) == text


@given(st.integers(0, 10**17), st.sampled_from(("count", "bytes")))
def test_a_quantity_is_within_half_a_unit_of_its_third_digit(value, unit):
    text = quantities.quantity(value, unit)
    number, _, suffix = text.partition("\u00a0")
    factors = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "B": 1}
    factors |= {"KiB": K, "MiB": K**2, "GiB": K**3, "TiB": K**4}
    assert float(number.replace(",", "")) * factors[suffix] == pytest.approx(value, rel=0.00501)


@given(st.floats(1e-6, 1e9), st.sampled_from(("ms", "per_s")))
def test_a_measured_quantity_never_reads_as_a_thousand_of_a_unit_that_has_a_larger_one(value, unit):
    text = quantities.quantity(value, unit)
    assert not re.match(r"1,?000", text) or text.endswith(("\u00a0s", "G/s"))


@pytest.mark.parametrize(
    ("base", "head", "unit", "text"),
    [
        (100, 100, "count", "±0"),
        (0, 0, "count", "±0"),
        (0, 12_345, "count", "+12.3 K"),
        (100, 105, "count", "+5.0 %"),
        (100, 95, "count", "−5.0 %"),
        (100, 0, "count", "−100 %"),
        (100_000, 20, "count", "−99.98 %"),
        (1000, 3500, "count", "+250 %"),
        (1000, 1999.6, "ms", "+100 %"),
        (1000, 12_345_000, "count", "+1,234,400 %"),
        (10_000, 10_004, "count", "+0.04 %"),
        (1_000_000, 1_000_042, "count", "+0.004 %"),
        (4_089_284_608, 4_089_284_609, "count", "+1"),
        (10**12, 10**12 - 2048, "bytes", "−2.00 KiB"),
        (12.0, 13.2, "ms", "+10.0 %"),
    ],
)
def test_a_change(base, head, unit, text):
    assert spaced(quantities.change(base, head, unit)) == text


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.sampled_from(("count", "bytes")))
def test_numbers_that_differ_never_read_as_equal(base, head, unit):
    same = base == head
    texts = quantities.pair(base, head, unit)
    change = quantities.change(base, head, unit)
    assert (texts[0] == texts[1]) is same
    assert (change == "±0") is same
    assert same or change.startswith("+" if head > base else "−")
    assert same or re.search("[1-9]", change)


@given(st.integers(0, 2**52), st.integers(0, 2**52), st.sampled_from(UNITS))
def test_a_whole_number_reads_the_same_as_a_float(base, head, unit):
    # JSON read back may say 3.0 where 3 was written.
    floats = (float(base), float(head), unit)
    assert quantities.pair(base, head, unit) == quantities.pair(*floats)
    assert quantities.change(base, head, unit) == quantities.change(*floats)


@given(st.integers(10**6, 10**15), st.integers(-3, 3))
def test_close_numbers_never_read_as_equal(base, step):
    texts = quantities.pair(base, base + step, "count")
    assert (texts[0] == texts[1]) is (step == 0)


@pytest.mark.parametrize(
    ("base", "head", "unit", "texts"),
    [
        (999_000, 1_002_000, "count", ("0.999 M", "1.00 M")),
        (97_700_000, 102_000_000, "count", ("97.7 M", "102 M")),
        (4_090_000_000, 4_089_000_000, "count", ("4.090 G", "4.089 G")),
        (4_089_284_608, 4_089_284_609, "count", ("4,089,284,608", "4,089,284,609")),
        (512, 3 * K, "bytes", ("0.500 KiB", "3.00 KiB")),
        (12, 3 * K**3, "bytes", ("12 B", "3.00 GiB")),
        (0, 3 * K, "bytes", ("0 KiB", "3.00 KiB")),
        (0.9, 1.2, "ms", ("0.900 ms", "1.20 ms")),
    ],
)
def test_both_sides_of_a_cell_share_a_unit(base, head, unit, texts):
    assert tuple(map(spaced, quantities.pair(base, head, unit))) == texts


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0 %"), (0, 9, "0.0 %"), (1, 8, "12.5 %"), (9, 9, "100.0 %"), (1, 9999, "< 0.1 %")],
)
def test_a_share_of_a_whole(part, whole, text):
    assert spaced(quantities.share_of(part, whole)) == text
