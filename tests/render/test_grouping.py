"""Repeated blocks merge where nothing shown differs, and only into exactly what they are."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.render.grouping import grouped, numbers


def told(paths, shown=lambda path: ""):
    return [(group.path, len(group.members)) for group in grouped(paths, str, shown)]


def test_blocks_that_differ_in_a_number_are_one():
    paths = [f"encoder.{n}.mlp.0" for n in range(12)]
    assert told(paths) == [("encoder.{0…11}.mlp.0", 12)]


def test_what_shows_something_else_stays_apart():
    paths = [f"blocks.{n}" for n in range(6)]
    assert told(paths, lambda path: path == "blocks.4") == [
        ("blocks.{0…3, 5}", 5),
        ("blocks.4", 1),
    ]


def test_two_numbers_merge_only_into_a_full_product():
    square = [f"a.{i}.{j}" for i, j in product(range(3), range(3))]
    assert told(square) == [("a.{0…2}.{0…2}", 9)]
    assert told([path for path in square if path != "a.1.1"]) == [
        ("a.{0…2}.{0, 2}", 6),
        ("a.{0, 2}.1", 2),
    ]


@pytest.mark.parametrize(
    "paths", [["a1", "a2"], ["a.01", "a.1"], ["a.0", "b.0"], ["a.0", "a.0.0"], ["", "0"]]
)
def test_what_is_no_number_or_no_sibling_never_merges(paths):
    assert told(paths) == [(path, 1) for path in paths]


@pytest.mark.parametrize(
    ("several", "text"),
    [([7], "7"), ([1, 0], "{0, 1}"), ([0, 1, 2], "{0…2}"), ([5, 0, 1, 2, 3, 9], "{0…3, 5, 9}")],
)
def test_runs_of_three_are_written_as_a_run(several, text):
    assert numbers(several) == text


def expanded(path):
    """Every path that a group's text stands for, worked out from the text alone."""
    pieces = re.split(r"\{(.*?)\}", path)
    choices = [[text] if at % 2 == 0 else spelled(text) for at, text in enumerate(pieces)]
    return {"".join(choice) for choice in product(*choices)}


def spelled(text):
    ranges = [part.split("…") for part in text.split(", ")]
    return [str(n) for ends in ranges for n in range(int(ends[0]), int(ends[-1]) + 1)]


PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "2", "3", "10"]), min_size=1, max_size=4)


@given(st.sets(PATHS.map(".".join), max_size=25), st.integers(1, 3))
def test_the_groups_are_the_paths_each_once(paths, kinds):
    def kind(path):
        return sum(map(ord, path)) % kinds

    groups = grouped(sorted(paths), str, kind)
    assert sorted(path for group in groups for path in group.members) == sorted(paths)
    for group in groups:
        assert expanded(group.path) == set(group.members)
        assert len({kind(path) for path in group.members}) == 1
