"""What GitHub's answers mean: the errors by kind, what to do about each, how long to wait. No I/O.

PublishError
└── ApiError             `status` is None where no answer came
    ├── Unauthorized     401: the token is not one
    ├── Forbidden        403: the token lacks a permission
    ├── RateLimited      403, 429: asked to wait longer than we may
    ├── Missing          404, 410: not there, or not to be seen with this token
    ├── Invalid          422: understood and refused
    └── Unanswered       5xx, none, cut or garbled: whether it was carried out is not known
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import PublishError
from ..records import Json

_WAIT_UNSAID_S = 60.0
_MESSAGE_LIMIT = 300


class ApiError(PublishError):
    """A call to GitHub did not do what it should."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Unauthorized(ApiError):
    """The token is wrong, expired or revoked."""


class Forbidden(ApiError):
    """The token may not do this; trying again will not help."""


class RateLimited(ApiError):
    """GitHub asks to wait longer than this run may."""


class Missing(ApiError):
    """What was asked for is gone, was never there, or may not be seen with this token."""


class Invalid(ApiError):
    """GitHub understood the call and refuses its content."""


class Unanswered(ApiError):
    """No usable answer came, so whether the call was carried out is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `path` below the API's root, with its query; no token in it."""

    method: Literal["GET", "POST", "PATCH"]
    path: str
    payload: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response. `headers` have lower-case names; `data` is None where it is not JSON."""

    status: int
    headers: Mapping[str, str]
    data: Json = None

    @property
    def message(self) -> str:
        """GitHub's own words on one line, cut to a readable length."""
        if not isinstance(self.data, dict):
            return ""
        details = self.data.get("errors")
        said = [self.data.get("message"), *(details if isinstance(details, list) else [details])]
        return " ".join("; ".join(filter(None, map(_words, said))).split())[:_MESSAGE_LIMIT]


def _words(said: Json) -> str:
    if isinstance(said, dict):
        return str(said.get("message") or said.get("code") or "")
    return said if isinstance(said, str) else ""


def rate_limit_wait_s(answer: Answer, now_s: float) -> float | None:
    """Seconds to wait before the next call, or None where the answer is no rate limit.

    By GitHub's "Rate limits for the REST API": `retry-after`, else the time of
    `x-ratelimit-reset` where nothing remains, else a minute.

    Args:
        answer: what came back.
        now_s: the time, in seconds since the epoch.
    """
    if answer.status not in (403, 429):
        return None
    after = answer.headers.get("retry-after")
    if after is not None:
        return float(after) if after.isdecimal() else _WAIT_UNSAID_S
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        return max(0.0, float(reset) - now_s) if reset.isdecimal() else _WAIT_UNSAID_S
    if answer.status == 429 or "rate limit" in answer.message.lower():
        return _WAIT_UNSAID_S
    return None


def refusal(call: Call, answer: Answer, now_s: float) -> ApiError:
    """The error that an answer outside 2xx is."""
    wait_s = rate_limit_wait_s(answer, now_s)
    if wait_s is not None:
        return RateLimited(
            f"{_said(call, answer)}; the wait it asks for is {wait_s:.0f} s, longer than we may",
            status=answer.status,
            hint="publish again later; the report is on disk",
        )
    kind, hint = _KINDS.get(answer.status, (ApiError, ""))
    if answer.status >= 500:
        kind, hint = Unanswered, "publish again later; the report is on disk"
    needed = answer.headers.get("x-accepted-github-permissions")
    if kind is Forbidden and needed:
        hint = f"give the job's token one of these permissions: {needed}. {_FORK}"
    return kind(_said(call, answer), status=answer.status, hint=hint or None)


def no_answer(call: Call, why: str, hint: str | None = None) -> Unanswered:
    """The error of a call without a usable answer."""
    return Unanswered(f"{call.method} {call.path}: {why}", hint=hint)


def _said(call: Call, answer: Answer) -> str:
    said = f" ({answer.message})" if answer.message else ""
    return f"{call.method} {call.path}: GitHub answered {answer.status}{said}"


_FORK = "A pull request from a fork has a read-only token: publish it from a second workflow"
_MOVED = (ApiError, "the repository has moved: name it by its present name")
_KINDS: Mapping[int, tuple[type[ApiError], str]] = {
    301: _MOVED,
    302: _MOVED,
    401: (Unauthorized, "the token is wrong, expired or revoked: check the secret it comes from"),
    403: (Forbidden, f"give the job's token `pull-requests: write`. {_FORK}"),
    404: (Missing, "check repository and number; a token without access sees 404 as well"),
    410: (Missing, "it was deleted, or the feature is switched off for the repository"),
    422: (Invalid, "GitHub refuses what was sent, for the reason it gives"),
}
