"""Scratch folders that end with their process, or with the next run after a kill -9.

They lie in one private folder per user. Each is held by an `flock` on the folder itself, which
the kernel lets go of however its process ends: a folder whose lock is free belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import UsageError
from .termination import unwinding_when_terminated


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A private empty folder for the length of the block; sweeps abandoned ones first.

    Raises:
        UsageError: the user's folder under the temporary directory cannot be trusted.
    """
    with unwinding_when_terminated():
        home = _private_home()
        with _locked(home):
            _sweep(home)
            folder = Path(tempfile.mkdtemp(dir=home))
            lock = _try_lock(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def sweep_abandoned() -> None:
    """Remove every scratch folder whose process is gone.

    Raises:
        UsageError: the user's folder under the temporary directory cannot be trusted.
    """
    home = _private_home()
    with _locked(home):
        _sweep(home)


def _private_home() -> Path:
    """The user's own folder; the temporary directory is open to all, so it is checked."""
    home = Path(tempfile.gettempdir()) / f"modelperf-report-{os.getuid()}"
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UsageError(
            f"{home} is not a folder of this user's, so nothing private can be put there",
            hint="remove it, or set TMPDIR to another folder",
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        home.chmod(0o700)
    return home


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(home: Path) -> None:
    for folder in home.iterdir():
        lock = _try_lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed; None where another has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
