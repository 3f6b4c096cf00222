import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory for this test alone, for its child processes too."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nobody_s_git_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@dataclass(frozen=True)
class WorkTree:
    """A real repository to try things on."""

    folder: Path

    def git(self, *arguments: str, fails: bool = False) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ("git", *who, *arguments), cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text, encoding="utf-8")

    def commit(self, **files: str) -> str:
        """Commit these files, by stem, and say the commit's name."""
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def everything(self) -> dict[str, str]:
        """Mode, time and content of every file below, `.git` included.

        Only the time of a shared index is left out: git renews it whenever it reads one.
        """
        return dict(_fingerprints(self.folder))


def _fingerprints(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(content).hexdigest()
        has_time = path.is_file() and not path.name.startswith("sharedindex.")
        time_ns = about.st_mtime_ns if has_time else 0
        yield str(path.relative_to(folder)), f"{about.st_mode:o} {time_ns} {digest}"


@pytest.fixture
def new_repository(tmp_path: Path) -> Callable[..., WorkTree]:
    """Makes an empty repository with a branch `main`."""

    def make(name: str = "repository", *options: str) -> WorkTree:
        folder = tmp_path / name
        folder.mkdir()
        tree = WorkTree(folder)
        tree.git("init", "--quiet", "--initial-branch=main", *options)
        return tree

    return make


@pytest.fixture
def forked(new_repository: Callable[..., WorkTree]) -> tuple[WorkTree, str]:
    """A branch `work` that left `main` at the commit named; both have moved on since."""
    tree = new_repository()
    tree.commit(first="1\n")
    left_at = tree.commit(model="base\n")
    tree.git("checkout", "--quiet", "-b", "work")
    tree.commit(model="head\n", added="new\n")
    tree.git("checkout", "--quiet", "main")
    tree.commit(model="main moved on\n")
    tree.git("checkout", "--quiet", "work")
    return tree, left_at


@pytest.fixture
def is_gone() -> Callable[..., bool]:
    """Whether a process ends soon; a zombie that nobody has collected is gone too."""

    def is_gone(pid: int, within_s: float = 5.0) -> bool:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if not _is_running(pid):
                return True
            time.sleep(0.02)
        return False

    return is_gone


def _is_running(pid: int) -> bool:
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return about.rpartition(")")[2].split()[0] != "Z"
