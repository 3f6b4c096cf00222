"""Real processes: the worker's own program is replaced by a few lines that misbehave."""

import os
import time
from pathlib import Path

import pytest

from reporter.errors import WorkerError
from reporter.isolate import subprocess_worker
from reporter.isolate.subprocess_worker import SubprocessWorker

PROLOGUE = """
import os, sys, time, signal, subprocess
requests, answers = int(sys.argv[1]), int(sys.argv[2])
def say(line): os.write(answers, line)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a process that runs the lines given; all are ended after the test."""
    started = []

    def run(lines: str) -> SubprocessWorker:
        program = tmp_path / "program.py"
        program.write_text(PROLOGUE + lines, encoding="utf-8")
        monkeypatch.setattr(subprocess_worker, "_BOOTSTRAP", program)
        started.append(SubprocessWorker(tmp_path))
        return started[-1]

    yield run
    for worker in started:
        worker.close(0.0)


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def death(worker: SubprocessWorker) -> str:
    with pytest.raises(WorkerError) as caught:
        worker.receive(soon(), 1000)
    return caught.value.message


def test_lines_go_both_ways(start):
    worker = start("for line in open(requests, 'rb'): say(line.upper())")
    worker.send(b"one\n", soon())
    worker.send(b"two\n", soon())
    assert worker.receive(soon(), 1000) == b"ONE"
    assert worker.receive(soon(), 1000) == b"TWO"


def test_a_request_larger_than_a_pipe_arrives(start):
    worker = start("say(str(len(open(requests, 'rb').readline())).encode() + b'\\n')")
    worker.send(b"x" * 1_000_000 + b"\n", soon())
    assert worker.receive(soon(), 1000) == b"1000001"


def test_an_answer_in_pieces_is_put_together(start):
    worker = start(
        "say(b'a' * 70000); time.sleep(0.05); say(b'b\\nc'); time.sleep(0.05); say(b'\\n')"
    )
    assert worker.receive(soon(), 100_000) == b"a" * 70000 + b"b"
    assert worker.receive(soon(), 100_000) == b"c"


def test_a_last_answer_before_the_end_is_still_heard(start):
    worker = start("say(b'last\\n'); os._exit(0)")
    time.sleep(0.3)
    assert worker.receive(soon(), 1000) == b"last"
    assert death(worker) == "the worker exited with code 0"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("os._exit(3)", "the worker exited with code 3"),
        ("say(b'half a line'); os._exit(0)", "the worker exited with code 0"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "the worker was killed (SIGKILL), most likely out of memory",
        ),
        (
            "import ctypes; ctypes.string_at(0)",
            "the worker crashed in native code (SIGSEGV)",
        ),
        ("os.abort()", "the worker was aborted by native code (SIGABRT)"),
        ("os.kill(os.getpid(), signal.SIGUSR1)", "the worker was killed (SIGUSR1)"),
    ],
)
def test_how_it_died_is_told_in_one_line(start, lines, reason):
    assert death(start(lines)) == reason


def test_native_crashes_leave_their_python_lines_in_the_log(start):
    worker = start("def inner(): import ctypes; ctypes.string_at(0)\ninner()")
    death(worker)
    assert "in inner" in worker.log()


def test_closing_the_pipe_and_going_on_is_told(start):
    worker = start("os.close(answers); time.sleep(60)")
    assert "closed its end" in death(worker)


def test_it_is_found_dead_though_its_child_holds_the_pipe(start):
    worker = start("os.fork() or time.sleep(60); os._exit(7)")
    before = time.monotonic()
    assert death(worker) == "the worker exited with code 7"
    assert time.monotonic() - before < 5


def test_nobody_to_send_to_is_told(start, is_gone):
    worker = start("os._exit(3)")
    is_gone(worker._process.pid)
    with pytest.raises(WorkerError, match="exited with code 3"):
        worker.send(b"x" * 1_000_000, soon())


