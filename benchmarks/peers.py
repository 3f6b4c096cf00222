"""Our counter beside its peers, all in one run: error, side effects, time and memory, as Markdown.

    PYTHONPATH=. python benchmarks/peers.py [--repeats N] [--only NAME …] [--peers NAME …] [--write]

Every measurement is a fork of one process that has imported everything, on one thread; peers take
turns on a model before any has its second. Linux only: memory is what the kernel says.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision_operators
from accuracy import PAGE, put, table
from peer_models import MODELS, Model
from torch import nn

Counter = Callable[[nn.Module, torch.Tensor], float]
"""From a model and its one positional argument to MACs, in the peer's own words made MACs."""

PATIENCE_S = 180
CALLBACKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)


# The peers ----------------------------------------------------------------------------------------


def _thop(model: nn.Module, argument: torch.Tensor) -> float:
    from thop import profile  # type: ignore[import-not-found,unused-ignore]

    return float(profile(model, (argument,), verbose=False)[0])


def _fvcore(model: nn.Module, argument: torch.Tensor) -> float:
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-not-found,unused-ignore]

    analysis = FlopCountAnalysis(model, argument)
    return float(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _ptflops(model: nn.Module, argument: torch.Tensor, backend: str) -> float:
    from ptflops import get_model_complexity_info  # type: ignore[import-not-found,unused-ignore]

    macs, _ = get_model_complexity_info(
        model,
        tuple(argument.shape),
        input_constructor=lambda _: argument,
        print_per_layer_stat=False,
        as_strings=False,
        backend=backend,
    )
    if macs is None:
        raise RuntimeError("returned None")
    return float(macs)


def _calflops(model: nn.Module, argument: torch.Tensor) -> float:
    from calflops import calculate_flops  # type: ignore[import-not-found,unused-ignore]

    found = calculate_flops(model, args=[argument], print_results=False, output_as_string=False)
    return float(found[1])


def _deepspeed(model: nn.Module, argument: torch.Tensor) -> float:
    from deepspeed.profiling.flops_profiler import (  # type: ignore[import-not-found,unused-ignore]
        get_model_profile,
    )

    found = get_model_profile(
        model, args=(argument,), print_profile=False, as_string=False, warm_up=0
    )
    return float(found[1])


def _torchinfo(model: nn.Module, argument: torch.Tensor) -> float:
    from torchinfo import summary  # type: ignore[import-not-found,unused-ignore]

    return float(summary(model, input_data=(argument,), verbose=0).total_mult_adds)


def _torchprofile(model: nn.Module, argument: torch.Tensor) -> float:
    from torchprofile import profile_macs  # type: ignore[import-not-found,unused-ignore]

    return float(profile_macs(model, (argument,)))


def _torch(model: nn.Module, argument: torch.Tensor) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(argument)
    return float(counter.get_total_flops() / 2)


def _ours(model: nn.Module, argument: torch.Tensor) -> float:
    import reporter

    cost = reporter.profile_model(model, argument).cost
    assert cost is not None
    return float(cost.macs)


OURS, OURS_GIVEN_WEIGHTS = "ours", "ours, given weights"

PEERS: dict[str, Counter] = {
    OURS: _ours,
    OURS_GIVEN_WEIGHTS: _ours,
    "thop": _thop,
    "fvcore": _fvcore,
    "ptflops": lambda model, argument: _ptflops(model, argument, "pytorch"),
    "ptflops, aten": lambda model, argument: _ptflops(model, argument, "aten"),
    "calflops": _calflops,
    "deepspeed": _deepspeed,
    "torchinfo": _torchinfo,
    "torchprofile": _torchprofile,
    "FlopCounterMode": _torch,
}


# One measurement ----------------------------------------------------------------------------------


def measured(peer: str, model: Model) -> dict[str, Any]:
    """In a process of its own: build, count, and look what is left behind."""
    torch.manual_seed(0)
    start = time.perf_counter()
    with torch.device("meta" if peer == OURS else "cpu"):
        module = model.make().eval()
    built_s = time.perf_counter() - start
    argument = model.argument()
    before, resident = fingerprint(module), _status("VmRSS")
    _forget_peak()
    start, macs, error = time.perf_counter(), None, None
    try:
        macs = PEERS[peer](module, argument)
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}".splitlines()[0][:80]
    return {
        "macs": macs,
        "error": error,
        "built_s": built_s,
        "seconds": time.perf_counter() - start,
        "growth_mb": max(0, _status("VmHWM") - resident) / 1024,
        "peak_mb": _status("VmHWM") / 1024,
        "left": [key for key, value in fingerprint(module).items() if value != before[key]],
    }


