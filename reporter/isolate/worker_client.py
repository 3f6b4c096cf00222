"""Talks to a worker: typed requests, and nothing believed of what comes back (protocol 1)."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar, cast

from ..errors import WorkerError
from ..records import (
    PROTOCOL,
    Cost,
    Counting,
    Latency,
    Layer,
    Machine,
    ModelError,
    ModelSpec,
    SecondOpinion,
    Throughput,
)

ANSWER_LIMIT_BYTES = 64 << 20
DEADLINE_S = 600.0
_MESSAGE_LIMIT = 1_000
_TRACEBACK_LIMIT = 20_000
_LOG_LIMIT = 4_000

T = TypeVar("T")


class Transport(Protocol):
    """A way to and from one worker. Deadlines are moments of `time.monotonic`."""

    def send(self, line: bytes, deadline: float) -> None:
        """Write one line; WorkerError where nobody is there, TimeoutError at the deadline."""

    def receive(self, deadline: float, limit_bytes: int) -> bytes:
        """Read one line; WorkerError where nobody is there, TimeoutError at the deadline."""

    def log_length(self) -> int:
        """How many bytes the worker has printed so far."""

    def log(self, since: int = 0) -> str:
        """What the worker has printed from byte `since` on."""

    def close(self, grace_s: float = ...) -> None:
        """End the worker and whatever it started; a second call does nothing."""


class ModelFailed(Exception):
    """The worker is well and the model is not; `error` is what its row says."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a worker says of itself at the start."""

    protocol: int
    pid: int
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The exact cost of one forward at `batch`, and how it was counted."""

    batch: int
    cost: Cost
    layers: tuple[Layer, ...]
    counting: Counting
    uncounted_modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedModel:
    """Where a model is now ready to be timed."""

    device: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`n` forwards one after the other took `seconds`."""

    n: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peak:
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origins:
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opinion:
    opinion: SecondOpinion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nothing:
    pass


class WorkerClient:
    """One worker's answers as records.

    Each request raises ModelFailed when the model's own code failed, and WorkerError, after which
    the worker is of no more use, when it died, took longer than `deadline_s`, or answered what
    the protocol does not know.
    """

    def __init__(self, transport: Transport, *, deadline_s: float = DEADLINE_S) -> None:
        self._transport = transport
        self._deadline_s = deadline_s
        self._requests = 0
        self._log_start = 0

    def hello(self) -> Hello:
        """The worker's first line; to be read once, before the first request."""
        hello = _checked(Hello, self._receive("start", self._deadline()))
        if hello.protocol != PROTOCOL:
            _nonsense(f"protocol {hello.protocol} in place of {PROTOCOL}")
        return hello

    def machine(self) -> Machine:
        """What the worker runs on."""
        return self._ask(Machine, "machine")

    def count(self, model: ModelSpec) -> Counted:
        """The exact cost of the model."""
        return self._ask(Counted, "count", model=asdict(model))

    def second_opinion(self, model: ModelSpec) -> SecondOpinion | None:
        """What another counter says of the model; None where there is none in its environment."""
        return self._ask(_Opinion, "second_opinion", model=asdict(model)).opinion

    def imported_files(self) -> Mapping[str, str]:
        """Where each module that the worker has imported comes from, installed ones left out."""
        return self._ask(_Origins, "origins").files

    def prepare(self, model: ModelSpec, batch: int) -> PreparedModel:
        """Build and warm up the model with its inputs at `batch`; the one before is dropped."""
        return self._ask(PreparedModel, "prepare", model=asdict(model), batch=batch)

    def block(self, seconds: float, at_least: int) -> Block:
        """Run the prepared model for about `seconds`, at least `at_least` times."""
        block = self._ask(Block, "block", seconds=seconds, at_least=at_least)
        if block.n < at_least or block.seconds < 0:
            _nonsense(f"{block.n} forwards in {block.seconds:g} s")
        return block

    def latency(self) -> Latency:
        """Of all blocks of the prepared model."""
        return self._ask(Latency, "latency")

    def throughput(self) -> Throughput:
        """Of all blocks of the prepared model."""
        return self._ask(Throughput, "throughput")

    def peak(self) -> int | None:
        """The bytes that one forward of the prepared model holds at most; None: not known."""
        return self._ask(_Peak, "peak").peak_bytes

    def release(self) -> None:
        """Drop the prepared model."""
        self._ask(_Nothing, "release")

    def last_printed(self) -> str:
        """The end of what the worker and the model have printed since the last request."""
        return self._transport.log(self._log_start)[-_LOG_LIMIT:].strip()

    def close(self, grace_s: float = 1.0) -> None:
        """End the worker."""
        self._transport.close(grace_s)

    def _ask(self, kind: type[T], name: str, **parameters: Any) -> T:
        self._requests += 1
        self._log_start = self._transport.log_length()
        request = {"id": self._requests, "do": name, "with": parameters}
        deadline = self._deadline()
        try:
            self._transport.send(json.dumps(request).encode() + b"\n", deadline)
        except TimeoutError:
            self._too_late(name)
        answer = self._receive(name, deadline)
        if answer.pop("id", None) != self._requests:
            _nonsense(f"an answer to another request than {name}")
        return _outcome(kind, answer)

    def _receive(self, name: str, deadline: float) -> dict[str, Any]:
        try:
            line = self._transport.receive(deadline, ANSWER_LIMIT_BYTES)
        except TimeoutError:
            self._too_late(name)
        return _parsed(line)

    def _deadline(self) -> float:
        return time.monotonic() + self._deadline_s

    def _too_late(self, name: str) -> NoReturn:
        raise WorkerError(
            f"the worker did not answer within {self._deadline_s:g} s ({name})"
        ) from None


def _outcome(kind: type[T], answer: Mapping[str, Any]) -> T:
    if answer.keys() == {"ok"}:
        return _checked(kind, answer["ok"])
    if answer.keys() == {"failed"}:
        raise ModelFailed(_cut(_checked(ModelError, answer["failed"])))
    return _nonsense(f"an answer of {sorted(answer)}")


def _cut(error: ModelError) -> ModelError:
    return ModelError(
        stage=error.stage,
        message=error.message[:_MESSAGE_LIMIT],
        traceback=error.traceback[-_TRACEBACK_LIMIT:],
    )


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        _nonsense(f"no JSON: {line[:80]!r}")
    if not isinstance(parsed, dict):
        _nonsense(f"a JSON {type(parsed).__name__}: {line[:80]!r}")
    return parsed


def _checked(kind: type[T], given: Any) -> T:
    """`given` as a record, every field of its own type; only finite numbers.

    It goes through text once more: there a list passes for a tuple and nothing else bends.
    """
    try:
        text = json.dumps(given, allow_nan=False, ensure_ascii=False)
        data = text.encode("utf-8", errors="replace")
        return cast(T, _adapter(cast(Any, kind)).validate_json(data, strict=True))
    except (ValueError, RecursionError) as error:
        _nonsense(f"no {kind.__name__.strip('_')}: {_first_complaint(error)}")


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _first_complaint(error: Exception) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _nonsense(what: str) -> NoReturn:
    raise WorkerError(f"the worker broke the protocol: it sent {what}")
