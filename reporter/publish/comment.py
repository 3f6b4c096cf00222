"""One sticky comment per id on a pull request: found by marker and author, created or updated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote

from ..errors import PublishError
from ..records import Json
from .answers import Call, Missing, Unanswered

BODY_LIMIT = 65_536
"""Code points that GitHub promises to take, the marker's line included."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentTarget:
    """Where a report goes. `comment_id` tells the reports of one pull request apart."""

    owner: str
    repo: str
    number: int
    comment_id: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What became of it; `url` is the comment's own page."""

    url: str
    action: Literal["created", "updated", "unchanged"]


class Api(Protocol):
    """As much of `github_api.GitHub` as a comment needs."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call made so far."""

    def viewer(self) -> str:
        """The login that the token writes as."""

    def items(self, path: str) -> Iterator[dict[str, Json]]:
        """The objects of a list, over all pages."""

    def write(self, call: Call) -> dict[str, Json]:
        """Create or change something."""


def publish(body: str, target: CommentTarget, api: Api) -> Publication:
    """Leave `body` as the one comment of this id.

    Args:
        body: Markdown; the marker by which the comment is found again is put before it.
        target: the pull request and the comment's id.
        api: reads and writes as one account; only that account's comments are ours.

    Raises:
        PublishError: it cannot be sent: too long, an impossible target, or by kind an
            `ApiError` of what GitHub answered.
    """
    text = marked(body, target.comment_id)
    found = _find(target, api)
    if found is None:
        return _create(text, target, api)
    if _text(found) == text.strip():
        return _publication(found, "unchanged")
    try:
        return _publication(api.write(_updating(text, target, found)), "updated")
    except Missing:
        # Deleted since we looked.
        return _create(text, target, api)


def rehearse(body: str, target: CommentTarget, api: Api) -> tuple[Call, ...]:
    """The calls that `publish` would make, in order; those that only read are made."""
    before = len(api.calls)
    text = marked(body, target.comment_id)
    found = _find(target, api)
    change = _creating(text, target) if found is None else _updating(text, target, found)
    is_same = found is not None and _text(found) == text.strip()
    return (*api.calls[before:], *(() if is_same else (change,)))


def marked(body: str, comment_id: str) -> str:
    """The body under its marker line.

    Raises:
        PublishError: the id has other characters than a marker may have, or the text is too
            long for GitHub.
    """
    text = f"{_marker(comment_id)}\n{body}"
    if len(text) > BODY_LIMIT:
        raise PublishError(
            f"the comment is {len(text):,} characters long, GitHub takes {BODY_LIMIT:,}",
            hint="the whole report is in report.md; render a shorter one to comment with",
        )
    return text


def _marker(comment_id: str) -> str:
    if not _ID.fullmatch(comment_id):
        raise PublishError(
            f"the comment id {comment_id!r} cannot be part of a marker",
            hint="use at most 64 letters, digits, dots, hyphens and underscores",
        )
    return f"<!-- modelperf-report: {comment_id} -->"


def _find(target: CommentTarget, api: Api) -> dict[str, Json] | None:
    """The first comment that begins with our marker and that we wrote ourselves.

    Anybody can copy a marker; a comment of somebody else's is never ours to change.
    """
    marker, viewer = _marker(target.comment_id), api.viewer()
    return next(
        (
            each
            for each in api.items(f"{_comments(target)}?per_page=100")
            if isinstance(each.get("id"), int)
            and _author(each) == viewer
            and _text(each).split("\n")[0] == marker
        ),
        None,
    )


def _creating(text: str, target: CommentTarget) -> Call:
    return Call(method="POST", path=_comments(target), payload={"body": text})


def _updating(text: str, target: CommentTarget, found: dict[str, Json]) -> Call:
    path = f"{_repository(target)}/issues/comments/{found['id']}"
    return Call(method="PATCH", path=path, payload={"body": text})


def _create(text: str, target: CommentTarget, api: Api) -> Publication:
    call = _creating(text, target)
    try:
        answer = api.write(call)
    except Unanswered:
        # It may be there all the same, and a second one would be worse than another look.
        answer = _find(target, api) or api.write(call)
    return _publication(answer, "created")


def _publication(
    comment: dict[str, Json], action: Literal["created", "updated", "unchanged"]
) -> Publication:
    return Publication(url=str(comment.get("html_url", "")), action=action)


def _repository(target: CommentTarget) -> str:
    return f"/repos/{quote(target.owner, safe='')}/{quote(target.repo, safe='')}"


def _comments(target: CommentTarget) -> str:
    return f"{_repository(target)}/issues/{target.number}/comments"


def _author(comment: dict[str, Json]) -> str | None:
    # A deleted account's comments have no user.
    user = comment.get("user")
    return user.get("login") if isinstance(user, dict) else None


def _text(comment: dict[str, Json]) -> str:
    # Whoever edits a comment in a browser leaves CR LF line ends.
    return str(comment.get("body") or "").replace("\r\n", "\n").strip()
