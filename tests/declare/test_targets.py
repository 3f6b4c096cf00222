"""Targets: `module:attribute`."""

import pytest

from reporter.declare.targets import check_target, parse_target_argument
from reporter.errors import UsageError


@pytest.mark.parametrize("target", ["zoo:build", "zoo.resnet:resnet50", "zoo:Model.from_config"])
def test_module_and_attribute_are_taken(target):
    assert check_target(target) == target
    assert parse_target_argument(target) == target


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("zoo/resnet.py:resnet50", "zoo.resnet:resnet50"),
        ("./zoo/resnet.py:resnet50", "zoo.resnet:resnet50"),
        ("zoo.resnet.resnet50", "zoo.resnet:resnet50"),
        ("zoo.resnet:resnet50()", "zoo.resnet:resnet50"),
        ("zoo.resnet:resnet50(pretrained=False)", "zoo.resnet:resnet50"),
        (" zoo:build", "zoo:build"),
    ],
)
def test_a_near_target_is_refused_with_what_was_meant(target, meant):
    with pytest.raises(UsageError, match=f'did you mean "{meant}"'):
        parse_target_argument(target)


@pytest.mark.parametrize(
    "target", ["", ":", "zoo:", ":build", "zoo::a", "zoo:a:b", "1:2", "zoo", 3]
)
def test_a_malformed_target_is_refused_with_an_example(target):
    with pytest.raises(ValueError, match=r'such as "zoo\.resnet:resnet50"'):
        check_target(target)
