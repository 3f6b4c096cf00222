"""`modelperf-report publish`, from a stored comparison to the comment."""

from pathlib import Path

import pytest
from fake_github import TOKEN, refuse

from reporter.__main__ import main
from reporter.compare.delta import compare
from reporter.errors import ExitCode
from reporter.snapshot import read_snapshot, to_json

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "schema-1.json"


@pytest.fixture
def comparison(tmp_path):
    snapshot = read_snapshot(SNAPSHOT.read_text(), "snapshot")
    path = tmp_path / "comparison.json"
    path.write_text(to_json(compare(snapshot, snapshot, {})))
    return path


@pytest.fixture
def publish(comparison, github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    owner, repo, number = "octo", "zoo", 7
    named = ["--repository", f"{owner}/{repo}", "--pull-request", str(number)]
    return lambda *more: main(["publish", str(comparison), *named, *more])


def test_the_comment_is_created_once_and_then_left_alone(publish, github, capsys):
    assert publish() == ExitCode.FINE
    assert capsys.readouterr().out.startswith("Comment created: ")
    assert publish() == ExitCode.FINE
    assert capsys.readouterr().out.startswith("Comment unchanged: ")
    (comment,) = github.comments
    assert "seed" in comment["body"]


def test_a_dry_run_names_the_calls_and_writes_nothing(publish, github, capsys):
    assert publish("--dry-run") == ExitCode.FINE
    assert "POST /repos/octo/zoo/issues/7/comments" in capsys.readouterr().out
    assert github.comments == []


def test_a_refusal_exits_4_and_keeps_the_token_to_itself(publish, github, capsys):
    github.fail("create", refuse(403, "Resource not accessible by integration"))
    assert publish() == ExitCode.PUBLISH_FAILED
    printed = capsys.readouterr()
    assert "Resource not accessible" in printed.err
    assert TOKEN not in printed.err + printed.out


def test_no_token_exits_4_and_says_how_to_give_one(publish, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_TOKEN")
    assert publish() == ExitCode.PUBLISH_FAILED
    assert "GITHUB_TOKEN" in capsys.readouterr().err


def test_no_pull_request_exits_2_and_says_how_to_name_one(comparison, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    assert main(["publish", str(comparison)]) == ExitCode.USAGE
    assert "--pull-request" in capsys.readouterr().err
