"""One run over one or two trees: every model counted, then timed side by side.

A live worker per tree. While one measures the other is idle, and blocks of forwards alternate
between them, so that base and head see the same minutes of the machine.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from ..errors import WorkerError
from ..records import (
    Json,
    Latency,
    Machine,
    ModelError,
    ModelResult,
    ModelSpec,
    SecondOpinion,
    Throughput,
    Timing,
)
from .subprocess_worker import SubprocessWorker
from .termination import unwinding_when_terminated
from .worker_client import (
    DEADLINE_S,
    Counted,
    ModelFailed,
    PreparedModel,
    WorkerClient,
)

T = TypeVar("T")

_MOST_ROUNDS = 100
"""Where a worker reports blocks of no length, measuring ends all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder and the models it declares.

    `declarations` has by a model's name what its result shows as its declaration. `apart_from` is
    a folder from which no module may be imported here: of a base, the head's.
    """

    folder: Path
    models: tuple[ModelSpec, ...]
    declarations: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    apart_from: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPlan:
    """How long one side of one model is timed, for latency and for throughput each.

    At least `forwards` forwards, and then until `seconds` are measured, in blocks of a
    `blocks`-th of that time or of one forward, whichever takes longer.
    """

    seconds: float = 1.0
    blocks: int = 5
    forwards: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """What was seen of one tree, in its models' order. No machine where no worker could tell."""

    models: tuple[ModelResult, ...]
    machine: Machine | None


StartWorker = Callable[[Path], WorkerClient]


def start_worker(
    folder: Path, *, python: str = sys.executable, deadline_s: float = DEADLINE_S
) -> WorkerClient:
    """A worker process for `folder`, with `deadline_s` for each of its answers.

    Raises:
        WorkerError: `python` cannot be started there.
    """
    return WorkerClient(SubprocessWorker(folder, python=python), deadline_s=deadline_s)


def machine_of(folder: Path) -> Machine:
    """What a worker started for `folder` says of the machine.

    Raises:
        WorkerError: it does not start, or does not answer.
    """
    worker = start_worker(folder)
    try:
        worker.hello()
        return worker.machine()
    except ModelFailed as failed:
        raise WorkerError(failed.error.message) from None
    finally:
        worker.close()


def model_names(head: Tree, base: Tree | None = None) -> tuple[str, ...]:
    """Every model that `profile_trees` goes through, in its order: head's, then base's own."""
    trees = [head] if base is None else [head, base]
    return tuple(dict.fromkeys(model.name for tree in trees for model in tree.models))


def profile_trees(
    head: Tree,
    base: Tree | None = None,
    *,
    timing: TimingPlan | None,
    progress: Callable[[str], None] = lambda name: None,
    start: StartWorker = start_worker,
) -> tuple[Profiled, Profiled | None]:
    """Profile the models of both trees, each tree in a process of its own.

    A model that fails, or takes its worker with it, becomes a row that says so, and the next one
    gets a fresh worker. All workers are gone when this returns or raises.

    Args:
        head: The tree that is looked at.
        base: What it is held against, if there is anything.
        timing: None for the exact costs alone.
        progress: Called with a model's name before its turn, once for each of `model_names`.
        start: Starts a worker for a folder.
    """
    order = random.Random()
    trees = [head] if base is None else [head, base]
    with unwinding_when_terminated(), ExitStack() as ends:
        sides = [ends.enter_context(_side(tree, start)) for tree in trees]
        for name in model_names(head, base):
            progress(name)
            _profile_model(name, [side for side in sides if name in side.specs], timing, order)
            if name in sides[0].specs:
                sides[0].ask_second_opinion(name)
        profiled = [side.profiled() for side in sides]
    return profiled[0], profiled[1] if base is not None else None


def _profile_model(
    name: str, sides: list[_Side], timing: TimingPlan | None, order: random.Random
) -> None:
    for side in sides:
        side.count(name)
    if timing is None:
        return
    lanes = [_Lane(side, side.specs[name]) for side in sides if side.results[name].cost]
    _time_latency(lanes, timing, order)
    _time_throughput(lanes, timing, order)
    for lane in lanes:
        lane.side.release()
        lane.side.results[name] = lane.result()


def _time_latency(lanes: list[_Lane], plan: TimingPlan, order: random.Random) -> None:
    for lane in lanes:
        lane.prepare(lane.spec.measure.latency_batch)
    _run_blocks(lanes, plan, order)
    for lane in lanes:
        lane.latency = lane.ask(WorkerClient.latency)
        lane.peak_bytes = lane.ask(WorkerClient.peak)


def _time_throughput(lanes: list[_Lane], plan: TimingPlan, order: random.Random) -> None:
    """Only where the inputs grow with the batch: of any other model it would be a fiction."""
    lanes = [lane for lane in lanes if lane.spec.inputs.scale_with_batch]
    for lane in lanes:
        lane.prepare(lane.spec.measure.throughput_batch)
    _run_blocks(lanes, plan, order)
    for lane in lanes:
        lane.throughput = lane.ask(WorkerClient.throughput)


def _run_blocks(lanes: list[_Lane], plan: TimingPlan, order: random.Random) -> None:
    """Blocks in turn until every lane has its share; a lane that fails leaves the others to it."""
    for turn in islice(_turns(lanes, order), _MOST_ROUNDS):
        for lane in turn:
            lane.run_block(plan.seconds / plan.blocks)
        if all(lane.has_enough(plan) for lane in lanes):
            return


def _turns(lanes: list[T], order: random.Random) -> Iterator[list[T]]:
    """The lanes in their order and in reverse, each as often, which of the two first being drawn.

    So no side has the advantage of its place, nor a period that other work could share.
    """
    while True:
        pair = [lanes, lanes[::-1]]
        order.shuffle(pair)
        yield from pair


