"""What is wrong with a manifest, in its author's terms: table, key, expected, found, nearest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from pydantic import ValidationError

from ..errors import ManifestError
from ..metrics import BY_BUDGET_KEY
from ..records import Json
from . import budgets
from .inputs import EXAMPLE_ENTRY
from .tables import INPUT_TAGS, EntryTable, ManifestTable, MeasureTable, ModelTable
from .targets import EXAMPLE
from .wording import did_you_mean, listed, shown

Location = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INPUTS_EXAMPLE = f"inputs = [{EXAMPLE_ENTRY}]"

_KEYS: Mapping[str, tuple[str, ...]] = {
    "manifest": tuple(ManifestTable.model_fields),
    "model": tuple(ModelTable.model_fields),
    "measure": tuple(MeasureTable.model_fields),
    "budget": tuple(BY_BUDGET_KEY),
    "entry": tuple(EntryTable.model_fields),
}
_KEY_ALIASES: Mapping[str, Mapping[str, str]] = {
    "manifest": {},
    "model": {
        "args": "inputs",
        "input_shape": "inputs",
        "batch": "latency_batch",
        "batch_size": "latency_batch",
        "module": "target",
        "path": "target",
        "arguments": "kwargs",
    },
    "measure": {"batch": "latency_batch", "batch_size": "latency_batch"},
    "budget": budgets.ALIASES,
    "entry": {"size": "shape", "min": "low", "max": "high", "type": "dtype", "values": "value"},
}
_MISSING: Mapping[str, str] = {
    "model": "no [[model]] in it, so there is nothing to measure; "
    f'write one: [[model]] with name = "net", target = "{EXAMPLE}" and {_INPUTS_EXAMPLE}',
    "name": 'missing; expected what the report shall call the model, as in name = "resnet50"',
    "target": f'missing; expected "module:attribute", as in target = "{EXAMPLE}"',
    "inputs": f"missing; expected what forward takes, as in {_INPUTS_EXAMPLE}, "
    "or inputs = [] when it takes nothing",
}
_TABLE_EXAMPLES: Mapping[str, str] = {
    "measure": 'a table such as { dtype = "bfloat16" }',
    "budget": 'a table such as { latency = "+5%" }',
    "model": "a table under [[model]]",
    "entry": f"an entry such as {EXAMPLE_ENTRY}",
}


def validated(document: dict[str, Json], source: str, prefix: str) -> ManifestTable:
    """The manifest's tables, once all of them are as they should be.

    Args:
        document: the TOML of the manifest.
        source: the file's path as errors shall name it.
        prefix: what stands before a table's name in its header, such as `tool.modelperf.`.

    Raises:
        ManifestError: something is wrong; the message has every problem.
    """
    problems = list(_agreement_problems(document, prefix))
    document = _with_budgets_lifted(document)
    try:
        table = ManifestTable.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        _refuse(source, [*_structure_problems(found, document, prefix), *problems])
    if problems:
        _refuse(source, problems)
    return table


def _refuse(source: str, problems: list[str]) -> NoReturn:
    if len(problems) == 1:
        raise ManifestError(f"{source}: {problems[0]}")
    listed = "".join(f"\n  - {problem}" for problem in problems)
    raise ManifestError(f"{source}: {len(problems)} problems{listed}")


def _with_budgets_lifted(document: dict[str, Json]) -> dict[str, Json]:
    models = document.get("model")
    if not isinstance(models, list):
        return document
    return document | {"model": [_with_budget_lifted(model) for model in models]}


def _with_budget_lifted(model: Json) -> Json:
    if not isinstance(model, dict) or not _has_budget(model.get("inputs")):
        return model
    inputs = dict(model["inputs"])
    return {"budget": inputs.pop("budget"), **model, "inputs": inputs}


def _structure_problems(
    errors: Sequence[Mapping[str, Any]], document: Mapping[str, Json], prefix: str
) -> Iterator[str]:
    """One line for each error that pydantic found."""
    for error in errors:
        location = _without_tags(error["loc"])
        yield f"{_place(location, document, prefix)}{_WORDINGS[_kind(error)](error, location)}"


def _agreement_problems(document: Mapping[str, Json], prefix: str) -> Iterator[str]:
    """One line for each pair of keys that each are fine and together are not."""
    seen: dict[str, int] = {}
    for index, model in enumerate(_models(document)):
        if not isinstance(model, dict):
            continue
        place = _place(("model", index), document, prefix)
        name = model.get("name")
        if isinstance(name, str) and name in seen:
            yield f"{place}the name is taken by model {seen[name] + 1}; names must differ"
        elif isinstance(name, str):
            seen[name] = index
        yield from (f"{place}{problem}" for problem in _stated_twice(model))


def _has_budget(inputs: Json) -> bool:
    """Whether a table of inputs holds the model's own budget.

    TOML gives every key after a `[model.inputs]` header to that table, and no input's entry is
    without both `shape` and `value`, so such a `budget` can only be the model's.
    """
    budget = inputs.get("budget") if isinstance(inputs, dict) else None
    return isinstance(budget, dict) and not {"shape", "value"} & budget.keys()


def _stated_twice(model: Mapping[str, Json]) -> Iterator[str]:
    inputs, measure = model.get("inputs"), model.get("measure")
    if "budget" in model and _has_budget(inputs):
        yield "budget: stated both in the model and under [model.inputs]; keep one"
    for key in _KEYS["measure"]:
        if key in model and isinstance(measure, dict) and key in measure:
            yield f"{key}: stated both in the model and in its measure table; keep one"


def _without_tags(location: Location) -> Location:
    """The location without what pydantic adds: the form of `inputs`, and `[key]`."""
    plain = tuple(step for step in location if step != "[key]")
    if plain[:1] == ("model",) and plain[2:3] == ("inputs",) and plain[3:4]:
        return plain[:3] + plain[4:] if plain[3] in INPUT_TAGS else plain
    return plain


def _place(location: Location, document: Mapping[str, Json], prefix: str) -> str:
    match location:
        case ("model", int(index), *rest):
            table = f"[[{prefix}model]] {_model_label(document, index)}"
        case (("measure" | "budget" | "ops") as name, *rest):
            table = f"[{prefix}{name}]"
        case ("model",) if not _models(document) and not document.get("model"):
            table, rest = "", []
        case _:
            table, rest = f"[{prefix.rstrip('.')}]" if prefix else "", list(location)
    return "".join(f"{part}: " for part in (table, _key_path(rest)) if part)


def _model_label(document: Mapping[str, Json], index: int) -> str:
    names = [model.get("name") if isinstance(model, dict) else None for model in _models(document)]
    name = names[index]
    if not name or not isinstance(name, str):
        return f"number {index + 1}"
    return shown(name) if names.count(name) == 1 else f"{shown(name)} (number {index + 1})"


def _models(document: Mapping[str, Json]) -> Sequence[Json]:
    models = document.get("model")
    return models if isinstance(models, list) else ()


def _key_path(steps: Sequence[str | int]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            key = step if _BARE_KEY.fullmatch(step) else shown(step)
            path += f".{key}" if path else key
    return path


def _table_of(location: Location) -> str:
    """Which kind of table the last key of a location stands in."""
    match location:
        case (_,):
            return "manifest"
        case ("measure" | "budget", _):
            return str(location[0])
        case ("model", _, _):
            return "model"
        case ("model", _, ("measure" | "budget") as table, _):
            return table
    return "entry"


def _kind(error: Mapping[str, Any]) -> str:
    return error["type"] if error["type"] in _WORDINGS else "other"


def _value_error(error: Mapping[str, Any], _: Location) -> str:
    return str(error["ctx"]["error"])


def _missing(_: Mapping[str, Any], location: Location) -> str:
    return _MISSING[str(location[-1])]


def _unknown_key(error: Mapping[str, Any], location: Location) -> str:
    table, key = _table_of(location), str(location[-1])
    hint = did_you_mean(key, _KEYS[table], _KEY_ALIASES[table])
    known = f"; expected {listed(_KEYS[table])}"
    moved = _moved(location[:-1])
    return f"unknown key, found {shown(error['input'])}{moved or hint or known}"


def _not_a_table(error: Mapping[str, Any], location: Location) -> str:
    match location:
        case ("model", _):
            table = "model"
        case (*_, ("measure" | "budget") as last) if len(location) != 4:
            table = str(last)
        case _:
            table = "entry"
    return f"expected {_TABLE_EXAMPLES[table]}, found {shown(error['input'])}{_moved(location)}"


def _moved(location: Location) -> str:
    """Under a `[model.inputs]` header TOML takes every key for an input, also the model's own."""
    match location:
        case ("model", _, "inputs", key) if key in _KEYS["model"]:
            return f"; if {key} is the model's, write it above the [model.inputs] header"
    return ""


