"""Snapshots and comparisons as JSON text, and back.

The format is versioned by its `schema` number, and every version ever written still loads:
    1   the first one
A reader of an older file brings it up one version at a time (`_UPGRADES`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import NoReturn, TypeVar

from . import __version__
from .errors import SnapshotError
from .records import Comparison, Json, Revision, Snapshot, Tool

SCHEMA = 1
THIS_TOOL = Tool(name="modelperf-report", version=__version__)

Document = TypeVar("Document", Snapshot, Comparison)
Upgrade = Callable[[dict[str, Json]], dict[str, Json]]

_UPGRADES: Mapping[int, Upgrade] = {}
"""Schema version → what makes a file of it one of the next version."""

_WHAT: Mapping[type, tuple[str, str]] = {
    Snapshot: ("snapshot", "head.json or base.json"),
    Comparison: ("comparison", "comparison.json"),
}


def to_json(document: Snapshot | Comparison) -> str:
    """The document as indented JSON text, field for field."""
    return json.dumps(asdict(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_snapshot(text: str, source: str) -> Snapshot:
    """The snapshot in `text`; `source` names it in errors.

    Raises:
        SnapshotError: it is not JSON, not a snapshot, or of a schema newer than ours.
    """
    return _read(Snapshot, text, source)


def read_comparison(text: str, source: str) -> Comparison:
    """The comparison in `text`; `source` names it in errors.

    Raises:
        SnapshotError: it is not JSON, not a comparison, or of a schema newer than ours.
    """
    return _read(Comparison, text, source)


def is_comparison(text: str, source: str) -> bool:
    """Whether the document is a comparison rather than a snapshot.

    Raises:
        SnapshotError: it is not a JSON object.
    """
    return "head" in _parsed(text, source)


def merge(shards: Mapping[str, Snapshot]) -> Snapshot:
    """The shards of one run, by source, as one snapshot; its models in the shards' order.

    Raises:
        SnapshotError: the shards are not of one revision, or two have a model of one name.
    """
    (first_source, first), *rest = shards.items()
    origin = {model.name: first_source for model in first.models}
    for source, shard in rest:
        if shard.revision != first.revision:
            raise SnapshotError(
                f"{source} is of {_tree(shard.revision)}, {first_source} of "
                f"{_tree(first.revision)}: they are not shards of one run"
            )
        for model in shard.models:
            if model.name in origin:
                raise SnapshotError(
                    f"model {model.name!r} is in {origin[model.name]} and again in {source}"
                )
            origin[model.name] = source
    is_one_machine = len({shard.machine for shard in shards.values()}) == 1
    return replace(
        first,
        models=tuple(
            model if is_one_machine else replace(model, machine=model.machine or shard.machine)
            for shard in shards.values()
            for model in shard.models
        ),
        machine=first.machine if is_one_machine else None,
        notes=tuple(dict.fromkeys(note for shard in shards.values() for note in shard.notes)),
    )


def _tree(revision: Revision) -> str:
    return f"{revision.sha or 'no commit'}{' with uncommitted changes' if revision.dirty else ''}"


def _read(kind: type[Document], text: str, source: str) -> Document:
    fields = _current(_parsed(text, source), kind, source)
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        _refuse(kind, source, f"{where}: {first['msg']}")


def _parsed(text: str, source: str) -> dict[str, Json]:
    try:
        fields = json.loads(text, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{source}: not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise SnapshotError(f"{source}: not a JSON object")
    return fields


def _not_a_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _current(fields: dict[str, Json], kind: type, source: str) -> dict[str, Json]:
    version = fields.get("schema")
    if type(version) is not int or version < 1:
        _refuse(kind, source, 'it has no "schema" number')
    if version > SCHEMA:
        raise SnapshotError(
            f"{source} has schema {version}; this version ({__version__}) reads up to {SCHEMA}",
            hint="Update modelperf-report, or make the file with this version.",
        )
    for step in range(version, SCHEMA):
        fields = _UPGRADES[step](fields)
    return fields


def _refuse(kind: type, source: str, why: str) -> NoReturn:
    what, made_as = _WHAT[kind]
    raise SnapshotError(
        f"{source} is not a {what} of modelperf-report: {why}",
        hint=f"A {what} is what `modelperf-report report` writes as {made_as}.",
    )
