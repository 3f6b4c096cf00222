import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runner_rules import Command, read_log, read_outputs

from reporter.errors import PublishError
from reporter.publish.comment import CommentTarget
from reporter.publish.workflow import (
    SUMMARY_LIMIT_BYTES,
    Annotation,
    append_summary,
    log_group,
    pull_request_of,
    write_annotations,
    write_foreign,
    write_outputs,
)

HOSTILE = [
    "",
    "plain",
    "two\nlines",
    "ends\n",
    "\n\nbegins",
    "name=value",
    "evil<<EOF\nx\nEOF\nadmin=true",
    "100 % ±0: a, b",
    "%0A%25",
    "::error::no",
    "##[error]no",
    "CR\r\nLF",
]


# Summary ------------------------------------------------------------------------------------


@pytest.fixture
def summary(tmp_path):
    return tmp_path / "summary.md"


def test_a_summary_is_added_to_what_earlier_programs_of_the_step_wrote(summary):
    summary.write_text("earlier\n", encoding="utf-8")
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}
    assert append_summary("# ±0\n", environ)
    assert append_summary("two", environ)
    assert summary.read_text(encoding="utf-8") == "earlier\n# ±0\n\ntwo\n\n"


def test_a_summary_may_be_as_long_as_github_shows_and_no_longer(summary):
    # 1 MiB = 1,048,576 bytes, the two line ends after the document counted; ± is two bytes.
    limit = 1_048_576
    assert limit == SUMMARY_LIMIT_BYTES
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}
    longest = "±" * ((limit - 2) // 2)
    with pytest.raises(PublishError, match="1,048,578 bytes"):
        append_summary(longest + "±", environ)
    assert not summary.exists()
    assert append_summary(longest, environ)
    assert summary.stat().st_size == limit
    with pytest.raises(PublishError):
        append_summary("", environ)
    assert summary.stat().st_size == limit


@pytest.mark.parametrize("environ", [{}, {"GITHUB_STEP_SUMMARY": "", "GITHUB_OUTPUT": ""}])
def test_outside_a_job_there_is_nothing_to_write_to(environ):
    assert append_summary("# Report", environ) is False
    assert write_outputs({"verdict": "worse"}, environ) is False


def test_a_file_that_cannot_be_written_is_named_with_its_variable(tmp_path):
    environ = dict.fromkeys(("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"), str(tmp_path / "no" / "file"))
    with pytest.raises(PublishError, match=r"GITHUB_STEP_SUMMARY names .*no/file"):
        append_summary("# Report", environ)
    with pytest.raises(PublishError, match=r"GITHUB_OUTPUT names .*no/file"):
        write_outputs({"verdict": "worse"}, environ)


# Outputs ------------------------------------------------------------------------------------


def test_outputs_come_back_as_they_were_whatever_is_in_them(tmp_path):
    file = tmp_path / "output"
    file.write_text("earlier=1\n", encoding="utf-8")
    values = {f"value_{n}": text for n, text in enumerate(HOSTILE)}
    assert write_outputs(values, {"GITHUB_OUTPUT": str(file)})
    assert write_outputs({"last": "one"}, {"GITHUB_OUTPUT": str(file)})
    read = read_outputs(file.read_bytes().decode())
    assert read == {"earlier": "1", **values, "last": "one"}


@given(st.text())
def test_any_text_can_be_an_output(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("step") / "output"
    write_outputs({"value": value}, {"GITHUB_OUTPUT": str(file)})
    assert read_outputs(file.read_bytes().decode()) == {"value": value}


def test_a_half_character_in_a_model_s_words_loses_nothing_else(tmp_path):
    environ = dict.fromkeys(("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"), str(tmp_path / "file"))
    append_summary("a\ud800b", environ)
    write_outputs({"value": "a\ud800b"}, environ)
    assert (tmp_path / "file").read_text(encoding="utf-8").count("a?b") == 2


def test_no_two_outputs_end_the_same_way(tmp_path):
    file = tmp_path / "output"
    write_outputs({"a": "1", "b": "2"}, {"GITHUB_OUTPUT": str(file)})
    delimiters = {line.partition("<<")[2] for line in file.read_text().splitlines() if "<<" in line}
    assert len(delimiters) == 2


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a<<b", "a\nb", "1a"])
def test_an_output_s_name_is_no_way_in(tmp_path, name):
    with pytest.raises(ValueError, match="output"):
        write_outputs({name: "x"}, {"GITHUB_OUTPUT": str(tmp_path / "output")})
    assert not (tmp_path / "output").exists()


# Commands in the log ------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_an_annotation_comes_back_as_it_was_whatever_is_in_it(text):
    log = io.StringIO()
    write_annotations([Annotation(kind="error", message=text, title=text, file=text, line=12)], log)
    assert read_log(log.getvalue()) == [
        Command("error", text, {"file": text, "line": "12", "title": text})
    ]


def test_an_annotation_without_a_place_has_no_properties():
    log = io.StringIO()
    write_annotations([Annotation(kind="notice", message="no base")], log)
    assert log.getvalue() == "::notice::no base\n"


def test_of_each_kind_the_first_ten_are_annotations_and_the_rest_is_counted():
    log = io.StringIO()
    warnings = [Annotation(kind="warning", message=f"w{n}") for n in range(13)]
    errors = [Annotation(kind="error", message=f"e{n}") for n in range(10)]
    write_annotations([*warnings, *errors], log)
    said = [(each.name, each.data) for each in read_log(log.getvalue())]
    assert said == [("warning", f"w{n}") for n in range(10)] + [
        ("error", f"e{n}") for n in range(10)
    ]
    assert log.getvalue().splitlines()[-1] == "3 more of kind warning are in the report."


def test_a_group_is_closed_also_when_its_work_fails():
    log = io.StringIO()
    with pytest.raises(RuntimeError), log_group("resnet50\n::error::no", log):
        log.write("inside\n")
        raise RuntimeError
    assert [each.name for each in read_log(log.getvalue())] == ["group", "endgroup"]
    assert read_log(log.getvalue())[0].data == "resnet50\n::error::no"


@given(
    st.lists(st.sampled_from([*HOSTILE, "::stop-commands::x", "::x::", "  ::add-mask::a", "\n"]))
)
def test_nothing_foreign_is_taken_for_a_command(parts):
    log = io.StringIO()
    write_foreign("".join(parts), log)
    log.write("::notice::ours\n")
    assert read_log(log.getvalue()) == [Command("notice", "ours", {})]
    assert "".join(parts) in log.getvalue()


def test_the_word_that_ends_foreign_text_is_new_each_time():
    logs = [io.StringIO(), io.StringIO()]
    for log in logs:
        write_foreign("x", log)
    assert logs[0].getvalue() != logs[1].getvalue()


# The event ----------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path):
    def make(event, repository="octo/zoo"):
        file = tmp_path / "event.json"
        file.write_bytes(event if isinstance(event, bytes) else json.dumps(event).encode())
        return {"GITHUB_EVENT_PATH": str(file), "GITHUB_REPOSITORY": repository}

    return make


def test_a_pull_request_s_job_knows_its_pull_request(job):
    event = {"action": "opened", "number": 7, "pull_request": {"number": 7}}
    assert pull_request_of(job(event), "gpu") == CommentTarget(
        owner="octo", repo="zoo", number=7, comment_id="gpu"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"ref": "refs/heads/main", "commits": []},
        {"action": "completed", "workflow_run": {"pull_requests": [{"number": 7}]}},
        {"action": "checks_requested", "merge_group": {}},
        {"action": "created", "issue": {"number": 7}},
        {"pull_request": None},
        {"pull_request": {"number": "7"}},
        {"pull_request": {"number": -7}},
        {"pull_request": {"number": True}},
        {},
        [],
        None,
    ],
)
def test_another_event_has_no_pull_request(job, event):
    assert pull_request_of(job(event)) is None


def test_outside_a_job_there_is_no_pull_request():
    assert pull_request_of({}) is None
    assert pull_request_of({"GITHUB_EVENT_PATH": ""}) is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b"[1,"])
def test_an_event_file_that_is_none_is_named(job, garbage):
    with pytest.raises(PublishError, match=r"event\.json cannot be read"):
        pull_request_of(job(garbage))


def test_an_event_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PublishError, match=r"gone\.json cannot be read"):
        pull_request_of({"GITHUB_EVENT_PATH": str(tmp_path / "gone.json")})


@pytest.mark.parametrize("repository", ["", "zoo", "/zoo", "octo/", "octo/zoo/x"])
def test_a_repository_that_is_none_is_said_so(job, repository):
    with pytest.raises(PublishError, match="the repository is"):
        pull_request_of(job({"pull_request": {"number": 7}}, repository))
