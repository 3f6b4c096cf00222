"""The command line, parsed."""

from pathlib import Path

import pytest

from reporter.declare import settings as asked
from reporter.declare.arguments import parse_arguments
from reporter.errors import UsageError


def test_nothing_at_all_means_report_here():
    assert parse_arguments([]) == asked.ReportSettings(
        project=Path(), output_folder=Path("modelperf-report")
    )


def test_options_without_a_command_are_report_s():
    given = parse_arguments(["--base", "main", "--fail-on", "regression", "--static"])
    assert isinstance(given, asked.ReportSettings)
    assert (given.base, given.fail_on, given.static) == ("main", "regression", True)


def test_the_output_folder_is_the_project_s(tmp_path):
    given = parse_arguments(["-C", str(tmp_path), "--output-dir", "out"])
    assert given.output_folder == tmp_path / "out"


def test_profile_with_a_target_writes_no_files_unless_asked_to():
    given = parse_arguments(["profile", "zoo.resnet:resnet50", "--input", "1x3x224x224"])
    assert isinstance(given, asked.ProfileSettings)
    assert given.output_folder is None
    assert given.inputs.positional[0].shape == (1, 3, 224, 224)
    written = parse_arguments(["profile", "zoo:net", "--output-dir", "out"])
    assert written.output_folder == Path("out")


def test_profile_without_a_target_is_a_report_of_layer_trees_without_a_base():
    given = parse_arguments(["profile", "--depth", "all"])
    assert isinstance(given, asked.ReportSettings)
    assert (given.layer_trees, given.depth, given.base) == (True, None, None)


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        (["compare", "a.json", "b.json"], asked.CompareSettings),
        (["render", "a.json"], asked.RenderSettings),
        (["publish"], asked.PublishSettings),
        (["merge", "a.json", "b.json", "--output", "c.json"], asked.MergeSettings),
        (["init"], asked.InitSettings),
        (["validate"], asked.ValidateSettings),
        (["doctor"], asked.DoctorSettings),
    ],
)
def test_each_command_has_its_settings(argv, kind):
    assert isinstance(parse_arguments(argv), kind)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_is_one_of_n(shard):
    with pytest.raises(UsageError, match="shard"):
        parse_arguments([f"--shard={shard}"])


def test_a_target_excludes_what_chooses_from_a_manifest():
    with pytest.raises(UsageError, match="--model"):
        parse_arguments(["profile", "zoo:net", "--model", "x"])


def test_columns_of_the_layer_tree(tmp_path):
    command = ["profile", "zoo:net", "-C", str(tmp_path), "--columns"]
    assert parse_arguments([*command, "params,flops"]).columns == ("params", "flops")
    assert parse_arguments(command[:-1]).columns == ()
    with pytest.raises(UsageError, match=r"no column 'flop'.*did you mean .flops"):
        parse_arguments([*command, "params,flop"])


@pytest.mark.parametrize("command", [["report"], ["profile"], ["profile", "zoo:net"]])
def test_strict_is_asked_for(tmp_path, command):
    assert parse_arguments([*command, "-C", str(tmp_path), "--strict"]).strict is True
    assert parse_arguments([*command, "-C", str(tmp_path)]).strict is False
