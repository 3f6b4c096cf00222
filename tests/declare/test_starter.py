"""The first manifest: which models are found, and that the text is one."""

import textwrap

import pytest

from reporter.declare.manifest import read_manifest
from reporter.declare.starter import starter_manifest

RESNET = """
    import torch.nn as nn
    from .blocks import Block

    class ResNet(nn.Module):
        def __init__(self, block, depth):
            super().__init__()
            self.stages = _stage(block)

        def forward(self, x):
            return self.stages(x)

    def _stage(block):
        return nn.Sequential(Neck(), block(3))

    class Neck(nn.Module):
        def forward(self, x):
            return x

    def _build(depth):
        model = ResNet(Block, depth)
        return model

    def resnet18(pretrained=False):
        return _build(18)

    def resnet50(*, weights=None) -> ResNet:
        return _build(50)

    def resnet(depth):
        return _build(depth)
"""
BLOCKS = """
    from torch import nn

    class Base(nn.Module):
        pass

    class Block(Base):
        def __init__(self, width):
            super().__init__()
            self.conv = nn.Conv2d(width, width, 3)

        def forward(self, x):
            return self.conv(x)
"""


def written(tree, files):
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tree


def models_of(tree):
    manifest = read_manifest(starter_manifest(tree), "modelperf.toml")
    return {model.target: model for model in manifest.models}


@pytest.mark.parametrize("folder", ["zoo", "src/zoo"])
def test_factories_that_need_nothing_stand_for_the_class_they_build(tmp_path, folder):
    tree = written(
        tmp_path,
        {
            f"{folder}/__init__.py": "from .resnet import resnet18\n",
            f"{folder}/resnet.py": RESNET,
            f"{folder}/blocks.py": BLOCKS,
        },
    )

    models = models_of(tree)

    assert list(models) == ["zoo.resnet:resnet18", "zoo.resnet:resnet50"]
    assert {model.name for model in models.values()} == {"resnet18", "resnet50"}
    # The convolution is in Block, which only the builder names.
    assert all(
        model.inputs.positional[0].shape == ("batch", 3, 224, 224) for model in models.values()
    )


def test_a_plain_folder_of_modules_is_searched(tmp_path):
    tree = written(
        tmp_path,
        {
            "net.py": """
                import torch

                class Tagger(torch.nn.Module):
                    def __init__(self, tags=17):
                        super().__init__()
                        self.embed = torch.nn.Embedding(10, 10)

                    def forward(self, words):
                        return words
            """
        },
    )

    (model,) = models_of(tree).values()

    assert model.target == "net:Tagger"
    assert model.inputs.positional[0].dtype == "int64"


def test_a_class_reached_through_a_package_is_a_part(tmp_path):
    tree = written(
        tmp_path,
        {
            "zoo/__init__.py": "from zoo.parts import Head as Top\n",
            "zoo/parts.py": """
                from torch.nn import Module

                class Head(Module):
                    def forward(self, x): ...
            """,
            "zoo/whole.py": """
                import zoo
                from torch import nn

                class Whole(nn.Module):
                    def __init__(self):
                        self.top = zoo.Top()

                    def forward(self, x): ...
            """,
        },
    )

    assert list(models_of(tree)) == ["zoo.whole:Whole"]


def test_several_arguments_become_keywords_and_integers_go_by_their_names(tmp_path):
    tree = written(
        tmp_path,
        {
            "m.py": """
                from torch import nn

                class M(nn.Module):
                    def forward(self, grids, input_ids, mask=None, *, scale): ...
            """
        },
    )

    inputs = models_of(tree)["m:M"].inputs

    assert {name: spec.dtype for name, spec in inputs.keyword.items()} == {
        "grids": None,
        "input_ids": "int64",
        "scale": None,
    }


def test_an_argument_beyond_ascii_is_quoted(tmp_path):
    net = "from torch import nn\nclass N(nn.Module):\n    def forward(self, größe, x): ...\n"
    (tmp_path / "m.py").write_text(net, encoding="utf-8")

    assert list(models_of(tmp_path)["m:N"].inputs.keyword) == ["größe", "x"]


def test_factories_of_one_name_are_told_apart_by_their_module(tmp_path):
    source = """
        from torch import nn

        class Net(nn.Sequential):
            pass

        def build():
            return Net()
    """
    tree = written(tmp_path, {"zoo/a.py": source, "zoo/b.py": source})

    assert [model.name for model in models_of(tree).values()] == ["a", "b"]

    written(tree, {"zoo/c.py": source.replace("build", "a")})

    assert [model.name for model in models_of(tree).values()] == ["zoo.a.build", "b", "zoo.c.a"]


def test_a_class_that_needs_arguments_is_left_to_the_reader(tmp_path):
    tree = written(
        tmp_path,
        {
            "m.py": """
                from torch import nn

                class Needs(nn.Module):
                    def __init__(self, width): ...
                    def forward(self, x): ...
            """
        },
    )

    assert "#   m:Needs" in starter_manifest(tree)
    assert list(models_of(tree)) == ["your_package.your_module:your_model"]


@pytest.mark.parametrize(
    "path",
    [
        "tests/models.py",
        "test_net.py",
        ".hidden/net.py",
        "venv/lib/net.py",
        "node_modules/net.py",
        "modelperf-report/net.py",
        "my-scripts/net.py",
    ],
)
def test_what_is_no_part_of_the_project_is_not_searched(tmp_path, path):
    net = """
        from torch import nn

        class Net(nn.Sequential):
            pass
    """
    tree = written(tmp_path, {path: net, "real.py": net})

    assert list(models_of(tree)) == ["real:Net"]


def test_an_environment_of_any_name_is_not_searched(tmp_path):
    net = "from torch import nn\nclass Net(nn.Sequential): pass\n"
    tree = written(tmp_path, {"py311/net.py": net, "py311/pyvenv.cfg": "", "real.py": net})

    assert list(models_of(tree)) == ["real:Net"]


def test_files_that_do_not_parse_are_passed_over(tmp_path):
    tree = written(
        tmp_path,
        {
            "broken.py": "def (:\n",
            "old.py": "print 'x'\n",
            "escape.py": "x = '\\d'\n",
            "net.py": "from torch import nn\nclass Net(nn.Sequential): pass\n",
        },
    )
    (tree / "binary.py").write_bytes(b"\x00\xff\xfe")

    assert list(models_of(tree)) == ["net:Net"]


def test_classes_that_inherit_from_each_other_end(tmp_path):
    tree = written(tmp_path, {"m.py": "class A(B): pass\nclass B(A): pass\n"})

    assert list(models_of(tree)) == ["your_package.your_module:your_model"]


def test_functions_that_call_each_other_end(tmp_path):
    functions = "".join(
        f"def f{n}(x):\n" + "".join(f"    if x: return f{m}(x)\n" for m in range(40))
        for n in range(40)
    )
    net = "from torch import nn\nclass Net(nn.Sequential): pass\n"

    assert list(models_of(written(tmp_path, {"m.py": net + functions}))) == ["m:Net"]


def test_nothing_is_imported(tmp_path):
    net = "raise SystemExit\nfrom torch import nn\nclass Net(nn.Sequential): pass\n"

    assert list(models_of(written(tmp_path, {"net.py": net}))) == ["net:Net"]


def test_a_tree_without_models_gets_a_manifest_to_fill_in(tmp_path):
    assert "No model was found" in starter_manifest(tmp_path)
    assert list(models_of(tmp_path)) == ["your_package.your_module:your_model"]
