"""Starts the fake GitHub, and clients that wait for nothing."""

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from reporter.publish.comment import CommentTarget
from reporter.publish.github_api import GitHub, Patience

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fake_github import NOW_S, TOKEN, FakeGitHub, handler_of


@pytest.fixture(autouse=True)
def nobody_s_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[[], FakeGitHub]]:
    """Starts further servers."""
    running: list[FakeGitHub] = []

    def start() -> FakeGitHub:
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        server.daemon_threads = True
        github = FakeGitHub(server)
        server.RequestHandlerClass = handler_of(github)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(github)
        return github

    yield start
    for github in running:
        github.released.set()
        github.server.shutdown()
        github.server.server_close()


@pytest.fixture
def github(serve) -> Iterator[FakeGitHub]:
    github = serve()
    yield github
    assert github.violations == []


@pytest.fixture
def sleeps() -> list[float]:
    """How long each wait was that nobody really waited."""
    return []


@pytest.fixture
def connect(github, sleeps) -> Iterator[Callable[..., GitHub]]:
    """Makes clients of the fake, or of another address."""
    sessions: list[requests.Session] = []

    def make(token: str = TOKEN, base_url: str = "", read_s: float = 5.0) -> GitHub:
        sessions.append(requests.Session())
        patience = Patience(100, timeout_s=(5.0, read_s), sleep=sleeps.append, clock=lambda: NOW_S)
        return GitHub(
            token, base_url=base_url or github.url, session=sessions[-1], patience=patience
        )

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def api(connect) -> GitHub:
    return connect()


@pytest.fixture
def target() -> CommentTarget:
    return CommentTarget(owner="octo", repo="zoo", number=7)
