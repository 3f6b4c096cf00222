"""A GitHub of one pull request on a local port: strict in what it takes, faulty when told to be."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghs_0123456789abcdefSECRET"
NOW_S = 1_000_000
REPOSITORY_ID = 4711
COMMENTS = re.compile(r"/(?:repos/octo/zoo|repositories/4711)/issues/7/comments")
COMMENT = re.compile(r"/repos/octo/zoo/issues/comments/(\d+)")


@dataclass(frozen=True)
class Reply:
    """What goes back: `cut` sends half of it, `silent` nothing at all."""

    status: int
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False
    carried_out: bool = False


def refuse(status: int, message: str, **headers: str) -> Reply:
    """An error with GitHub's body; `retry_after=1` becomes `retry-after: 1`."""
    data = {"message": message, "documentation_url": "https://docs.example.com/rest"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, data, named)


def account(login: str) -> dict[str, Any]:
    """A user or app with all that GitHub says of one."""
    kind = "Bot" if login.endswith("[bot]") else "User"
    said = {"login": login, "id": 5, "node_id": "U_5", "type": kind, "site_admin": False}
    here = f"https://api.github.example/users/{login}"
    links = ("avatar", "events", "followers", "following", "gists", "html", "organizations")
    links += ("received_events", "repos", "starred", "subscriptions")
    return {**said, "gravatar_id": "", "url": here, **{f"{name}_url": here for name in links}}


@dataclass
class FakeGitHub:
    """The state of the pull request octo/zoo#7, and what was asked of it."""

    server: ThreadingHTTPServer
    prefix: str = ""
    viewer: str = "github-actions[bot]"
    comments: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    exchanges: list[tuple[str, str, Any, int, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    faults: dict[str, deque[Reply]] = field(default_factory=dict)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return self.origin + self.prefix

    def fail(self, route: str, *replies: Reply) -> None:
        """Answer the next calls of `viewer`, `list`, `create` or `update` like this."""
        self.faults.setdefault(route, deque()).extend(replies)

    def add(self, body: str, login: str = "github-actions[bot]") -> dict[str, Any]:
        number = 100 + len(self.comments)
        here = f"{self.url}/repos/octo/zoo/issues"
        comment = {
            "id": number,
            "node_id": f"IC_{number}",
            "url": f"{here}/comments/{number}",
            "html_url": f"https://github.example/octo/zoo/pull/7#issuecomment-{number}",
            "issue_url": f"{here}/7",
            "user": account(login),
            "body": body,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
        self.comments.append(comment)
        return comment

    def routes(self) -> list[str]:
        return [route for route, _ in self.seen]

    def answer(self, method: str, address: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        parts = urlsplit(address)
        payload = json.loads(raw) if raw else None
        route, act = self._route(method, parts.path, parts.query, payload)
        self.seen.append((route, address))
        self._check_headers(route, headers)
        if route in self.before:
            self.before.pop(route)()
        waiting = self.faults.get(route)
        reply = waiting.popleft() if waiting else act()
        if waiting is not None and reply.carried_out:
            act()
        answered = json.loads(json.dumps(reply.data))
        self.exchanges.append((method, address, payload, reply.status, answered))
        return reply

    def _route(
        self, method: str, path: str, query: str, payload: Any
    ) -> tuple[str, Callable[[], Reply]]:
        if path == self.prefix.removesuffix("/v3") + "/graphql":
            self._expect(method == "POST" and "viewer" in payload["query"], "graphql", payload)
            return "viewer", lambda: Reply(200, {"data": {"viewer": {"login": self.viewer}}})
        self._expect(path.startswith(self.prefix), "outside the API", path)
        below = path.removeprefix(self.prefix)
        if COMMENTS.fullmatch(below) and method == "GET":
            return "list", lambda: self._page({k: v[0] for k, v in parse_qs(query).items()})
        if COMMENTS.fullmatch(below) and method == "POST":
            return "create", lambda: self._create(payload)
        if (found := COMMENT.fullmatch(below)) and method == "PATCH":
            return "update", lambda: self._update(int(found[1]), payload)
        return "unknown", lambda: refuse(404, "Not Found")

    def _check_headers(self, route: str, headers: Mapping[str, str]) -> None:
        self.authorizations.append(headers.get("Authorization"))
        self._expect(headers.get("Authorization") == f"Bearer {TOKEN}", route, "authorization")
        self._expect(headers.get("Accept") == "application/vnd.github+json", route, "accept")
        self._expect(headers.get("X-GitHub-Api-Version") == "2022-11-28", route, "version")
        self._expect(
            str(headers.get("User-Agent")).startswith("modelperf-report/"), route, "user agent"
        )
        if route in ("viewer", "create", "update"):
            self._expect(headers.get("Content-Type") == "application/json", route, "content type")

    def _expect(self, holds: bool, *where: object) -> None:
        if not holds:
            self.violations.append(repr(where))

    def _page(self, query: dict[str, str]) -> Reply:
        self._expect(query.keys() <= {"per_page", "page"}, "list", query)
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        self._expect(1 <= size <= 100, "list", query)
        last = max(1, -(-len(self.comments) // size))
        # GitHub's own links leave the path that was asked for.
        to = f"{self.url}/repositories/{REPOSITORY_ID}/issues/7/comments?per_page={size}&page="
        around = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        links = [
            f'<{to}{n}>; rel="{rel}"'
            for rel, n in around.items()
            if last > 1 and 1 <= n <= last and not (rel == "last" and page == last)
        ]
        headers = {"Link": ", ".join(links)} if links else {}
        return Reply(200, self.comments[(page - 1) * size : page * size], headers)

    def _create(self, payload: Any) -> Reply:
        return self._refused(payload) or Reply(201, self.add(payload["body"], self.viewer))

    def _update(self, number: int, payload: Any) -> Reply:
        found = next((each for each in self.comments if each.get("id") == number), None)
        if found is None:
            return refuse(404, "Not Found")
        if found["user"] is None or found["user"]["login"] != self.viewer:
            return refuse(403, "Must have admin rights to Repository.")
        refused = self._refused(payload)
        if refused is None:
            found["body"] = payload["body"]
        return refused or Reply(200, found)

    def _refused(self, payload: Any) -> Reply | None:
        self._expect(isinstance(payload, dict) and payload.keys() == {"body"}, "payload", payload)
        body = payload["body"]
        if not body.strip() or len(body) > 65_536:
            why = {"resource": "IssueComment", "code": "custom", "field": "body"}
            why["message"] = "body is too long (maximum is 65536 characters)"
            reply = refuse(422, "Validation Failed")
            return Reply(422, {**reply.data, "errors": [why]})
        return None


def handler_of(github: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(github.answer(self.command, self.path, self.headers, raw))

        do_GET = do_POST = do_PATCH = _serve

        def _send(self, reply: Reply) -> None:
            if reply.silent:
                github.released.wait(10)
                self.close_connection = True
                return
            is_text = isinstance(reply.data, str)
            body = reply.data.encode() if is_text else json.dumps(reply.data).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.cut else body)
            self.close_connection = self.close_connection or reply.cut

        def log_message(self, *args: object) -> None:
            pass

    return Handler
