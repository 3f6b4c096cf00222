"""What each command was asked to do: frozen, checked once at the door (`arguments.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Union

from ..records import Dtype, FailOn, Inputs, Json, Mode

OUTPUT_FOLDER = "modelperf-report"
COLUMNS = ("input", "output", "params", "flops", "share", "madd", "read", "write")
"""What the layer tree can show of each layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line says in place of every model's `[measure]`; None leaves it."""

    device: str | None = None
    dtype: Dtype | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """`report`, and `profile` without a target: the models of a manifest.

    `seconds` is measured per model, side and timed metric; `timeout_s` bounds each answer of a
    worker. `shard` is (index from 1, number). `layer_trees` prints every model's layers.
    """

    project: Path
    output_folder: Path
    base: str | None = None
    fail_on: FailOn = "budget"
    static: bool = False
    quiet: bool = False
    seconds: float = 1.0
    timeout_s: float = 600.0
    only: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None
    strict: bool = False
    overrides: Overrides = Overrides()
    layer_trees: bool = False
    depth: int | None = 2
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """`profile TARGET`: one model, named on the line, without a manifest."""

    project: Path
    target: str
    inputs: Inputs
    kwargs: dict[str, Json]
    output_folder: Path | None = None
    static: bool = False
    quiet: bool = False
    seconds: float = 1.0
    timeout_s: float = 600.0
    strict: bool = False
    overrides: Overrides = Overrides()
    depth: int | None = 2
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """`compare BASE.json HEAD.json`; budgets come from `manifest` where one is given."""

    base: Path
    head: Path
    output_folder: Path
    manifest: Path | None = None
    fail_on: FailOn = "budget"
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """`render FILE.json`: to standard output, or into `output`."""

    source: Path
    format: Literal["markdown", "html"] = "markdown"
    template: Path | None = None
    output: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """`publish`: a finished comparison to a pull request; the token comes from the environment."""

    comparison: Path
    repository: str | None = None
    pull_request: int | None = None
    comment_id: str = "default"
    template: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeSettings:
    """`merge SHARD.json …` into `output`."""

    shards: tuple[Path, ...]
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class InitSettings:
    """`init`: write a first manifest into the project."""

    project: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateSettings:
    """`validate`: read the project's manifest and say what it declares."""

    project: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSettings:
    """`doctor`: explain the environment, the manifest and the choice of base."""

    project: Path
    base: str | None = None


Settings = Union[
    ReportSettings,
    ProfileSettings,
    CompareSettings,
    RenderSettings,
    PublishSettings,
    MergeSettings,
    InitSettings,
    ValidateSettings,
    DoctorSettings,
]
