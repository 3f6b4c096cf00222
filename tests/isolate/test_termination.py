import os
import signal
import threading

import pytest

from reporter.isolate.termination import unwinding_when_terminated


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_us_unwinds_us_first(number):
    with pytest.raises(KeyboardInterrupt, match=number.name), unwinding_when_terminated():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_within_one_another_the_outer_one_stays():
    with pytest.raises(KeyboardInterrupt), unwinding_when_terminated():
        with unwinding_when_terminated():
            pass
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_the_caller_has_set_stays():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("theirs"))
    try:
        with unwinding_when_terminated():
            os.kill(os.getpid(), signal.SIGTERM)
        assert heard == ["theirs"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_hang_up_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with unwinding_when_terminated():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_than_the_main_one_changes_nothing():
    seen = []

    def look() -> None:
        with unwinding_when_terminated():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
