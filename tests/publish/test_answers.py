import pytest

from reporter.errors import ExitCode, PublishError
from reporter.publish.answers import (
    Answer,
    ApiError,
    Call,
    Forbidden,
    Invalid,
    Missing,
    RateLimited,
    Unanswered,
    Unauthorized,
    rate_limit_wait_s,
    refusal,
)

CALL = Call(method="GET", path="/repos/octo/zoo")


def answer(status, message="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, data={"message": message})


@pytest.mark.parametrize(
    ("given", "wait_s"),
    [
        (answer(200, x_ratelimit_remaining="0"), None),
        (answer(500, retry_after="5"), None),
        (answer(403, "Resource not accessible by integration"), None),
        (answer(403, "Forbidden", x_ratelimit_remaining="1"), None),
        (answer(403, retry_after="5"), 5),
        (answer(403, retry_after="0"), 0),
        (answer(403, retry_after="soon"), 60),
        (answer(403, retry_after="-5"), 60),
        (answer(403, retry_after="5", x_ratelimit_remaining="0", x_ratelimit_reset="1900"), 5),
        (answer(403, x_ratelimit_remaining="0", x_ratelimit_reset="1900"), 900),
        (answer(403, x_ratelimit_remaining="0", x_ratelimit_reset="10"), 0),
        (answer(403, x_ratelimit_remaining="0"), 60),
        (answer(403, "You have exceeded a secondary Rate Limit"), 60),
        (answer(429), 60),
        (Answer(status=403, headers={}, data="<html>"), None),
        (Answer(status=403, headers={}, data=None), None),
    ],
)
def test_how_long_to_wait_is_read_from_the_answer(given, wait_s):
    assert rate_limit_wait_s(given, 1000.0) == wait_s


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ApiError),
        (400, ApiError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, Missing),
        (410, Missing),
        (422, Invalid),
        (429, RateLimited),
        (500, Unanswered),
        (504, Unanswered),
    ],
)
def test_each_status_is_an_error_of_its_own_kind(status, kind):
    error = refusal(CALL, answer(status, "because"), 0.0)
    assert type(error) is kind
    assert isinstance(error, PublishError)
    assert error.exit_code == ExitCode.PUBLISH_FAILED
    assert error.status == status
    assert error.message.startswith(f"GET /repos/octo/zoo: GitHub answered {status} (because)")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"message": "Validation Failed", "errors": [{"code": "custom", "message": "too long"}]},
            "Validation Failed; too long",
        ),
        (
            {"message": "No", "errors": [{"code": "missing_field"}, "plain", 7]},
            "No; missing_field; plain",
        ),
        ({"message": "No", "errors": "plain"}, "No; plain"),
        ({"message": "a\r\n::error::b\tc"}, "a ::error::b c"),
        ({"message": {"not": "text"}}, ""),
        ({"message": None}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
        ({"message": "x" * 1000}, "x" * 300),
    ],
)
def test_what_github_says_is_one_short_line(data, said):
    assert Answer(status=400, headers={}, data=data).message == said