class _Side:
    """One tree, its worker as long as it lives, and its models' results so far."""

    def __init__(self, tree: Tree, start: StartWorker) -> None:
        self.specs = {spec.name: spec for spec in tree.models}
        self.results: dict[str, ModelResult] = {}
        self._tree = tree
        self._start = start
        self._client: WorkerClient | None = None
        self._machine: Machine | None = None

    def count(self, name: str) -> None:
        """Set the model's result to its cost, or to why there is none."""
        spec = self.specs[name]
        found = self.ask(lambda worker: worker.count(spec))
        if not isinstance(found, ModelError):
            found = self._import_from_elsewhere() or found
        declaration = self._tree.declarations.get(name, {})
        self.results[name] = _result(spec, found, declaration)

    def ask(self, request: Callable[[WorkerClient], T]) -> T | ModelError:
        """A worker's answer, from a fresh worker where there is none; or what the row says."""
        try:
            return request(self._worker())
        except ModelFailed as failed:
            return failed.error
        except WorkerError as error:
            printed = self._last_printed()
            self.end_worker(grace_s=0.0)
            return ModelError(stage="worker", message=error.message, traceback=printed)

    def _import_from_elsewhere(self) -> ModelError | None:
        """Why this tree's figures would be another's: an installation points into that one."""
        elsewhere = self._tree.apart_from
        files = self.ask(WorkerClient.imported_files) if elsewhere is not None else {}
        if isinstance(files, ModelError) or elsewhere is None:
            return files if isinstance(files, ModelError) else None
        stray = next((each for each in files.items() if _is_below(each[1], elsewhere)), None)
        if stray is None:
            return None
        module, file = stray
        return ModelError(
            stage="import",
            message=f"module {module!r} came from the working tree ({file}), not from this one: "
            "it is installed in place (pip install -e), in a layout other than src/ or flat",
        )

    def ask_second_opinion(self, name: str) -> None:
        """Add to a counted model's result what another counter says; it never costs the row."""
        result = self.results[name]
        if result.cost is None:
            return
        found = self.ask(lambda worker: worker.second_opinion(self.specs[name]))
        if isinstance(found, ModelError):
            found = SecondOpinion(tool="thop", error=f"thop could not: {found.message}")
        self.results[name] = replace(result, second_opinion=found)

    def release(self) -> None:
        """Drop the prepared model, where there still is a worker that has it."""
        if self._client is not None:
            self.ask(WorkerClient.release)

    def end_worker(self, grace_s: float = 1.0) -> None:
        """End the worker, if there is one."""
        if self._client is not None:
            self._client.close(grace_s)
            self._client = None

    def profiled(self) -> Profiled:
        """Everything seen."""
        return Profiled(
            models=tuple(self.results[name] for name in self.specs), machine=self._machine
        )

    def _last_printed(self) -> str:
        printed = self._client.last_printed() if self._client is not None else ""
        return f"The worker's last output:\n{printed}" if printed else ""

    def _worker(self) -> WorkerClient:
        if self._client is None:
            self._client = self._start(self._tree.folder)
            self._client.hello()
            if self._machine is None:
                self._machine = self._client.machine()
        return self._client


@dataclass(slots=True)
class _Lane:
    """One model being timed on one side. Its first error ends it; the other lane goes on."""

    side: _Side
    spec: ModelSpec
    error: ModelError | None = None
    prepared: PreparedModel | None = None
    forwards: int = 0
    seconds: float = 0.0
    latency: Latency | None = None
    throughput: Throughput | None = None
    peak_bytes: int | None = None

    def ask(self, request: Callable[[WorkerClient], T]) -> T | None:
        """The worker's answer; None once something has failed."""
        if self.error is not None:
            return None
        answer = self.side.ask(request)
        if isinstance(answer, ModelError):
            self.error = answer
            return None
        return answer

    def prepare(self, batch: int) -> None:
        self.forwards, self.seconds = 0, 0.0
        self.prepared = self.ask(lambda worker: worker.prepare(self.spec, batch))

    def run_block(self, seconds: float) -> None:
        block = self.ask(lambda worker: worker.block(seconds, 1))
        if block is not None:
            self.forwards += block.n
            self.seconds += block.seconds

    def has_enough(self, plan: TimingPlan) -> bool:
        measured = self.forwards >= plan.forwards and self.seconds >= plan.seconds
        return measured or self.error is not None

    def result(self) -> ModelResult:
        """The counted result with what timing added to it."""
        counted = self.side.results[self.spec.name]
        if self.error is not None or self.prepared is None:
            return replace(counted, error=self.error)
        timing = Timing(
            device=self.prepared.device,
            threads=self.prepared.threads,
            latency=self.latency,
            throughput=self.throughput,
            peak_bytes=self.peak_bytes,
        )
        return replace(counted, timing=timing)


def _is_below(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder.resolve())


@contextmanager
def _side(tree: Tree, start: StartWorker) -> Iterator[_Side]:
    side = _Side(tree, start)
    try:
        yield side
    except BaseException:
        side.end_worker(grace_s=0.0)
        raise
    side.end_worker()


def _result(
    spec: ModelSpec, found: Counted | ModelError, declaration: Mapping[str, Json]
) -> ModelResult:
    unknown = partial(ModelResult, name=spec.name, declaration=declaration)
    if isinstance(found, ModelError):
        return unknown(status="failed", error=found, batch=spec.measure.latency_batch, cost=None)
    return unknown(
        status="ok",
        error=None,
        batch=found.batch,
        cost=found.cost,
        layers=found.layers,
        counting=found.counting,
        uncounted_modules=found.uncounted_modules,
    )
