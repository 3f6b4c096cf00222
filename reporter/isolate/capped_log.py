"""What a worker prints, kept to its beginning and its end."""

from __future__ import annotations

import threading

_LIMIT_BYTES = 1 << 20


class CappedLog:
    """The first and the last bytes of a stream of any length, half of `limit_bytes` each.

    One thread may add while another reads.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._half = limit_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._lock = threading.Lock()

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        with self._lock:
            room = self._half - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:]
            excess = len(self._tail) - self._half
            if excess > 0:
                del self._tail[:excess]
                self._left_out += excess

    def length(self) -> int:
        """How many bytes the stream has had so far, kept or not."""
        with self._lock:
            return len(self._head) + self._left_out + len(self._tail)

    def text(self, since: int = 0) -> str:
        """What is kept of the stream from byte `since` on.

        Where something between is not kept, a line says how much.
        """
        with self._lock:
            head = _decoded(self._head[since:])
            after_gap = len(self._head) + self._left_out
            tail = _decoded(self._tail[max(0, since - after_gap) :])
            left_out = min(self._left_out, max(0, after_gap - since))
        return f"{head}\n[{left_out} bytes left out]\n{tail}" if left_out else head + tail


def _decoded(kept: bytearray) -> str:
    return kept.decode("utf-8", errors="replace")
