"""A worker as a process of our own: its pipes, its log, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO

from ..errors import WorkerError
from .capped_log import CappedLog

_BOOTSTRAP = Path(__file__).resolve().parents[1] / "profile" / "bootstrap.py"
_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.25
"""How often a waiting parent looks whether the worker lives: a child of the model's may hold the
answer pipe open after the worker itself is gone."""

_SECRET = ("GITHUB_TOKEN", "GH_TOKEN", "INPUT_", "ACTIONS_")
_COMMAND_FILES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_")

_DEATHS = MappingProxyType(
    {
        signal.SIGKILL: "was killed (SIGKILL), most likely out of memory",
        signal.SIGSEGV: "crashed in native code (SIGSEGV)",
        signal.SIGBUS: "crashed in native code (SIGBUS), maybe out of shared memory",
        signal.SIGILL: "met an instruction this CPU does not have (SIGILL)",
        signal.SIGFPE: "crashed in native code (SIGFPE)",
        signal.SIGABRT: "was aborted by native code (SIGABRT)",
    }
)


class SubprocessWorker:
    """A running worker process for one tree; a `worker_client.Transport`.

    The model's code sees the caller's environment without the tokens and command files of GitHub
    Actions. That keeps honest code from leaking them; against hostile code it is no wall.
    """

    def __init__(self, tree: Path, *, python: str = sys.executable) -> None:
        """Start the process.

        Raises:
            WorkerError: `python` cannot be started in `tree`.
        """
        requests_out, self._requests = os.pipe()
        self._answers, answers_in = os.pipe()
        try:
            self._process = _start(python, (requests_out, answers_in), tree)
        except OSError as error:
            self._close_pipes()
            raise WorkerError(f"the worker did not start: {python} in {tree}: {error}") from error
        finally:
            os.close(requests_out)
            os.close(answers_in)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._answers, False)
        self._received = bytearray()
        self._log = CappedLog()
        self._log_reader = _reading_thread(self._process.stdout, self._log)
        self._closed = False

    def send(self, line: bytes, deadline: float) -> None:
        """Write one line.

        Raises:
            WorkerError: the worker is gone.
            TimeoutError: it has not taken the line at `deadline`, by `time.monotonic`.
        """
        rest = memoryview(line)
        while rest:
            self._wait(deadline, to_write=True)
            with suppress(BlockingIOError):
                try:
                    rest = rest[os.write(self._requests, rest) :]
                except BrokenPipeError:
                    raise self._death() from None

    def receive(self, deadline: float, limit_bytes: int) -> bytes:
        """The next line, without its end.

        Raises:
            WorkerError: the worker is gone, or the line is longer than `limit_bytes`.
            TimeoutError: it is not complete at `deadline`, by `time.monotonic`.
        """
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > limit_bytes:
                raise WorkerError(f"the worker's answer is longer than {limit_bytes >> 20} MiB")
            self._read_more(deadline)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def log_length(self) -> int:
        """How many bytes the worker and the model's code have printed so far."""
        return self._log.length()

    def log(self, since: int = 0) -> str:
        """What they have printed from byte `since` on, its middle left out if it is long."""
        return self._log.text(since)

    def close(self, grace_s: float = 1.0) -> None:
        """End the worker, with all of its process group; it may end by itself for `grace_s`."""
        if self._closed:
            return
        self._closed = True
        os.close(self._requests)
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        finally:
            self._kill_group()
            os.close(self._answers)
            self._log_reader.join(timeout=1.0)

    def _read_more(self, deadline: float) -> None:
        self._wait(deadline, to_write=False)
        with suppress(BlockingIOError):
            chunk = os.read(self._answers, _CHUNK_BYTES)
            if not chunk:
                raise self._death()
            self._received += chunk

    def _wait(self, deadline: float, *, to_write: bool) -> None:
        """Until the pipe is ready, the worker is dead or the deadline has passed."""
        while True:
            is_dead = self._process.poll() is not None
            left_s = deadline - time.monotonic()
            wait_s = 0.0 if is_dead else max(0.0, min(_LOOK_S, left_s))
            if self._is_ready(wait_s, to_write=to_write):
                return
            if is_dead:
                raise self._death()
            if left_s <= 0:
                raise TimeoutError

    def _is_ready(self, wait_s: float, *, to_write: bool) -> bool:
        poll = select.poll()
        if to_write:
            poll.register(self._requests, select.POLLOUT)
        else:
            poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(wait_s * 1000))

    def _death(self) -> WorkerError:
        """Why there is nobody at the other end; a worker that only closed its pipes is ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        self._kill_group()
        self._log_reader.join(timeout=1.0)
        if code is None:
            return WorkerError("the worker closed its end of the pipe and went on running")
        return WorkerError(f"the worker {_how_it_ended(code)}")

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10.0)

    def _close_pipes(self) -> None:
        os.close(self._requests)
        os.close(self._answers)


def _start(python: str, descriptors: tuple[int, int], tree: Path) -> subprocess.Popen[bytes]:
    """The worker in a session of its own: Ctrl-C reaches only us, and its group ends as one."""
    requests, answers = descriptors
    return subprocess.Popen(
        [python, "-u", "-X", "faulthandler", _BOOTSTRAP, str(requests), str(answers), tree],
        pass_fds=descriptors,
        cwd=tree,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Ours without secrets; and Python leaves no `__pycache__` in the user's tree."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SECRET + _COMMAND_FILES)
    }
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def _reading_thread(stream: IO[bytes] | None, log: CappedLog) -> threading.Thread:
    def read() -> None:
        assert stream is not None
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
                log.add(chunk)

    thread = threading.Thread(target=read, name="worker-log", daemon=True)
    thread.start()
    return thread


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"was killed (signal {-code})"
    return _DEATHS.get(number, f"was killed ({number.name})")
