"""Each change told once, where it happened."""

from __future__ import annotations

import pytest

from reporter.compare.layers import layer_deltas
from reporter.metrics import own_values


@pytest.fixture
def tree(make_layer):
    """Layers from `path: (own macs, class)`, totals summed up the path, root included."""

    def build(**own):
        paths = {key.replace("__", "."): value for key, value in own.items()}
        nodes = {"": (0, "Net"), **paths}
        return tuple(
            make_layer(
                path,
                kind,
                macs=sum(
                    macs
                    for other, (macs, _) in nodes.items()
                    if not path or other == path or other.startswith(f"{path}.")
                ),
            )
            for path, (_, kind) in nodes.items()
        )

    return build


def told(base, head):
    return [(delta.path, delta.state) for delta in layer_deltas(base, head)]


def test_nothing_is_told_where_nothing_changed(tree):
    same = tree(a=(5, "Block"), a__x=(3, "Conv2d"))
    assert told(same, same) == []


def test_a_parent_is_not_told_beside_the_child_that_explains_it(tree):
    base = tree(a=(0, "Block"), a__b=(0, "Block"), a__b__x=(3, "Conv2d"), a__y=(1, "Linear"))
    head = tree(a=(0, "Block"), a__b=(0, "Block"), a__b__x=(4, "Conv2d"), a__y=(1, "Linear"))
    assert told(base, head) == [("a.b.x", "changed")]


def test_a_parent_is_told_for_what_its_children_do_not_explain(tree):
    base = tree(a=(5, "Attention"), a__x=(3, "Linear"))
    head = tree(a=(7, "Attention"), a__x=(4, "Linear"))
    assert told(base, head) == [("a", "changed"), ("a.x", "changed")]


def test_of_an_added_or_removed_subtree_only_the_top_is_told(tree):
    small = tree(a=(0, "Block"), a__x=(3, "Conv2d"))
    large = tree(a=(0, "Block"), a__x=(3, "Conv2d"), a__se=(1, "SE"), a__se__fc=(2, "Linear"))
    assert told(small, large) == [("a.se", "added")]
    assert told(large, small) == [("a.se", "removed")]
    (delta,) = layer_deltas(small, large)
    figures = {metric.metric: (metric.base, metric.head) for metric in delta.metrics}
    assert figures["macs"] == (None, 3)  # 1 of its own + 2 of a.se.fc


def test_a_leaf_that_became_a_container_is_one_change(tree):
    base = tree(fc=(4, "Linear"))
    head = tree(fc=(0, "Sequential"), fc__0=(3, "Linear"), fc__1=(2, "Linear"))
    assert told(base, head) == [("fc", "changed")]
    assert [delta.type for delta in layer_deltas(base, head)] == ["Linear → Sequential"]
    assert told(head, base) == [("fc", "changed")]


def test_a_changed_class_is_told_even_where_no_figure_differs(tree):
    assert told(tree(act=(0, "ReLU")), tree(act=(0, "GELU"))) == [("act", "changed")]


def test_the_root_is_never_told(tree, make_layer):
    base, head = (make_layer("", "Net", macs=1),), (make_layer("", "Other", macs=2),)
    assert layer_deltas(base, head) == ()
    assert told(tree(), tree(x=(3, "Linear"))) == [("x", "added")]
    # A root that did the work itself and now leaves it to a child: the child is what is new.
    assert told((make_layer("", "Net", macs=3),), tree(x=(3, "Linear"))) == [("x", "added")]


def test_a_container_that_is_never_called_hides_nothing(make_layer):
    def net(macs):
        return (
            make_layer("", "Net", macs=macs),
            make_layer("blocks", "ModuleList", calls=0),
            make_layer("blocks.0", "Linear", macs=macs),
        )

    assert told(net(3), net(4)) == [("blocks.0", "changed")]
    assert own_values(net(3), "macs") == {"": 0, "blocks": 0, "blocks.0": 3}


def test_tied_weights_do_not_make_their_parent_a_change(make_layer):
    def net(params):
        return (
            make_layer("", "Net", params=params),
            make_layer("lm", "LM", params=params),
            make_layer("lm.embed", "Embedding", params=params),
            make_layer("lm.out", "Linear", params=params),
        )

    assert told(net(10), net(12)) == [("lm.embed", "changed"), ("lm.out", "changed")]


def test_removed_modules_come_after_those_of_head(tree):
    base = tree(gone=(1, "Linear"), kept=(1, "Linear"))
    head = tree(kept=(2, "Linear"), fresh=(1, "Linear"))
    assert told(base, head) == [("kept", "changed"), ("fresh", "added"), ("gone", "removed")]
