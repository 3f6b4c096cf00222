import json

import pytest
from fake_github import Reply, refuse

from reporter.errors import ExitCode, PublishError
from reporter.publish.answers import Forbidden, Invalid, Missing, RateLimited, Unanswered
from reporter.publish.comment import BODY_LIMIT, CommentTarget, marked, publish, rehearse

MARKER = "<!-- modelperf-report: default -->"
DOWN = refuse(500, "Server Error")
FORBIDDEN = refuse(
    403,
    "Resource not accessible by integration",
    X_Accepted_GitHub_Permissions="issues=write; pull_requests=write",
)
EXHAUSTED = refuse(403, "API rate limit exceeded", retry_after="3600")


def bodies(github):
    return [each["body"] for each in github.comments]


def test_the_first_report_creates_a_comment_under_its_marker(github, api, target):
    done = publish("**1 worse**\n", target, api)
    assert done.action == "created"
    assert done.url == "https://github.example/octo/zoo/pull/7#issuecomment-100"
    assert bodies(github) == [f"{MARKER}\n**1 worse**\n"]


def test_the_second_report_updates_it(github, api, target):
    first = publish("one", target, api)
    second = publish("two", target, api)
    assert (second.action, second.url) == ("updated", first.url)
    assert bodies(github) == [f"{MARKER}\ntwo"]


def test_the_same_report_again_writes_nothing(github, api, target):
    first = publish("one\ntwo\n", target, api)
    again = publish("one\ntwo\n", target, api)
    assert (again.action, again.url) == ("unchanged", first.url)
    assert github.routes() == ["viewer", "list", "create", "viewer", "list"]


def test_line_ends_left_by_a_browser_are_no_change(github, api, target):
    github.add(f"{MARKER}\r\none\r\ntwo\r\n")
    assert publish("one\ntwo\n", target, api).action == "unchanged"


@pytest.mark.parametrize("others", [30, 31, 99, 100, 150, 250])
def test_ours_is_found_after_any_number_of_others(github, api, target, others):
    for n in range(others):
        github.add(f"comment {n}", login="reviewer")
    ours = github.add(f"{MARKER}\nold")
    done = publish("new", target, api)
    assert (done.action, done.url) == ("updated", ours["html_url"])
    assert len(github.comments) == others + 1
    # Pages of 100: ours is number others + 1.
    assert github.routes().count("list") == others // 100 + 1


def test_of_150_comments_none_ours_exactly_one_is_ours_afterwards(github, api, target):
    for n in range(150):
        github.add(f"comment {n}", login="reviewer")
    publish("one", target, api)
    publish("two", target, api)
    assert [body for body in bodies(github) if body.startswith(MARKER)] == [f"{MARKER}\ntwo"]


@pytest.mark.parametrize("login", ["mallory", "another-app[bot]", "github-actions"])
def test_somebody_else_s_comment_with_our_marker_is_left_alone(github, api, target, login):
    theirs = github.add(f"{MARKER}\nmine now", login=login)
    assert publish("report", target, api).action == "created"
    assert theirs["body"] == f"{MARKER}\nmine now"


def test_a_deleted_account_s_comment_is_left_alone(github, api, target):
    github.add(f"{MARKER}\nghost")["user"] = None
    assert publish("report", target, api).action == "created"


@pytest.mark.parametrize("missing", ["id", "user", "body"])
def test_a_comment_that_github_tells_only_half_of_is_passed_over(github, api, target, missing):
    github.add(f"{MARKER}\nold").pop(missing)
    whole = github.add(f"{MARKER}\nold")
    assert publish("new", target, api).url == whole["html_url"]


def test_our_own_comment_that_only_quotes_the_marker_is_left_alone(github, api, target):
    github.add(f"> quoted\n{MARKER}\n")
    github.add(f"{MARKER} and more on its line")
    assert publish("report", target, api).action == "created"


def test_each_comment_id_has_its_own_comment(github, api):
    cpu, gpu = (
        CommentTarget(owner="octo", repo="zoo", number=7, comment_id=name) for name in ("a", "a.b")
    )
    assert [publish("one", each, api).action for each in (cpu, gpu)] == ["created", "created"]
    assert publish("two", gpu, api).action == "updated"
    assert bodies(github) == [
        "<!-- modelperf-report: a -->\none",
        "<!-- modelperf-report: a.b -->\ntwo",
    ]


def test_a_person_s_token_writes_as_that_person(github, api, target):
    github.viewer = "ada"
    publish("one", target, api)
    assert publish("two", target, api).action == "updated"
    assert github.comments[0]["user"]["login"] == "ada"


def test_a_comment_deleted_meanwhile_is_created_again(github, api, target):
    github.add(f"{MARKER}\nold")
    github.before["update"] = github.comments.clear
    assert publish("new", target, api).action == "created"
    assert bodies(github) == [f"{MARKER}\nnew"]


