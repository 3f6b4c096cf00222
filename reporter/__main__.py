"""The command line: arguments → one pipeline call → exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .declare import settings as asked
from .declare.arguments import parse_arguments
from .errors import ExitCode, ReportError

_PIPELINE: Mapping[type, str] = {
    asked.ReportSettings: "report",
    asked.ProfileSettings: "profile",
    asked.CompareSettings: "compare_snapshots",
    asked.RenderSettings: "render",
    asked.PublishSettings: "publish",
    asked.MergeSettings: "merge_shards",
    asked.InitSettings: "init",
    asked.ValidateSettings: "validate",
    asked.DoctorSettings: "doctor",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` asks for; its exit code, with what went wrong on stderr."""
    try:
        settings = parse_arguments(sys.argv[1:] if argv is None else argv)
        return _run(settings)
    except ReportError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("modelperf-report: interrupted", file=sys.stderr)  # noqa: T201
        return ExitCode.INTERRUPTED


def _run(settings: asked.Settings) -> int:
    from . import pipeline

    command: Callable[[Any], ExitCode] = getattr(pipeline, _PIPELINE[type(settings)])
    return command(settings)


def _complain(error: ReportError) -> None:
    print(f"modelperf-report: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
