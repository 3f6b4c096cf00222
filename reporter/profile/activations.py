"""How much memory the forward's tensors hold, from the lifetimes of their storages."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch


def storage_key(tensor: torch.Tensor) -> int:
    """The same for every tensor that shares one storage; unique for a tensor without one."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):
        return -id(tensor)


class LiveStorages:
    """The sum of the live storages' bytes, now and at its peak.

    Storages of the tensors in `excluded` (parameters, buffers) never count. A storage is freed
    when Python and torch have both let go of it, on meta tensors as on real ones.
    """

    def __init__(self, excluded: Iterable[torch.Tensor]) -> None:
        self.live_bytes = 0
        self.peak_bytes = 0
        self._known = {storage_key(tensor) for tensor in excluded}

    def add(self, tensor: torch.Tensor) -> None:
        """Count the storage of `tensor`, once, until it is freed."""
        key = storage_key(tensor)
        if key in self._known or key < 0:
            return
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        self._known.add(key)
        self.live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._free, key, size).atexit = False

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live_bytes -= size