def test_a_comment_that_is_gone_for_good_is_created_again(github, api, target):
    github.add(f"{MARKER}\nold")
    github.fail("update", refuse(410, "Gone"))
    assert publish("new", target, api).action == "created"


def test_a_create_that_failed_but_was_carried_out_is_not_repeated(github, api, target):
    github.fail("create", Reply(502, {"message": "Bad Gateway"}, carried_out=True))
    assert publish("report", target, api).action == "created"
    assert bodies(github) == [f"{MARKER}\nreport"]
    assert github.routes().count("create") == 1


def test_a_create_that_failed_and_was_not_carried_out_is_repeated_once(github, api, target):
    github.fail("create", DOWN)
    assert publish("report", target, api).action == "created"
    assert bodies(github) == [f"{MARKER}\nreport"]
    github.comments.clear()
    github.fail("create", DOWN, DOWN)
    with pytest.raises(Unanswered):
        publish("report", target, api)
    assert github.comments == []


def test_a_create_whose_answer_was_cut_off_is_not_repeated(github, api, target):
    cut = Reply(201, {"html_url": "https://github.example/x"}, cut=True, carried_out=True)
    github.fail("create", cut)
    assert publish("report", target, api).action == "created"
    assert len(github.comments) == 1


@pytest.mark.parametrize("route", ["viewer", "list", "update"])
def test_a_short_breakdown_is_survived_at_every_call_that_may_be_repeated(
    github, api, target, sleeps, route
):
    github.add(f"{MARKER}\nold")
    github.fail(route, DOWN, Reply(503, "<html>no JSON here</html>"))
    assert publish("new", target, api).action == "updated"
    assert bodies(github) == [f"{MARKER}\nnew"]
    # urllib3: the first retry at once, then factor · 2^(n - 1) = 1 · 2^1 seconds.
    assert sleeps == [0, 2]


ROUTES = ("viewer", "list", "create", "update")
FAULTS = [
    (FORBIDDEN, Forbidden, 403),
    (EXHAUSTED, RateLimited, 403),
    (refuse(422, "Validation Failed"), Invalid, 422),
    (refuse(418, "I'm a teapot"), PublishError, 418),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case[1].__name__)
def test_a_refusal_at_any_call_is_an_error_of_its_kind_and_not_repeated(
    github, connect, target, route, case
):
    fault, kind, status = case
    if route != "create":
        github.add(f"{MARKER}\nold")
    github.fail(route, fault)
    with pytest.raises(kind) as caught:
        publish("new", target, connect())
    assert caught.value.exit_code == ExitCode.PUBLISH_FAILED
    assert caught.value.status == status
    assert str(status) in caught.value.message
    assert caught.value.hint or status == 418
    assert github.routes().count(route) == 1


def test_a_pull_request_that_is_not_there_is_said_so(github, api):
    with pytest.raises(Missing, match=r"GET /repos/octo/zoo/issues/8/comments.* 404"):
        publish("report", CommentTarget(owner="octo", repo="zoo", number=8), api)


def test_the_longest_body_is_taken_and_one_more_character_is_refused_before_any_call(
    github, api, target
):
    # The marker and its line end count too. Four bytes a character: characters are counted.
    longest = "😀" * (BODY_LIMIT - len(MARKER) - 1)
    with pytest.raises(PublishError, match="65,537 characters"):
        publish(longest + "x", target, api)
    assert github.seen == []
    assert publish(longest, target, api).action == "created"


@pytest.mark.parametrize("name", ["", "a b", "-->", "a\nb", "-a", "x" * 65, "é"])
def test_an_id_that_could_break_the_marker_is_refused(name):
    with pytest.raises(PublishError, match="comment id"):
        marked("report", name)


def test_names_cannot_leave_their_place_in_the_address(github, api):
    strange = CommentTarget(owner="octo/../x", repo="zoo?y#z", number=7)
    with pytest.raises(Missing):
        publish("report", strange, api)
    assert github.seen[1][1].startswith("/repos/octo%2F..%2Fx/zoo%3Fy%23z/issues/7/comments?")


@pytest.mark.parametrize("old", [None, "old", "new"])
def test_a_rehearsal_names_exactly_the_calls_of_the_performance(github, connect, target, old):
    if old:
        github.add(f"{MARKER}\n{old}")
    rehearsed = rehearse("new", target, connect())
    assert not {"create", "update"} & set(github.routes())
    api = connect()
    publish("new", target, api)
    assert rehearsed == api.calls
    made = [(call.method, call.path, call.payload) for call in rehearsed]
    assert made == [
        (method, address, payload)
        for method, address, payload, _, _ in github.exchanges[-len(made) :]
    ]


def test_what_is_sent_survives_json(github, api, target):
    body = "| `a\\|b` | ±0 % |\n\N{RIGHT-TO-LEFT OVERRIDE}\0\u2028 &amp; <b>"
    publish(body, target, api)
    assert json.loads(json.dumps(bodies(github))) == [f"{MARKER}\n{body}"]
