"""Arguments in, exit code and one clear complaint out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reporter import __version__
from reporter.__main__ import main
from reporter.errors import ExitCode, most_telling

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pydantic", "rich", "jinja2", "markdown", "requests", "reporter.pipeline")


def modules_after(*argv):
    code = (
        "import sys\n"
        "from reporter.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argv", [["--help"], ["report", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(argv):
    assert not modules_after(*argv) & set(HEAVY)


def test_compare_and_render_never_load_torch(tmp_path):
    snapshot = ROOT / "tests" / "snapshots" / "schema-1.json"
    compared = modules_after(
        "compare", str(snapshot), str(snapshot), "--output-dir", str(tmp_path), "-q"
    )
    assert "reporter.pipeline" in compared
    assert "torch" not in compared
    assert "torch" not in modules_after("render", str(tmp_path / "comparison.json"))


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"modelperf-report {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["reprot"], "reprot"),
        (["report", "--shard", "3/2"], "3/2"),
        (["report", "--seconds", "0"], "0"),
        (["report", "-C", "no/such/folder"], "no/such/folder"),
        (["profile", "zoo"], "TARGET"),
        (["profile", "zoo:net", "--input", "axb"], "axb"),
        (["profile", "zoo:net", "--kwargs", "[1]"], "JSON object"),
        (["profile", "--input", "1x3"], "TARGET"),
        (["profile", "zoo:net", "--device", "tpu"], "tpu"),
        (["profile", "zoo:net", "--kwargs", '{"n": NaN}'], "NaN"),
        (["profile", "zoo:net", "--depth", "x"], "'x' is neither"),
        (["report", "--timeout", "abc"], "'abc' is not a positive number"),
        (["report", "--output-dir", "."], "--output-dir"),
        (["report", "--output-dir", ""], "--output-dir"),
        (["report", "--output-dir", ".."], "--output-dir"),
        (["compare", "missing.json", "missing.json"], "missing.json"),
        (["merge", "missing.json", "--output", "x.json"], "missing.json"),
        (["render", "missing.json"], "missing.json"),
    ],
)
def test_a_mistake_in_the_arguments_exits_2_and_names_it(argv, complaint, capsys):
    assert main(argv) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_no_manifest_says_how_to_begin(tmp_path, capsys):
    assert main(["-C", str(tmp_path)]) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    assert str(tmp_path) in complaint
    assert "modelperf-report init" in complaint


def test_a_broken_manifest_names_file_table_and_key(tmp_path, capsys):
    (tmp_path / "modelperf.toml").write_text(
        '[[model]]\nname = "net"\ntarget = "zoo:Net"\nimputs = [{ shape = [1] }]\n'
    )
    assert main(["-C", str(tmp_path)]) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    for word in ("modelperf.toml", "net", "imputs", "inputs"):
        assert word in complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", '"schema"'),
        ('{"schema": 99}', "99"),
        ('{"schema": 1, "models": NaN}', "NaN"),
        ('{"schema": 1, "models": []}', "tool"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_is_no_snapshot_is_refused_with_the_reason(tmp_path, capsys, text, complaint):
    path = tmp_path / "head.json"
    path.write_text(text)
    assert main(["compare", str(path), str(path)]) == ExitCode.USAGE
    printed = capsys.readouterr().err
    assert str(path) in printed
    assert complaint in printed


def test_unknown_model_names_the_nearest(tmp_path, capsys):
    (tmp_path / "modelperf.toml").write_text(
        '[[model]]\nname = "resnet50"\ntarget = "zoo:Net"\ninputs = [{ shape = [1] }]\n'
    )
    assert main(["-C", str(tmp_path), "--model", "resnet5"]) == ExitCode.USAGE
    assert "resnet50" in capsys.readouterr().err


def test_init_writes_a_manifest_that_validates_and_never_overwrites_one(tmp_path, capsys):
    (tmp_path / "zoo.py").write_text(
        "from torch import nn\n\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return x\n"
    )
    assert main(["init", "-C", str(tmp_path)]) == ExitCode.FINE
    assert main(["validate", "-C", str(tmp_path)]) == ExitCode.FINE
    assert "zoo:Net" in capsys.readouterr().out
    before = (tmp_path / "modelperf.toml").read_text()
    assert main(["init", "-C", str(tmp_path)]) == ExitCode.USAGE
    assert (tmp_path / "modelperf.toml").read_text() == before


def test_render_of_a_snapshot_and_of_its_comparison_agree_on_the_models(tmp_path, capsys):
    snapshot = ROOT / "tests" / "snapshots" / "schema-1.json"
    assert main(["render", str(snapshot)]) == ExitCode.FINE
    printed = capsys.readouterr().out
    for model in json.loads(snapshot.read_text())["models"]:
        assert model["name"] in printed


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (set(), 0),
        ({ExitCode.MODEL_FAILED}, 3),
        ({ExitCode.MODEL_FAILED, ExitCode.PUBLISH_FAILED}, 4),
        ({ExitCode.MODEL_FAILED, ExitCode.PUBLISH_FAILED, ExitCode.REGRESSED}, 1),
        ({ExitCode.MODEL_FAILED, ExitCode.REGRESSED, ExitCode.USAGE}, 2),
    ],
)
def test_where_several_exit_codes_hold_the_order_is_2_1_4_3(codes, expected):
    assert most_telling(codes) == expected


def program(*argv, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "reporter", *argv],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **how,
    )


def test_a_reader_that_stops_reading_is_no_verdict():
    snapshot = ROOT / "tests" / "snapshots" / "schema-1.json"
    with program("render", str(snapshot), "--format", "html") as process:
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (ExitCode.OUTPUT_CLOSED, b"")


def test_an_encoding_that_lacks_a_character_does_not_lose_the_report():
    snapshot = ROOT / "tests" / "snapshots" / "schema-1.json"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    printed, complaint = program("render", str(snapshot), env=environment).communicate()
    assert complaint == b""
    assert b"Machine and versions" in printed


def test_a_fault_of_ours_is_never_taken_for_a_broken_budget(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("reporter.pipeline.validate", lambda settings: 1 / 0)
    assert main(["validate", "-C", str(tmp_path)]) == ExitCode.FAULT
    assert "fault of the program itself" in capsys.readouterr().err


def test_a_folder_of_the_user_s_keeps_what_is_in_it(tmp_path):
    snapshot = ROOT / "tests" / "snapshots" / "schema-1.json"
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / ".gitignore").write_text("mine\n")
    (folder / "base.json").write_text("mine too\n")
    assert main(["compare", str(snapshot), str(snapshot), "--output-dir", str(folder), "-q"]) == 3
    assert (folder / ".gitignore").read_text() == "mine\n"
    assert (folder / "base.json").read_text() == "mine too\n"
    assert (folder / "comparison.json").exists()


def test_what_is_no_file_is_no_manifest(tmp_path, capsys):
    (tmp_path / "modelperf.toml").symlink_to(tmp_path / "nowhere")
    for command in ("validate", "init"):
        assert main([command, "-C", str(tmp_path)]) == ExitCode.USAGE
        assert "modelperf.toml is there" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