def test_silence_ends_at_the_deadline(start):
    worker = start("time.sleep(60)")
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        worker.receive(soon(0.4), 1000)
    assert 0.3 < time.monotonic() - before < 3


def test_a_request_that_is_not_taken_ends_at_the_deadline(start):
    worker = start("time.sleep(60)")
    with pytest.raises(TimeoutError):
        worker.send(b"x" * 1_000_000, soon(0.3))


def test_an_answer_without_end_is_refused(start):
    worker = start("while True: say(b'x' * 65536)")
    with pytest.raises(WorkerError, match="longer than 1 MiB"):
        worker.receive(soon(), 1 << 20)


def test_what_it_prints_is_kept_and_capped(start):
    worker = start(
        "print('first')\nfor _ in range(1000): os.write(1, b'x' * 100_000)\n"
        "print('last', file=sys.stderr)\nsay(b'done\\n')"
    )
    assert worker.receive(soon(60), 1000) == b"done"
    worker.close()
    log = worker.log()
    # "first\n" + 1000 × 100,000 + "last\n"
    assert worker.log_length() == 100_000_011
    assert log.startswith("first\nxxx")
    assert log.endswith("xxxlast\n")
    assert len(log) < (1 << 20) + 100


def test_closing_lets_it_end_by_itself_first(start, tmp_path):
    worker = start("open(requests).read(); open('ended-by-itself', 'w')")
    worker.close(grace_s=10.0)
    assert (tmp_path / "ended-by-itself").exists()


def test_closing_ends_what_does_not_want_to_end(start, is_gone):
    worker = start("signal.signal(signal.SIGTERM, signal.SIG_IGN); say(b'up\\n'); time.sleep(60)")
    worker.receive(soon(), 1000)
    worker.close(grace_s=0.0)
    assert is_gone(worker._process.pid, within_s=0.5)
    worker.close()


@pytest.mark.parametrize("worker_first", [True, False])
def test_its_children_end_with_it(start, is_gone, worker_first):
    worker = start(
        "child = subprocess.Popen(['sleep', '60'])\n"
        "say(f'{child.pid}\\n'.encode())\n" + ("os._exit(0)" if worker_first else "time.sleep(60)")
    )
    child = int(worker.receive(soon(), 1000))
    if worker_first:
        death(worker)
    worker.close(grace_s=0.0)
    assert is_gone(child)


def test_no_descriptor_is_left_open(start):
    before = open_descriptors()
    for _ in range(3):
        start("pass").close()
    assert open_descriptors() == before


def test_a_python_that_is_not_there_is_told(tmp_path):
    before = open_descriptors()
    with pytest.raises(WorkerError, match=r"did not start: /no/such/python"):
        SubprocessWorker(tmp_path, python="/no/such/python")
    assert open_descriptors() == before


def test_it_sees_no_token_and_no_command_file(start, monkeypatch):
    hidden = ("GITHUB_TOKEN", "GH_TOKEN", "INPUT_TOKEN", "ACTIONS_RUNTIME_TOKEN", "GITHUB_ENV")
    for name in hidden:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    worker = start("import json; say(json.dumps(dict(os.environ)).encode() + b'\\n')")
    seen = worker.receive(soon(), 100_000).decode()
    assert "secret" not in seen
    assert "GITHUB_REPOSITORY" in seen


def test_it_is_given_the_tree_to_stand_in_and_the_tree_stays_clean(start, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (tmp_path / "beside.py").write_text("", encoding="utf-8")
    worker = start("import beside; say(f'{os.getcwd()} {sys.argv[3]}\\n'.encode())")
    assert worker.receive(soon(), 1000).decode() == f"{tmp_path} {tmp_path}"
    assert not (tmp_path / "__pycache__").exists()


def test_ctrl_c_at_the_terminal_does_not_reach_it(start):
    worker = start("say(f'{os.getpgid(0)} {os.getsid(0)}\\n'.encode()); time.sleep(60)")
    group, session = worker.receive(soon(), 1000).split()
    assert int(group) == int(session) == worker._process.pid != os.getpgid(0)
