"""SIGTERM and SIGHUP end us the way Ctrl-C does, so that what was borrowed is given back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unwinding_when_terminated() -> Iterator[None]:
    """Within the block, a signal that would end us on the spot raises KeyboardInterrupt.

    Handlers that someone else has set stay, and so do ignored signals (`nohup`). Outside the main
    thread, where Python sets no handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in _ENDING if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _interrupt)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
