"""From a tree to its manifest, and from the manifest's text to the models it declares."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ..errors import ManifestError
from ..metrics import METRICS
from ..records import Budget, Inputs, InputSpec, Json, Manifest, Measure, ModelSpec
from .inputs import input_spec

if TYPE_CHECKING:
    from .tables import ManifestTable, ModelTable

MANIFEST_NAME = "modelperf.toml"
PYPROJECT_NAME = "pyproject.toml"
_TOOL_PREFIX = "tool.modelperf."

_TOML_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def find_manifest(tree: Path) -> Path | None:
    """The file that declares the models of a tree, None where there is none.

    `modelperf.toml` goes before the `[tool.modelperf]` of a `pyproject.toml`.

    Raises:
        ManifestError: there is something else of that name, or the `pyproject.toml` that might
            hold it is not TOML.
    """
    own, shared = tree / MANIFEST_NAME, tree / PYPROJECT_NAME
    if own.is_file():
        return own
    if own.is_symlink() or own.exists():
        raise ManifestError(f"{own} is there, but it is no file that could be read")
    if shared.is_file() and _tool_table(_parsed(_text_of(shared), PYPROJECT_NAME)) is not None:
        return shared
    return None


def load_manifest(path: Path, tree: Path) -> Manifest:
    """The manifest in a file of `tree`, by whose path below it errors name it.

    Raises:
        ManifestError: it cannot be read, or is no manifest.
    """
    source = path.relative_to(tree) if path.is_relative_to(tree) else path
    return read_manifest(_text_of(path), source.as_posix())


def read_manifest(text: str, source: str) -> Manifest:
    """The models that a manifest declares, with the defaults filled in.

    Args:
        text: the whole file.
        source: its path as errors shall name it; of a `pyproject.toml` only `[tool.modelperf]`
            is read.

    Raises:
        ManifestError: the text is not TOML, or not a manifest; the message has every problem.
    """
    is_pyproject = PurePath(source).name == PYPROJECT_NAME
    document: Json = _parsed(text, source)
    if is_pyproject:
        document = _tool_table(document)
    if not isinstance(document, dict):
        found = "no [tool.modelperf] table" if document is None else "[tool.modelperf] is no table"
        raise ManifestError(
            f"{source}: {found}", hint="Run `modelperf-report init` for a first one."
        )
    # pydantic takes a tenth of a second to import, which only a manifest is worth.
    from .problems import validated

    table = validated(document, source, _TOOL_PREFIX if is_pyproject else "")
    return Manifest(source=source, models=tuple(_spec(model, table) for model in table.model))


def declaration_of(spec: ModelSpec) -> dict[str, Json]:
    """The question that a model's figures answer, as plain JSON.

    Name and budgets are not in it: they change nothing about the figures. Two equal declarations
    are equal as JSON text too.
    """
    return {
        "target": spec.target,
        "kwargs": _sorted(dict(spec.kwargs)),
        "inputs": _inputs_declaration(spec.inputs),
        "measure": asdict(spec.measure),
        **({"ops": _sorted(dict(spec.formulas))} if spec.formulas else {}),
    }


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path.name}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from None


def _parsed(text: str, source: str) -> dict[str, Json]:
    text = text.removeprefix("\ufeff")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    except RecursionError:
        raise ManifestError(f"{source}: nested too deeply") from None
    position = _TOML_POSITION.search(reason)
    line, column = position.groups() if position else (None, None)
    if line is None:
        lines = text.split("\n")
        line, column = str(len(lines)), str(len(lines[-1]) + 1)
    what = _TOML_POSITION.sub("", reason)
    raise ManifestError(f"{source}: line {line}, column {column}: not TOML: {what}")


def _tool_table(document: Mapping[str, Json]) -> Json:
    tool = document.get("tool")
    return tool.get("modelperf") if isinstance(tool, dict) else None


def _spec(model: ModelTable, manifest: ManifestTable) -> ModelSpec:
    overrides = {
        key: value for key, value in model.stated().items() if key in Measure.__dataclass_fields__
    }
    measure = replace(Measure(), **manifest.measure.stated() | overrides | model.measure.stated())
    return ModelSpec(
        name=model.name,
        target=model.target,
        kwargs=model.kwargs,
        inputs=_inputs(model.inputs),
        measure=measure,
        budgets=_budgets(manifest.budget.stated() | model.budget.stated()),
        formulas=manifest.ops,
    )


def _budgets(stated: Mapping[str, Budget]) -> tuple[Budget, ...]:
    return tuple(stated[metric.budget_key] for metric in METRICS if metric.budget_key in stated)


def _inputs(declared: Any) -> Inputs:
    match declared:
        case str():
            return Inputs(source=declared)
        case dict():
            entries = {name: input_spec(entry.stated()) for name, entry in declared.items()}
            return Inputs(keyword=entries)
    return Inputs(positional=tuple(input_spec(entry.stated()) for entry in declared))


def _inputs_declaration(inputs: Inputs) -> Json:
    if inputs.source is not None:
        return inputs.source
    if inputs.keyword:
        return {name: _entry(inputs.keyword[name]) for name in sorted(inputs.keyword)}
    return [_entry(spec) for spec in inputs.positional]


def _entry(spec: InputSpec) -> dict[str, Json]:
    """An input as the manifest would write it, with only the keys that say something."""
    stated: dict[str, Json] = {}
    if spec.shape is not None:
        stated["shape"] = list(spec.shape)
    if spec.has_value:
        stated["value"] = _sorted(spec.value)
    optional = {"dtype": spec.dtype, "low": spec.low, "high": spec.high}
    return stated | {key: value for key, value in optional.items() if value is not None}


def _sorted(value: Json) -> Json:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
    return value
