"""Models made of one function, and one call that counts any of them on any device."""

from __future__ import annotations

import copy
import sys
import textwrap
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reporter.profile.count import Count, count
from reporter.profile.ladder import operations_in_parts
from reporter.profile.load import weightless_copy
from reporter.profile.tensors import Arguments

with warnings.catch_warnings():
    # Torch warns once where there is no numpy, from wherever it is first looked for.
    warnings.simplefilter("ignore")
    import torch._subclasses.functional_tensor


class Calling(nn.Module):
    """A module whose forward is `function`; the keywords are its children and parameters."""

    def __init__(self, function: Callable[..., Any], **members: Any) -> None:
        super().__init__()
        for name, member in members.items():
            setattr(self, name, member)
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def count_on(
    device: str, model: nn.Module, *args: Any, mode: Any = "inference", **kwargs: Any
) -> Count:
    copied = weightless_copy(model) if device == "meta" else copy.deepcopy(model)
    model = copied.train(mode == "train")
    arguments = Arguments(args, kwargs).to(device)
    with torch.device(device), operations_in_parts():
        return count(model, arguments, mode)


@pytest.fixture(scope="session")
def calling() -> type[Calling]:
    return Calling


@pytest.fixture(scope="session")
def on() -> Callable[..., Count]:
    """`on("meta", model, *args, mode=…, **kwargs)` counts it there."""
    return count_on


@pytest.fixture(scope="session")
def everywhere() -> Callable[..., Count]:
    """Counts on meta and on real tensors; both must agree on the work and on what is unknown."""

    def counted(model: nn.Module, *args: Any, **kwargs: Any) -> Count:
        meta, real = (count_on(device, model, *args, **kwargs) for device in ("meta", "cpu"))
        assert (meta.cost.macs, meta.cost.madds) == (real.cost.macs, real.cost.madds)
        assert meta.cost.uncounted == real.cost.uncounted
        assert meta.cost.params == real.cost.params
        return meta

    return counted


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes source text as an importable module of a fresh name and returns the name."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(source: str) -> str:
        name = f"user_{uuid.uuid4().hex[:8]}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
        return name

    return written


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