def _not_a_list(error: Mapping[str, Any], location: Location) -> str:
    if location == ("model",):
        return f"expected [[model]] with double brackets, found {shown(error['input'])}"
    return f'expected an array such as ["batch", 3, 224, 224], found {shown(error["input"])}'


def _not_operations(error: Mapping[str, Any], _: Location) -> str:
    return f'expected lines such as "mylib::gelu" = "{EXAMPLE}", found {shown(error["input"])}'


def _no_form(error: Mapping[str, Any], _: Location) -> str:
    return (
        f"expected an array of entries, a table of entries or "
        f'"module:callable", as in {_INPUTS_EXAMPLE}, found {shown(error["input"])}'
    )


def _empty(_: Mapping[str, Any], location: Location) -> str:
    return _MISSING[str(location[-1])]


def _other(error: Mapping[str, Any], _: Location) -> str:
    return f"not expected here: {shown(error['input'])}"


_WORDINGS: Mapping[str, Callable[[Mapping[str, Any], Location], str]] = {
    "value_error": _value_error,
    "missing": _missing,
    "too_short": _empty,
    "extra_forbidden": _unknown_key,
    "model_type": _not_a_table,
    "list_type": _not_a_list,
    "dict_type": _not_operations,
    "union_tag_not_found": _no_form,
    "other": _other,
}
