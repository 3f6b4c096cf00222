"""The frozen records that cross between stages, and nothing else.

No I/O, no formatting, no torch objects. Sequences are tuples; a change is made with
`dataclasses.replace`. Field names carry their unit (`read_bytes`, `median_ms`), and the
records from `Snapshot` down are also the JSON that is written, field for field.

The module needs only the standard library and Python 3.10: `profile/` takes it along into
environments that are not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

Json = Any
"""A value that `json.dumps` takes: None, bool, int, float, str, list or dict of such."""

PROTOCOL = 1
"""The version of what a worker and its client say to each other; docs/architecture.md has it."""

Dimension = Union[int, Literal["batch"]]
Dtype = Literal["float32", "float16", "bfloat16", "model"]
Mode = Literal["inference", "train"]
FailOn = Literal["budget", "regression", "never"]
"""What of a finished comparison counts as a failure of the run."""


# What is declared --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One argument of the forward: a tensor of random values, or a literal.

    A tensor has a `shape`; `low` and `high` bound its integers (`low <= x < high`) or floats.
    A literal has `has_value` set and is handed over as it is, or, with a `dtype`, as a tensor
    of that dtype. `shape` and `value` exclude each other.
    """

    shape: tuple[Dimension, ...] | None = None
    dtype: str | None = None
    low: float | None = None
    high: float | None = None
    value: Json = None
    has_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The arguments of one forward: positional, by keyword, or made by the user's own callable.

    `source` is `module:attribute` of a callable of the batch size that returns a tuple or list
    (positional), a mapping (keywords), or a single value; then the other two are empty.
    """

    positional: tuple[InputSpec, ...] = ()
    keyword: Mapping[str, InputSpec] = field(default_factory=dict)
    source: str | None = None

    @property
    def scale_with_batch(self) -> bool:
        """Whether another batch size makes other inputs; without it there is no throughput."""
        specs = (*self.positional, *self.keyword.values())
        return self.source is not None or any("batch" in (spec.shape or ()) for spec in specs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How a model is measured. `device` is `auto`, `cpu`, `cuda` or `cuda:N`.

    Costs are counted and latency is timed at `latency_batch`, throughput at `throughput_batch`.
    """

    device: str = "auto"
    dtype: Dtype = "float32"
    mode: Mode = "inference"
    latency_batch: int = 1
    throughput_batch: int = 8


