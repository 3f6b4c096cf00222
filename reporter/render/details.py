"""The folded sections of a report, each built from the comparison alone; None where empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..records import (
    Comparison,
    Machine,
    ModelDelta,
    ModelError,
    ModelResult,
    Side,
    Timing,
)
from . import quantities
from .parts import Cell, Limits, Part, Section, cell, counted, table
from .summary import why_failed
from .untrusted import Text, block, joined, listed, name, ours
from .verdict import by_severity


def _section(title: str, parts: Sequence[Part]) -> Section | None:
    return Section(title=title, parts=tuple(parts)) if parts else None


# What went wrong -----------------------------------------------------------------------------


def errors(comparison: Comparison, limits: Limits) -> Section | None:
    """Every failure with the user's own traceback; what several models share is told once."""
    alike: dict[_Failure, list[str]] = {}
    for model in by_severity(comparison.models):
        for failure in _failures(model):
            alike.setdefault(failure, []).append(model.name)
    parts = [_error_part(failure, names, limits) for failure, names in alike.items()]
    return _section(f"Errors ({sum(map(len, alike.values()))})", parts)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: ModelError
    sides: str
    is_counted: bool


def _failures(model: ModelDelta) -> Iterator[_Failure]:
    head, base = model.head and model.head.error, model.base and model.base.error
    if model.head and head:
        sides = "head and base" if head == base else "head"
        yield _Failure(head, sides, model.head.cost is not None)
    if model.base and base and head != base and model.head:
        yield _Failure(base, "base", model.base.cost is not None)


def _error_part(failure: _Failure, names: Sequence[str], limits: Limits) -> Part:
    error, most = failure.error, limits.message_characters
    untimed = ("counted, but not timed: ", name(error.message, most))
    why = untimed if failure.is_counted else why_failed(error, most)
    several = len(names) > 1
    who = ours(counted(len(names), "model")) if several else name(names[0])
    fence = block(error.traceback, language="pytb", most_lines=limits.traceback_lines)
    return Part(
        caption=joined(who, f" at {failure.sides}: ", *why),
        lines=(listed(map(name, names), limits.rows),) if several else (),
        blocks=(fence,) if error.traceback.strip() else (),
    )


def warnings(comparison: Comparison) -> Section | None:
    """What makes a figure less than it seems."""
    lines = [line for model in by_severity(comparison.models) for line in _warnings(model)]
    parts = [Part(lines=tuple(lines))] if lines else []
    return _section(f"Warnings ({len(lines)})", parts)


def _warnings(model: ModelDelta) -> Iterator[Text]:
    for side, result in (("head", model.head), ("base", model.base)):
        if result is not None and result.cost is not None and result.cost.uncounted:
            yield _uncounted(result, side, result.cost.uncounted)
        if result is not None and result.counting and result.counting.rung != "meta":
            why = result.counting.reason or "no reason given"
            yield joined(
                name(result.name), f" at {side}: counted on real tensors, because ", name(why)
            )
    if model.declaration_changes:
        changes = listed(map(name, model.declaration_changes), 6)
        yield joined(name(model.name), ": declared differently than at base: ", changes)


def _uncounted(result: ModelResult, side: str, operations: Mapping[str, int]) -> Text:
    calls = (called_in(result, op, count) for op, count in operations.items())
    said = f" at {side}: operations without a formula, missing from FLOPs, MAdd and memory: "
    return joined(name(result.name), said, listed(calls, 8))


def called_in(result: ModelResult, operation: str, calls: int) -> Text:
    """An operation with its calls, and the modules they are in."""
    modules = [name(path or "(model)") for path in result.uncounted_modules.get(operation, ())]
    where = (" in ", listed(modules, 3)) if modules else ()
    return joined(name(operation), f" × {calls:,}", *where)


# Timings --------------------------------------------------------------------------------------


def timings(comparison: Comparison) -> Section | None:
    """The spread behind every timed figure."""
    rows = [
        [cell(name(model.name)), cell(what), cell(side), *map(cell, figures)]
        for model in by_severity(comparison.models)
        for what, read in _SPREADS.items()
        for side, result in (("base", model.base), ("head", model.head))
        if result is not None and result.timing is not None
        if (figures := read(result.timing)) is not None
    ]
    titles = ["Model", "Metric", "Side", "Batch", "Median", "p10", "p90", "Forwards"]
    shown = table(titles, rows, numbers=slice(3, None))
    parts = [Part(tables=(shown,))] if rows else []
    return _section("Timings and their spread", parts)


def _latency(timing: Timing) -> tuple[str, ...] | None:
    seen = timing.latency
    if seen is None:
        return None
    values = (seen.median_ms, seen.p10_ms, seen.p90_ms)
    return str(seen.batch), *(quantities.quantity(value, "ms") for value in values), str(seen.n)


def _throughput(timing: Timing) -> tuple[str, ...] | None:
    seen = timing.throughput
    if seen is None:
        return None
    values = (seen.median_per_s, seen.p10_per_s, seen.p90_per_s)
    return str(seen.batch), *(quantities.quantity(value, "per_s") for value in values), str(seen.n)


_SPREADS: Mapping[str, Callable[[Timing], tuple[str, ...] | None]] = {
    "Latency": _latency,
    "Throughput": _throughput,
}


# Where and how -----------------------------------------------------------------------------------

_MACHINE: Mapping[str, Callable[[Machine], str]] = {
    "System": lambda machine: machine.system,
    "CPU": lambda machine: f"{machine.cpu} ({counted(machine.cpu_count, 'core')})",
    "Threads": lambda machine: str(machine.threads),
    "Memory": lambda machine: (
        "not known"
        if machine.memory_bytes is None
        else quantities.quantity(machine.memory_bytes, "bytes")
    ),
    "Accelerator": lambda machine: machine.accelerator or "none",
    "CUDA": lambda machine: machine.cuda or "none",
    "Python": lambda machine: machine.python,
    "torch": lambda machine: machine.torch,
}


def machine(comparison: Comparison) -> Section | None:
    """The machine and the versions behind both sides."""
    sides = [side for side in (comparison.base, comparison.head) if side is not None]
    titles = ["What", *(["Base", "Head"] if comparison.base else ["Head"])]
    tool = [cell("Report"), *(cell(name(f"{s.tool.name} {s.tool.version}")) for s in sides)]
    rows = [tool]
    rows += [[cell(what), *(_of(side, read) for side in sides)] for what, read in _MACHINE.items()]
    return _section("Machine and versions", [Part(tables=(table(titles, rows, numbers=slice(0)),))])


def _of(side: Side, read: Callable[[Machine], str]) -> Cell:
    return cell("not known" if side.machine is None else name(read(side.machine)))
