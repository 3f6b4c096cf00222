import logging
import socket
import traceback

import pytest
from fake_github import NOW_S, TOKEN, Reply, refuse

from reporter.errors import PublishError
from reporter.publish.answers import (
    ApiError,
    Call,
    Forbidden,
    RateLimited,
    Unanswered,
    Unauthorized,
)

PATH = "/repos/octo/zoo/issues/7/comments"
CREATE = Call(method="POST", path=PATH, payload={"body": "hello"})
DOWN = refuse(500, "Server Error")


def update(comment):
    path = f"/repos/octo/zoo/issues/comments/{comment['id']}"
    return Call(method="PATCH", path=path, payload={"body": "changed"})


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# Lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 30, 31, 60, 61, 150])
def test_a_list_is_read_over_all_its_pages_in_order(github, api, count):
    for n in range(count):
        github.add(f"comment {n}")
    assert [each["body"] for each in api.items(PATH)] == [f"comment {n}" for n in range(count)]
    # Thirty a page unless asked otherwise, and an empty list is one page too.
    assert len(github.seen) == max(1, -(-count // 30))


def test_the_next_page_is_where_github_says_it_is(github, api):
    for n in range(31):
        github.add(f"comment {n}")
    list(api.items(PATH))
    assert [address.split("?")[0] for _, address in github.seen] == [
        PATH,
        "/repositories/4711/issues/7/comments",
    ]


def test_pages_nobody_needs_are_not_fetched(github, api):
    for n in range(90):
        github.add(f"comment {n}")
    assert next(api.items(PATH))["body"] == "comment 0"
    assert len(github.seen) == 1


def test_a_next_page_on_another_server_does_not_get_the_token(github, api, serve):
    other = serve()
    away = f'<{other.url}{PATH}?page=2>; rel="next"'
    github.fail("list", Reply(200, [{"id": 1}], {"Link": away}))
    with pytest.raises(PublishError, match="another server"):
        list(api.items(PATH))
    assert other.seen == []


@pytest.mark.parametrize("data", [{"id": 1}, None, "<html>Welcome to the hotel's network</html>"])
def test_a_list_that_is_none_is_an_error(github, api, data):
    github.fail("list", Reply(200, data))
    with pytest.raises(Unanswered, match="not a list"):
        list(api.items(PATH))


@pytest.mark.parametrize("data", [[], "<html></html>"])
def test_an_object_that_is_none_is_an_error(github, api, data):
    github.fail("create", Reply(201, data))
    with pytest.raises(Unanswered, match="not an object"):
        api.write(CREATE)


def test_who_we_are_cannot_be_guessed_where_github_does_not_say(github, api):
    github.fail("viewer", Reply(200, {"data": None, "errors": [{"message": "no such field"}]}))
    with pytest.raises(Unanswered, match="no such field"):
        api.viewer()


def test_an_enterprise_server_has_its_api_below_a_path(github, connect):
    github.prefix = "/api/v3"
    for n in range(31):
        github.add(f"comment {n}")
    api = connect()
    assert api.viewer() == "github-actions[bot]"
    assert len(list(api.items(PATH))) == 31
    assert api.write(CREATE)["body"] == "hello"
    # Below the API's root the paths are those of github.com.
    assert [call.path.split("?")[0] for call in api.calls] == [
        "/graphql",
        PATH,
        "/repositories/4711/issues/7/comments",
        PATH,
    ]


# Permissions and rate limits ----------------------------------------------------------------


def test_a_missing_permission_is_named_and_not_tried_again(github, api, sleeps):
    github.fail(
        "create",
        refuse(
            403,
            "Resource not accessible by integration",
            X_Accepted_GitHub_Permissions="issues=write; pull_requests=write",
            X_RateLimit_Remaining="4999",
        ),
    )
    with pytest.raises(Forbidden, match="Resource not accessible by integration") as caught:
        api.write(CREATE)
    assert "issues=write; pull_requests=write" in caught.value.hint
    assert (len(github.seen), sleeps) == (1, [])


def test_a_wrong_token_is_said_so(github, api):
    github.fail("list", refuse(401, "Bad credentials"))
    with pytest.raises(Unauthorized, match="Bad credentials"):
        list(api.items(PATH))


SECONDARY = "You have exceeded a secondary rate limit."


@pytest.mark.parametrize(
    ("limit", "wait_s"),
    [
        (refuse(403, SECONDARY, retry_after="7"), 7),
        (refuse(429, "Too many", retry_after="7"), 7),
        (refuse(429, "Too many"), 60),
        (refuse(403, SECONDARY), 60),
        (
            refuse(
                403,
                "API rate limit exceeded",
                x_ratelimit_remaining="0",
                x_ratelimit_reset=str(NOW_S + 42),
            ),
            42,
        ),
    ],
)
def test_a_rate_limit_is_waited_for_and_the_call_repeated(github, api, sleeps, limit, wait_s):
    github.fail("create", limit)
    assert api.write(CREATE)["body"] == "hello"
    assert sleeps == [wait_s]
    assert len(github.comments) == 1


def test_the_waiting_is_bounded_over_all_calls(github, api, sleeps):
    # The clients of these tests may wait 100 s.
    github.fail("list", refuse(429, "Too many", retry_after="60"))
    list(api.items(PATH))
    github.fail("create", refuse(429, "Too many", retry_after="60"))
    with pytest.raises(RateLimited, match="60 s"):
        api.write(CREATE)
    assert sleeps == [60]


def test_short_rate_limits_without_end_are_given_up(github, api, sleeps):
    github.fail("create", *[refuse(429, "Too many", retry_after="1")] * 20)
    with pytest.raises(RateLimited):
        api.write(CREATE)
    assert len(github.seen) == len(sleeps) + 1 <= 5


# Networks -----------------------------------------------------------------------------------


def test_a_server_that_stays_down_is_given_up(github, api, sleeps):
    github.fail("list", *[DOWN] * 20)
    with pytest.raises(Unanswered, match="500"):
        list(api.items(PATH))
    assert (len(github.seen), sleeps) == (4, [0, 2, 4])


def test_a_create_is_never_repeated_blindly(github, connect):
    github.fail("create", DOWN)
    with pytest.raises(Unanswered):
        connect().write(CREATE)
    github.fail("create", Reply(201, silent=True))
    with pytest.raises(Unanswered, match="in time"):
        connect(read_s=0.1).write(CREATE)
    github.fail("create", Reply(201, {"id": 1}, cut=True))
    with pytest.raises(Unanswered, match="cut off"):
        connect().write(CREATE)
    assert github.routes() == ["create"] * 3


def test_an_update_without_an_answer_is_repeated(github, connect, sleeps):
    ours = github.add("old")
    github.fail("update", Reply(200, silent=True))
    assert connect(read_s=0.2).write(update(ours))["body"] == "changed"
    assert sleeps == [0]


def test_a_list_that_was_cut_off_is_read_again(github, api, sleeps):
    github.add("whole")
    github.fail("list", Reply(200, [{"body": "half"}], cut=True))
    assert [each["body"] for each in api.items(PATH)] == ["whole"]
    assert sleeps == [1]


def test_a_list_that_is_always_cut_off_is_an_error(github, api):
    github.fail("list", *[Reply(200, [{"body": "half"}], cut=True)] * 20)
    with pytest.raises(Unanswered, match="cut off"):
        list(api.items(PATH))
    assert len(github.seen) == 4


def test_a_server_that_never_answers_is_given_up(github, connect):
    github.fail("list", *[Reply(200, silent=True)] * 20)
    with pytest.raises(Unanswered):
        list(connect(read_s=0.05).items(PATH))
    assert len(github.seen) == 4


def test_nobody_at_the_address_is_an_error_also_for_a_create(connect, closed_port, sleeps):
    api = connect(base_url=f"http://127.0.0.1:{closed_port}")
    with pytest.raises(Unanswered, match="no connection"):
        api.write(CREATE)
    # Nothing was sent, so even this may be tried again.
    assert sleeps == [0, 2, 4]


def test_a_moved_repository_is_followed_where_the_method_is_kept(github, api):
    github.fail(
        "create", Reply(307, {}, {"Location": f"{github.url}/repositories/4711/issues/7/comments"})
    )
    assert api.write(CREATE)["body"] == "hello"
    assert github.routes() == ["create", "create"]


@pytest.mark.parametrize("status", [301, 302])
def test_a_write_that_a_redirect_made_a_read_is_no_success(github, api, status):
    github.add("somebody's")
    moved = {"Location": f"{github.url}{PATH}"}
    github.fail("create", Reply(status, {"message": "Moved"}, moved))
    with pytest.raises(ApiError, match=str(status)) as caught:
        api.write(CREATE)
    assert "moved" in caught.value.hint


# The token ----------------------------------------------------------------------------------


def test_a_redirect_to_another_server_does_not_take_the_token_along(github, api, serve):
    other = serve()
    github.fail("list", Reply(302, {}, {"Location": f"{other.url}{PATH}"}))
    list(api.items(PATH))
    assert github.authorizations == [f"Bearer {TOKEN}"]
    assert other.authorizations == [None]


def test_a_netrc_does_not_take_the_token_s_place(github, api, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    list(api.items(PATH))
    assert github.authorizations == [f"Bearer {TOKEN}"]


def test_a_line_end_after_the_token_is_no_part_of_it(github, connect):
    list(connect(token=f"{TOKEN}\n").items(PATH))
    assert github.authorizations == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize("token", ["", " \n", "a b", "a\nb: c", "tokén", "a\0b"])
def test_a_token_that_is_none_is_refused_without_being_quoted(connect, token):
    with pytest.raises(PublishError) as caught:
        connect(token=token)
    assert not token.strip() or token not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("url", ["", "api.github.com", "ftp://x", "https://me:pw@host", "https://"])
def test_an_address_that_is_none_is_refused_without_being_quoted(connect, url):
    with pytest.raises(PublishError) as caught:
        connect(base_url=url or "//")
    assert "pw" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "fault",
    [
        DOWN,
        refuse(401, "Bad credentials"),
        refuse(403, "no"),
        refuse(429, "slow", retry_after="999"),
        refuse(422, "no"),
        Reply(201, {"id": 1}, cut=True),
        Reply(201, silent=True),
        Reply(201, "garbage"),
        Reply(302, {}, {"Location": "http://127.0.0.1:1/"}),
        Reply(302, {}, {"Location": "gopher://x/"}),
    ],
)
def test_no_fault_lets_the_token_out(github, connect, caplog, fault):
    caplog.set_level(logging.DEBUG)
    api = connect(read_s=0.1)
    github.fail("create", fault)
    with pytest.raises(PublishError) as caught:
        api.write(CREATE)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    # With the local variables of every frame, as some tracebacks show them.
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in told.stack if "/reporter/publish/" in frame.filename]
    assert ours
    shown = "".join(str(frame.locals) for frame in ours) + str(caught.value) + repr(api)
    assert TOKEN not in shown + caplog.text + repr(caught.value.args) + repr(api.calls)


def test_a_proxy_s_password_is_not_told(connect, closed_port, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:hunter2@127.0.0.1:{closed_port}")
    with pytest.raises(Unanswered, match="proxy") as caught:
        connect(base_url="http://github.invalid").write(CREATE)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_closing_a_client_closes_its_session(github, connect):
    with connect() as api:
        assert api.viewer() == github.viewer