def fingerprint(module: nn.Module) -> dict[str, Any]:
    """What a count should leave as it found it."""
    modules = list(module.modules())
    return {
        "state_dict keys": list(module.state_dict()),
        "training mode": [each.training for each in modules],
        "hooks": [len(getattr(each, name)) for each in modules for name in CALLBACKS],
        "global hooks": len(nn.modules.module._global_forward_hooks)
        + len(nn.modules.module._global_forward_pre_hooks),
        "attributes": [sorted(vars(each)) for each in modules],
        "class": [type(each) for each in modules],
        "functions of torch": (nn.functional.linear, torch.matmul, torch.Tensor.__matmul__),
        "gradients on": torch.is_grad_enabled(),
    }


def _status(name: str) -> int:
    """KiB, of this process."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def forked(peer: str, model: Model) -> dict[str, Any]:
    """`measured` in a fork, whose word is JSON through a pipe; a dead one has none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(PATIENCE_S)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer = measured(peer, model)
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        return {"macs": None, "error": f"the process died ({status})", "left": []}
    return dict(json.loads(text))


# The table ----------------------------------------------------------------------------------------


def row(peer: str, model: Model, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    """Medians of all forks of one peer on one model."""
    first = runs[0]
    if first["macs"] is None:
        return (peer, f"crash: {first['error']}", "", "", "", "", _left(first))

    def middle(key: str) -> float:
        return float(median(run[key] for run in runs))

    return (
        peer,
        f"{first['macs'] / model.macs - 1:+.3%}",
        f"{middle('seconds'):.3f}",
        f"{middle('built_s') + middle('seconds'):.2f}",
        f"{middle('growth_mb'):+.0f}",
        f"{middle('peak_mb'):.0f}",
        _left(first),
    )


def _left(run: dict[str, Any]) -> str:
    return ", ".join(run["left"]) or "nothing"


def compared(model: Model, peers: list[str], repeats: int) -> str:
    """Every peer on one model, taking turns."""
    runs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for turn in range(repeats):
        for peer in peers:
            if turn and runs[peer][0]["macs"] is None:
                continue
            print(f"… {model.name}, {peer}, {turn + 1}", file=sys.stderr)
            runs[peer].append(forked(peer, model))
    heads = (
        "Counter", "Error", "Count, s", "With construction, s", "Growth, MB", "Peak, MB",
        "Left behind",
    )  # fmt: skip
    body = table(heads, [row(peer, model, found) for peer, found in runs.items()])
    return f"{model.macs:,} MACs; the median of {repeats}.\n\n{body}"


def main() -> None:
    """Compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="beginnings of models' names")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torchvision_operators.define_if_missing()
    _import_all()
    for model in MODELS:
        if not model.name.startswith(tuple(arguments.only or ("",))):
            continue
        text = compared(model, arguments.peers, arguments.repeats)
        print(f"### {model.name}\n\n{text}\n", flush=True)
        if arguments.write:
            PAGE.write_text(put(f"peers: {model.name}", text, PAGE.read_text()))


def _import_all() -> None:
    """Before the first fork, so that no measurement holds an import."""
    import importlib

    names = ("torchvision", "transformers", "transformers.models.bert", "thop", "fvcore.nn",
             "ptflops", "calflops", "deepspeed.profiling.flops_profiler", "torchinfo",
             "torchprofile", "torch.utils.flop_counter", "reporter.profile.live")  # fmt: skip
    for name in names:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
        except ImportError as failure:
            print(f"not here: {name} ({failure})", file=sys.stderr)
    for model in MODELS:
        with torch.device("meta"):
            model.make()


if __name__ == "__main__":
    main()
