import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reporter.errors import UsageError
from reporter.isolate.scratch import scratch_folder, sweep_abandoned

HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from reporter.isolate.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def holder():
    """Another process that holds a scratch folder until its input ends; and that folder."""
    command = [sys.executable, "-c", HOLDER, str(REPOSITORY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_it_is_private_and_gone_afterwards(temporary_folder):
    with scratch_folder() as folder:
        assert folder.parent.parent == temporary_folder
        for each in (folder, folder.parent):
            assert each.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
    assert not folder.exists()


def test_it_is_gone_after_an_exception():
    with pytest.raises(KeyboardInterrupt), scratch_folder() as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_two_at_once_do_not_sweep_each_other():
    with scratch_folder() as one, scratch_folder() as other:
        sweep_abandoned()
        assert one.is_dir()
        assert other.is_dir()
        assert one != other


def test_that_of_a_living_process_stays(holder):
    _, folder = holder
    sweep_abandoned()
    assert (folder / "file").exists()


def test_that_of_a_killed_process_goes_with_the_next_run(holder):
    process, folder = holder
    process.kill()
    process.wait()
    assert (folder / "file").exists()
    with scratch_folder():
        assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_terminated_process_clears_its_own(holder, number):
    process, folder = holder
    process.send_signal(number)
    process.wait(10)
    assert not folder.exists()
    assert "KeyboardInterrupt" in process.stderr.read()


def test_a_link_in_its_place_is_not_followed(temporary_folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "precious").mkdir(parents=True)
    (temporary_folder / f"modelperf-report-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="not a folder of this user's"):
        sweep_abandoned()
    assert (elsewhere / "precious").is_dir()


def test_a_link_inside_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "precious").mkdir(parents=True)
    with scratch_folder() as folder:
        link = folder.parent / "link"
        link.symlink_to(elsewhere)
        (folder / "link").symlink_to(elsewhere)
    sweep_abandoned()
    assert (elsewhere / "precious").is_dir()


def test_a_folder_open_to_others_is_closed(temporary_folder):
    home = temporary_folder / f"modelperf-report-{os.getuid()}"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    with scratch_folder():
        assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_someone_else_is_refused(temporary_folder):
    home = temporary_folder / f"modelperf-report-{os.getuid()}"
    home.mkdir()
    os.chown(home, 12345, 12345)
    with pytest.raises(UsageError, match="not a folder of this user's"):
        sweep_abandoned()
