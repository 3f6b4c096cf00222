"""The short texts that are no report: what `validate`, `doctor` and `init` say, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ReportError
from ..metrics import BY_NAME
from ..records import Inputs, Machine, Manifest, ModelResult, ModelSpec, Revision
from .details import called_in
from .quantities import quantity
from .untrusted import clean_line, without_commands

TITLE = "Model performance report"
HOW_TO_BEGIN = (
    "`modelperf-report init` writes a first modelperf.toml; for one model without a manifest: "
    "modelperf-report profile module:attribute --input 1x3x224x224"
)
NO_PROJECT_AT_BASE = "The base does not have this project yet, so every model is new."
NO_MANIFEST_AT_BASE = "The base has no manifest; the one of this change was used for it too."


def unreadable_base_manifest(error: ReportError) -> str:
    """The note that the base's manifest was left aside, and why."""
    why = " ".join(error.message.split())
    return f"The base's manifest cannot be read ({why}); the one of this change was used for it."


def empty_shard(index: int, number: int, models: int) -> str:
    """The note that a shard has nothing to do."""
    return f"Shard {index}/{number} has none of the {models} models."


def no_manifest(project: Path) -> str:
    """That there is nothing to measure."""
    return f"no modelperf.toml and no [tool.modelperf] in a pyproject.toml in {project.resolve()}"


def written_manifest(path: Path) -> str:
    """What to do with the manifest that `init` wrote."""
    return (
        f"Wrote {path}. Check the shapes in it, then run: modelperf-report validate, "
        "and: modelperf-report report\n"
    )


def manifest(declared: Manifest) -> str:
    """Every model of a manifest on a line: its name, target and inputs."""
    lines = [manifest_line(declared), *map(_model_line, declared.models)]
    return without_commands("\n".join(lines) + "\n")


def manifest_line(declared: Manifest) -> str:
    """How many models a manifest declares."""
    number = len(declared.models)
    return f"{declared.source}: {number} model{'' if number == 1 else 's'}"


def _model_line(spec: ModelSpec) -> str:
    budgets = ", ".join(
        f"{BY_NAME[budget.metric].budget_key} {budget.text}" for budget in spec.budgets
    )
    limits = f"; budgets {budgets}" if budgets else ""
    return f"  {spec.name}: {spec.target}({_inputs(spec.inputs)}){limits}"


def _inputs(inputs: Inputs) -> str:
    if inputs.source is not None:
        return f"inputs from {inputs.source}"
    positional = [_shape(spec.shape) for spec in inputs.positional]
    keyword = [f"{name}={_shape(spec.shape)}" for name, spec in inputs.keyword.items()]
    return ", ".join([*positional, *keyword])


def _shape(shape: Sequence[int | str] | None) -> str:
    return "a value" if shape is None else "x".join(map(str, shape)) or "a scalar"


def base_line(revision: Revision) -> str:
    """Which commit the base is, and how it was chosen."""
    return f"{revision.sha} ({revision.how})"


def machine_line(machine: Machine) -> str:
    """What a worker sees of the machine."""
    memory = "unknown" if machine.memory_bytes is None else quantity(machine.memory_bytes, "bytes")
    accelerator = machine.accelerator or "no CUDA device"
    return (
        f"starts; Python {machine.python}, torch {machine.torch}, {machine.cpu} "
        f"({machine.cpu_count} CPUs, {memory}), {accelerator}"
    )


def uncounted(results: Iterable[ModelResult]) -> str:
    """Every operation without a formula, a line each: what `--strict` fails for."""
    return "".join(
        f"modelperf-report: {clean_line(result.name)}: no formula for "
        f"{called_in(result, operation, calls).plain}\n"
        for result in results
        if result.cost is not None
        for operation, calls in result.cost.uncounted.items()
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing `doctor` looked at, and what to do where it is not well."""

    subject: str
    said: str
    is_well: bool
    hint: str | None = None


def findings(found: Sequence[Finding]) -> str:
    """What `doctor` found, a paragraph each."""
    return without_commands("".join(map(_finding, found)))


def _finding(found: Finding) -> str:
    hint = f"\n         {found.hint}" if found.hint else ""
    return f"{'ok' if found.is_well else 'FAILS':<6} {found.subject}: {found.said}{hint}\n"


def published(action: str, url: str) -> str:
    """What became of the comment."""
    return f"Comment {action}: {url}\n"


def calls(made: Iterable[tuple[str, str]]) -> str:
    """The calls of a dry run, a line each."""
    return "".join(f"{method} {path}\n" for method, path in made)
