"""The commands about the project itself: `init`, `validate`, `doctor`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..declare.manifest import find_manifest
from ..declare.settings import (
    DoctorSettings,
    InitSettings,
    ValidateSettings,
)
from ..errors import ExitCode, ReportError, UsageError
from ..isolate.revisions import describe_head, resolve_base
from ..isolate.session import (
    machine_of,
)
from ..render import listing
from .files import manifest_of, write


def init(settings: InitSettings) -> ExitCode:
    """Write a first manifest, from what the project's files look like."""
    from ..declare.starter import starter_manifest

    existing = find_manifest(settings.project)
    if existing is not None:
        raise UsageError(f"{existing} is there already", hint="Edit it; nothing was written.")
    path = settings.project / "modelperf.toml"
    write(path, starter_manifest(settings.project), mode="x")
    sys.stdout.write(listing.written_manifest(path))
    return ExitCode.FINE


def validate(settings: ValidateSettings) -> ExitCode:
    """Read the project's manifest and list what it declares."""
    sys.stdout.write(listing.manifest(manifest_of(settings.project)))
    return ExitCode.FINE


def doctor(settings: DoctorSettings) -> ExitCode:
    """Say what a report would run on, and what stands in its way."""
    project, base = settings.project, settings.base
    looks: dict[str, Callable[[], str]] = {
        "head": lambda: describe_head(project).how or "",
        "manifest": lambda: listing.manifest_line(manifest_of(project)),
        "worker": lambda: listing.machine_line(machine_of(project.resolve())),
    }
    if base is not None:
        looks["base"] = lambda: listing.base_line(resolve_base(project, base))
    found = [_finding(subject, look) for subject, look in looks.items()]
    sys.stdout.write(listing.findings(found))
    return ExitCode.FINE if all(each.is_well for each in found) else ExitCode.USAGE


def _finding(subject: str, look: Callable[[], str]) -> listing.Finding:
    try:
        return listing.Finding(subject, look(), is_well=True)
    except ReportError as error:
        return listing.Finding(subject, error.message, is_well=False, hint=error.hint)
