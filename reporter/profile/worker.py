"""Answers requests, one JSON line each, on a private pair of descriptors (protocol 1).

The protocol is in docs/architecture.md. What the user's code prints goes elsewhere, to the
worker's own stdout and stderr, and can never be taken for an answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from ..records import PROTOCOL, Budget, Inputs, InputSpec, Measure, ModelSpec
from .failures import ProfileFailure, failing_in

if TYPE_CHECKING:
    from .ladder import CountedModel
    from .timing import Prepared

Parameters = Mapping[str, Any]


def serve(request_fd: int, answer_fd: int) -> None:
    """Say hello, then answer each request until the request pipe ends."""
    _die_with_parent()
    for descriptor in (request_fd, answer_fd):
        os.set_inheritable(descriptor, False)
    with (
        open(request_fd, encoding="utf-8") as requests,
        open(answer_fd, "w", encoding="utf-8") as answers,
    ):
        hello = {"protocol": PROTOCOL, "pid": os.getpid(), "python": platform.python_version()}
        _send(answers, hello)
        worker = Worker()
        for line in requests:
            request = json.loads(line)
            _send(answers, {"id": request["id"], **worker.answer(request["do"], request["with"])})


def _send(answers: TextIO, message: Mapping[str, Any]) -> None:
    answers.write(json.dumps(message, allow_nan=False) + "\n")
    answers.flush()


def _die_with_parent() -> None:
    """Ask the kernel to kill us when our parent dies, so that no model outlives its report."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Worker:
    """One process's answers. Holds at most one prepared model, and the last count."""

    def __init__(self) -> None:
        self._prepared: Prepared | None = None
        self._counted: tuple[ModelSpec, CountedModel] | None = None

    def answer(self, name: str, parameters: Parameters) -> dict[str, Any]:
        """`{"ok": …}`, or `{"failed": …}` with the fields of `records.ModelError`."""
        handlers: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "machine": self._machine,
            "count": self._count,
            "prepare": self._prepare,
            "block": self._block,
            "latency": self._latency,
            "throughput": self._throughput,
            "peak": self._peak,
            "release": self._release,
            "origins": self._origins,
            "second_opinion": self._second_opinion,
        }
        try:
            with failing_in("worker"):
                return {"ok": handlers[name](parameters)}
        except ProfileFailure as failure:
            return {"failed": asdict(failure.error)}

    def _machine(self, _: Parameters) -> dict[str, Any]:
        from .machine import describe_machine

        return asdict(describe_machine())

    def _count(self, parameters: Parameters) -> dict[str, Any]:
        from .ladder import count_model

        spec = model_spec(parameters["model"])
        self._counted = None
        counted = count_model(spec)
        self._counted = (spec, counted)
        return counted.as_json()

    def _second_opinion(self, parameters: Parameters) -> dict[str, Any]:
        from .ladder import count_model
        from .thop_check import second_opinion

        spec = model_spec(parameters["model"])
        known, counted = self._counted or (None, None)
        if counted is None or known != spec:
            counted = count_model(spec)
        opinion = second_opinion(spec, counted)
        return {"opinion": None if opinion is None else asdict(opinion)}

    def _prepare(self, parameters: Parameters) -> dict[str, Any]:
        from .timing import prepare

        self._prepared = None
        self._prepared = prepare(model_spec(parameters["model"]), parameters["batch"])
        return {"device": str(self._prepared.device), "threads": self._prepared.threads}

    def _block(self, parameters: Parameters) -> dict[str, Any]:
        n, seconds = self._ready().run_block(parameters["seconds"], parameters["at_least"])
        return {"n": n, "seconds": seconds}

    def _latency(self, _: Parameters) -> dict[str, Any]:
        return asdict(self._ready().latency())

    def _throughput(self, _: Parameters) -> dict[str, Any]:
        return asdict(self._ready().throughput())

    def _peak(self, _: Parameters) -> dict[str, Any]:
        from .peak import peak_bytes

        return {"peak_bytes": peak_bytes(self._ready())}

    def _origins(self, _: Parameters) -> dict[str, Any]:
        return {"files": imported_files()}

    def _release(self, _: Parameters) -> dict[str, Any]:
        self._prepared = None
        return {}

    def _ready(self) -> Prepared:
        if self._prepared is None:
            raise RuntimeError("no model is prepared")
        return self._prepared


def imported_files() -> dict[str, str]:
    """Where each module imported so far comes from, without ours and what is installed."""
    installed = {
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    files = {
        name: os.path.realpath(file)
        for name, module in list(sys.modules.items())
        if isinstance(file := getattr(module, "__file__", None), str)
        and not name.startswith(__package__.partition(".")[0])
    }
    return {
        name: file
        for name, file in files.items()
        if not any(file.startswith(f"{os.path.realpath(folder)}{os.sep}") for folder in installed)
    }


def model_spec(fields: Mapping[str, Any]) -> ModelSpec:
    """A ModelSpec from what `dataclasses.asdict` made of one."""
    inputs = fields["inputs"]
    return ModelSpec(
        name=fields["name"],
        target=fields["target"],
        kwargs=fields["kwargs"],
        inputs=Inputs(
            positional=tuple(_input_spec(each) for each in inputs["positional"]),
            keyword={name: _input_spec(each) for name, each in inputs["keyword"].items()},
            source=inputs["source"],
        ),
        measure=Measure(**fields["measure"]),
        budgets=tuple(Budget(**each) for each in fields["budgets"]),
        formulas=fields["formulas"],
    )


def _input_spec(fields: Mapping[str, Any]) -> InputSpec:
    shape = fields["shape"]
    return InputSpec(**{**fields, "shape": None if shape is None else tuple(shape)})
