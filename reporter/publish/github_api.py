"""The few calls to GitHub that we need: sent, waited for, paged, and believed only when whole.

Network faults and 5xx of calls that may be repeated are urllib3's to retry. Rate limits are
ours: only an answer's body tells some of them from a missing permission.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import Retry
from urllib3.response import BaseHTTPResponse

from .. import __version__
from ..errors import PublishError
from ..records import Json
from .answers import Answer, Call, no_answer, rate_limit_wait_s, refusal

GITHUB_COM = "https://api.github.com"
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": f"modelperf-report/{__version__}",
    "X-GitHub-Api-Version": "2022-11-28",
}
_TRIES = 3
_REPEATABLE = ("GET", "PATCH")
_WAIT_AFTER_CUT_S = 1.0
_VIEWER = Call(method="POST", path="/graphql", payload={"query": "{ viewer { login } }"})

# The first that fits is said; the library's own words may hold addresses with credentials.
_FAULTS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        requests.exceptions.SSLError,
        "the server's certificate is not trusted",
        "name your CA bundle in REQUESTS_CA_BUNDLE",
    ),
    (
        requests.exceptions.ProxyError,
        "the proxy could not be used",
        "check HTTPS_PROXY and NO_PROXY",
    ),
    (requests.Timeout, "no answer in time", "publish again later"),
    (requests.exceptions.ChunkedEncodingError, "the answer was cut off", "publish again later"),
    (requests.TooManyRedirects, "redirected in a circle", "check the API's address"),
    (requests.ConnectionError, "no connection to the server", "check the network and the address"),
    (requests.RequestException, "the request could not be made", "check the API's address"),
)


def connect(environ: Mapping[str, str]) -> GitHub:
    """GitHub as a job's environment names it, by `GITHUB_TOKEN` and `GITHUB_API_URL`.

    Raises:
        PublishError: there is no token.
    """
    token = environ.get("GITHUB_TOKEN", "")
    if not token.strip():
        raise PublishError(
            "there is no token to publish with",
            hint="set GITHUB_TOKEN; in a workflow: env: GITHUB_TOKEN: ${{ github.token }}",
        )
    return GitHub(token, base_url=environ.get("GITHUB_API_URL") or GITHUB_COM)


class Patience:
    """How long one run waits for GitHub, and by which clock.

    Args:
        total_s: all waiting for rate limits and before retries, together.
        timeout_s: to connect, and between two pieces of an answer.
        sleep: waits so many seconds.
        clock: the time in seconds since the epoch.
    """

    def __init__(
        self,
        total_s: float = 120.0,
        *,
        timeout_s: tuple[float, float] = (5.0, 15.0),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.timeout_s = timeout_s
        self.now_s = clock
        self._left_s = total_s
        self._sleep = sleep

    def allows(self, seconds: float) -> bool:
        """Whether so long a wait is still within what was allowed."""
        return seconds <= self._left_s

    def wait(self, seconds: float) -> None:
        """Wait so long, or as long as is still allowed."""
        granted_s = min(seconds, self._left_s)
        self._left_s -= granted_s
        self._sleep(granted_s)


class _PatientRetry(Retry):
    """urllib3's rules of what to repeat, with our bound on the waiting."""

    def __init__(self, *args: Any, patience: Patience, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = patience

    def new(self, **kwargs: Any) -> Self:
        return super().new(patience=self._patience, **kwargs)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        self._patience.wait(self.get_backoff_time())


class _Bearer(AuthBase):
    """Puts the token on a request. As `auth`, neither .netrc nor a redirect takes its place."""

    def __init__(self, token: str) -> None:
        # http.client would quote a malformed value in its error.
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise PublishError(
                "the GitHub token is empty or has characters that no token has",
                hint="check the secret that it comes from",
            )
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class GitHub:
    """GitHub's API as far as we use it. Every call raises `ApiError` by kind.

    Args:
        token: sent to `base_url` and nowhere else; surrounding white space is dropped.
        base_url: `GITHUB_API_URL`; of a GitHub Enterprise Server `https://HOST/api/v3`.
        session: a requests session to use, and to close; its adapters for this host are replaced.
        patience: the bound on all waiting of this object.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = GITHUB_COM,
        session: requests.Session | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._auth = _Bearer(token.strip())
        self._root = _checked_root(base_url)
        self._session = requests.Session() if session is None else session
        self._patience = Patience() if patience is None else patience
        self._made: list[Call] = []
        self._mount()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def __repr__(self) -> str:
        return f"GitHub({self._root!r})"

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call asked for until now, each once however often it was repeated."""
        return tuple(self._made)

    def viewer(self) -> str:
        """The login that this token writes as, `name[bot]` for an app.

        By GraphQL, because `GET /user` is closed to the tokens of jobs and apps.
        """
        answer = self._send(_VIEWER, self._root.removesuffix("/v3") + _VIEWER.path)
        match answer.data:
            case {"data": {"viewer": {"login": str(login)}}}:
                return login
        raise no_answer(_VIEWER, f"no login in the answer ({answer.message})")

    def items(self, path: str) -> Iterator[dict[str, Json]]:
        """The objects of a list, over all its pages, each page fetched when it is needed."""
        url: str | None = f"{self._root}{path}"
        while url is not None:
            call = Call(method="GET", path=self._below_root(url))
            answer = self._send(call, url)
            if not isinstance(answer.data, list):
                raise no_answer(call, "the answer is not a list")
            yield from (each for each in answer.data if isinstance(each, dict))
            url = _next_page(answer)

    def write(self, call: Call) -> dict[str, Json]:
        """Create or change something; the object as GitHub now has it."""
        answer = self._send(call, f"{self._root}{call.path}")
        if not isinstance(answer.data, dict):
            raise no_answer(call, "the answer is not an object")
        return answer.data

    def _mount(self) -> None:
        retry = _PatientRetry(
            total=_TRIES,
            backoff_factor=1,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=_REPEATABLE,
            respect_retry_after_header=False,
            raise_on_status=False,
            patience=self._patience,
        )
        self._session.mount(self._root, HTTPAdapter(max_retries=retry))
        asking = retry.new(allowed_methods=None)
        self._session.mount(
            self._root.removesuffix("/v3") + _VIEWER.path, HTTPAdapter(max_retries=asking)
        )

    def _below_root(self, url: str) -> str:
        """The address as a path; raises where it leads to a server the token is not for."""
        parts, root = urlsplit(url), urlsplit(self._root)
        if (parts.scheme, parts.netloc) != (root.scheme, root.netloc):
            raise PublishError(
                f"the next page of a list is said to be on another server, {parts.hostname}",
                hint="check the API's address: the token is not sent there",
            )
        return url.removeprefix(self._root).removeprefix(f"{root.scheme}://{root.netloc}")

    def _send(self, call: Call, url: str) -> Answer:
        """One call, repeated as rate limits and cut answers ask for."""
        self._made.append(call)
        for tries_left in reversed(range(_TRIES + 1)):
            outcome = self._once(call, url)
            wait_s = self._wait_before_next_s(call, outcome)
            if wait_s is None or not tries_left or not self._patience.allows(wait_s):
                break
            self._patience.wait(wait_s)
        return self._accepted(call, outcome)

    def _once(self, call: Call, url: str) -> Answer | requests.RequestException:
        # A fault is returned, not raised on: requests keeps the request, and with it the
        # token, on its exceptions, and an error raised here would carry one as its context.
        try:
            response = self._session.request(
                call.method,
                url,
                json=call.payload,
                headers=_HEADERS,
                auth=self._auth,
                timeout=self._patience.timeout_s,
            )
        except requests.RequestException as fault:
            return fault
        # requests follows some redirects of a write with a GET, as browsers do: the redirect
        # is then what was really answered.
        is_same = response.request.method == call.method
        return _answer(response if is_same else response.history[0])

    def _wait_before_next_s(
        self, call: Call, outcome: Answer | requests.RequestException
    ) -> float | None:
        if isinstance(outcome, Answer):
            return rate_limit_wait_s(outcome, self._patience.now_s())
        is_cut = isinstance(outcome, requests.exceptions.ChunkedEncodingError)
        return _WAIT_AFTER_CUT_S if is_cut and call.method in _REPEATABLE else None

    def _accepted(self, call: Call, outcome: Answer | requests.RequestException) -> Answer:
        if not isinstance(outcome, Answer):
            raise no_answer(call, *_wording(outcome))
        if not 200 <= outcome.status < 300:
            raise refusal(call, outcome, self._patience.now_s())
        return outcome


def _wording(fault: requests.RequestException) -> tuple[str, str]:
    return next((why, hint) for kind, why, hint in _FAULTS if isinstance(fault, kind))


def _answer(response: requests.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        data = json.loads(response.content)
    except ValueError:
        data = None
    return Answer(status=response.status_code, headers=headers, data=data)


def _next_page(answer: Answer) -> str | None:
    links = requests.utils.parse_header_links(answer.headers.get("link", ""))
    return next((each["url"] for each in links if each.get("rel") == "next"), None)


def _checked_root(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise PublishError(
            "the API's address is not of the form https://HOST[/PATH]",
            hint="GITHUB_API_URL is https://api.github.com, or https://HOST/api/v3",
        )
    return base_url.rstrip("/")