BudgetKind = Literal["growth", "cap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on one metric of one model.

    `growth` limits the change against base as a share (`0.05` for `+5%`; for a metric where
    more is better the limit is a loss, `-0.05` for `-5%`). `cap` limits head's value itself,
    in the metric's own unit. `text` is what the manifest says.
    """

    metric: str
    kind: BudgetKind
    limit: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One `[[model]]`, with the manifest's defaults filled in.

    `formulas` has by an operation's name the `module:attribute` of the user's own formula for it.
    """

    name: str
    target: str
    kwargs: Mapping[str, Json] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    measure: Measure = field(default_factory=Measure)
    budgets: tuple[Budget, ...] = ()
    formulas: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one tree declares. `source` is the file it was read from, relative to the tree."""

    source: str
    models: tuple[ModelSpec, ...]


# What was seen: the snapshot, schema 1 --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The program that made a snapshot."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Which tree a snapshot is of. `sha` is None outside git; `dirty`: uncommitted changes in it.

    `label` is what a reader would call it (`main`, `working tree`), `how` says in words how it
    was chosen.
    """

    sha: str | None
    dirty: bool
    label: str | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a snapshot was made; timings of two machines are not comparable."""

    system: str
    python: str
    torch: str
    cpu: str
    cpu_count: int
    threads: int
    memory_bytes: int | None
    accelerator: str | None = None
    cuda: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one forward costs at `ModelResult.batch`; definitions in docs/metrics.md.

    `uncounted` maps the name of each operation that may do arithmetic and has no formula to the
    number of its calls: what they cost is missing from the other figures.
    """

    macs: int
    madds: int
    params: int
    param_bytes: int
    trainable_params: int
    buffers: int
    buffer_bytes: int
    read_bytes: int
    write_bytes: int
    activation_peak_bytes: int
    uncounted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One module of the model, its descendants included; the root's `path` is the empty string.

    Shapes are those of the first call's tensor arguments and results, in order, with -1 for the
    ragged side of a nested tensor.
    """

    path: str
    type: str
    calls: int
    params: int
    macs: int
    madds: int
    read_bytes: int
    write_bytes: int
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one forward at `batch`, over `n` forwards.

    `ci95_ms` is the distribution-free interval of the median within this one process; what
    another process would have measured may lie outside it.
    """

    batch: int
    n: int
    median_ms: float
    p10_ms: float
    p90_ms: float
    p99_ms: float
    ci95_ms: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Samples per second at `batch`, over `n` forwards, and the bytes of inputs they carry."""

    batch: int
    n: int
    median_per_s: float
    p10_per_s: float
    p90_per_s: float
    input_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What was measured of a model, on `device` with `threads` CPU threads.

    `peak_bytes` is the most memory its tensors held during one forward at the latency batch,
    weights included: the CUDA allocator's own figure, or the CPU allocator's record.
    """

    device: str
    threads: int
    latency: Latency | None = None
    throughput: Throughput | None = None
    peak_bytes: int | None = None


Stage = Literal["target", "import", "build", "inputs", "forward", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """Why a model has no figures: the step that failed, one line, and the user's own traceback."""

    stage: Stage
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How the cost was counted: on `meta` tensors without weights, or on `real` ones.

    `reason` says why a lower rung was needed, in the words of the error that forced it.
    """

    rung: Literal["meta", "real"]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionLayer:
    """A module of which two counters say different things, without its descendants.

    `macs` and `params` are ours, `their_macs` and `their_params` the other's; `reason` says in
    words what makes the difference.
    """

    path: str
    type: str
    macs: int
    their_macs: int
    params: int
    their_params: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What another counter says of the same forward; `error` says why it could not.

    `layers` are the modules that differ, the most differing first.
    """

    tool: str
    version: str | None = None
    macs: int | None = None
    params: int | None = None
    error: str | None = None
    layers: tuple[OpinionLayer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """One model of a snapshot: what is known of it, or why nothing is.

    `cost` is None exactly when `status` is `failed`. `error` beside a status of `ok` says why
    there is no `timing` although one was asked for. `declaration` is the manifest's entry, so
    that a comparison can tell a changed question from a changed answer. `uncounted_modules` maps
    each operation of `cost.uncounted` to the paths of the modules that call it. `machine` is set
    where it is not the snapshot's.
    """

    name: str
    status: Literal["ok", "failed"]
    error: ModelError | None
    batch: int
    cost: Cost | None
    layers: tuple[Layer, ...] = ()
    timing: Timing | None = None
    counting: Counting | None = None
    declaration: Mapping[str, Json] = field(default_factory=dict)
    uncounted_modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    second_opinion: SecondOpinion | None = None
    machine: Machine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything profiled of one tree.

    `machine` is None where its models were profiled on several; each then has its own. `notes` are
    sentences that a reader of any comparison with it must see.
    """

    schema: int
    tool: Tool
    revision: Revision
    machine: Machine | None
    models: tuple[ModelResult, ...]
    notes: tuple[str, ...] = ()


# What changed -----------------------------------------------------------------------------------

Change = Literal[
    "better",
    "worse",
    "unchanged",
    "within noise",
    "not comparable",
    "new",
    "removed",
    "not measured",
]
"""Of one metric."""

ModelState = Literal["compared", "new", "removed", "failed", "base failed", "single"]
"""Of one model: on both sides; on one; without figures at head; without figures at base;
or profiled without a base to hold it against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDelta:
    """One metric of one model (or layer) on both sides, in the metric's own unit.

    `change` compares; `share` is `head / base - 1`, None where base is 0 or a side is missing.
    """

    metric: str
    base: float | None
    head: float | None
    change: Change
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDelta:
    """One module that differs between base and head; `depth` is its distance from the root."""

    path: str
    type: str
    state: Literal["changed", "added", "removed"]
    metrics: tuple[MetricDelta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetVerdict:
    """One budget held against what was seen. `unknown`: there was nothing to hold it against."""

    model: str
    budget: Budget
    state: Literal["kept", "broken", "unknown"]
    base: float | None
    head: float | None
    share: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDelta:
    """One model on both sides.

    `declared_differently` names what of the declaration changed that the figures answer to, and
    is empty where both sides were asked the same question.
    """

    name: str
    state: ModelState
    metrics: tuple[MetricDelta, ...]
    layers: tuple[LayerDelta, ...]
    budgets: tuple[BudgetVerdict, ...]
    base: ModelResult | None
    head: ModelResult | None
    declaration_changes: tuple[str, ...] = ()
    declared_differently: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison, without its models."""

    tool: Tool
    revision: Revision
    machine: Machine | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the change does to every model. `base` is None where there was nothing to compare with.

    `notes` are sentences the reader must see: how base was got, why it is missing.
    """

    schema: int
    head: Side
    base: Side | None
    models: tuple[ModelDelta, ...]
    notes: tuple[str, ...] = ()
