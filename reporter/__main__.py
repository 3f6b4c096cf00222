"""The command line: arguments → one pipeline call → exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
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
    _print_what_can_be_printed()
    try:
        code = _run(parse_arguments(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except ReportError as error:
        _complain(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception:
        traceback.print_exc()
        _complain("this is a fault of the program itself; please report it with the lines above")
        return ExitCode.FAULT


def _run(settings: asked.Settings) -> int:
    from . import pipeline

    command: Callable[[Any], ExitCode] = getattr(pipeline, _PIPELINE[type(settings)])
    return command(settings)


def _complain(message: str, hint: str | None = None) -> None:
    from .render.untrusted import without_commands

    lines = [f"modelperf-report: {message}", *([f"  {hint}"] if hint else [])]
    print(without_commands("\n".join(lines)), file=sys.stderr)  # noqa: T201


def _print_what_can_be_printed() -> None:
    """A character that the terminal's encoding lacks is no reason to lose the report."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _reader_gone() -> int:
    """Whoever read our output has seen enough (`| head`): the shell's own code for that.

    Python's last flush would fail once more, so what is left goes nowhere.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OUTPUT_CLOSED


if __name__ == "__main__":
    sys.exit(main())
