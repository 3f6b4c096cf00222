"""The rows of the tree: in order, each layer once; siblings merge where all below is alike."""

from __future__ import annotations

import pytest

from reporter.declare import settings
from reporter.render.tree import COLUMNS, branches, layer_table


@pytest.fixture
def tree(make_layer):
    """Layers from `path: FLOPs`; nothing else of them is looked at here."""

    def build(**macs):
        paths = {key.replace("_", "."): value for key, value in macs.items()}
        return [make_layer("", "Net"), *(make_layer(p, macs=value) for p, value in paths.items())]

    return build


def rows(layers):
    return [(branch.depth, branch.label, branch.count) for branch in branches(layers)][1:]


def test_siblings_alike_are_one_row_with_their_number(make_layer):
    layers = [make_layer("", "Net"), *(make_layer(f"{n}", macs=5) for n in range(4))]
    assert rows(layers) == [(1, "0…3", 4)]


def test_a_difference_deep_below_keeps_siblings_apart(make_layer):
    def block(n, macs):
        return (make_layer(f"{n}"), make_layer(f"{n}.x"), make_layer(f"{n}.x.y", macs=macs))

    layers = [make_layer("", "Net"), *block(0, 1), *block(1, 1), *block(2, 7), *block(3, 1)]
    below = [(2, "x", 1), (3, "y", 1)]
    assert rows(layers) == [(1, "0, 1", 2), *below, (1, "2", 1), *below, (1, "3", 1), *below]


def test_names_are_never_merged(tree):
    assert rows(tree(a=5, b=5)) == [(1, "a", 1), (1, "b", 1)]


def test_other_names_below_are_a_difference(make_layer):
    layers = [make_layer(path) for path in ("", "0", "0.a", "1", "1.b")]
    assert [label for _, label, _ in rows(layers)] == ["0", "a", "1", "b"]


def test_a_layer_whose_parent_is_missing_hangs_on_the_nearest(make_layer):
    layers = [make_layer(path) for path in ("", "a", "a.b.c", "d.e")]
    assert rows(layers) == [(1, "a", 1), (3, "b.c", 1), (2, "d.e", 1)]


def test_a_model_without_layers_has_no_rows():
    assert list(branches(())) == []


def shown(layers, *columns, width=200):
    table, hidden = layer_table(list(branches(layers)), layers[0].macs, width, columns)
    return [column.header for column in table.columns], hidden


def test_chosen_columns_are_shown_in_their_order_however_narrow(make_layer):
    layers = [make_layer("", "Net", macs=5)]
    assert shown(layers, "write", "input", width=10) == (["Layer", "MemWrite", "Input"], None)


def test_the_columns_of_the_command_line_are_those_of_the_tree():
    assert settings.COLUMNS == COLUMNS
