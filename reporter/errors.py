"""What can go wrong, as a tree, and the exit code of each branch.

    ReportError
    ├── UsageError           2   the user's mistake: arguments, paths
    │   ├── ManifestError    2   the manifest says something that cannot be
    │   ├── RevisionError    2   git cannot give the tree that was asked for
    │   ├── SnapshotError    2   a JSON file is not a snapshot or comparison of ours
    │   └── TemplateError    2   a user's template does not render
    ├── PublishError         4   the report is written, but could not be sent
    ├── ProfileError         3   a live module's forward failed (reporter.profile_model)
    └── WorkerError              a worker died, hung or spoke nonsense: becomes its model's row

A regression or a broken budget is no error but a verdict (exit code 1), and so is a model that
could not be profiled (3): `most_telling` puts them all in order.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the program tells its caller."""

    FINE = 0
    REGRESSED = 1
    USAGE = 2
    MODEL_FAILED = 3
    PUBLISH_FAILED = 4
    FAULT = 70
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


_MOST_TELLING_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.REGRESSED,
    ExitCode.PUBLISH_FAILED,
    ExitCode.MODEL_FAILED,
)


def most_telling(codes: set[ExitCode]) -> ExitCode:
    """The one code to exit with where several hold."""
    return next((code for code in _MOST_TELLING_FIRST if code in codes), ExitCode.FINE)


class ReportError(Exception):
    """The base of all our errors: `message` says what and where, `hint` what to do about it."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ReportError):
    """The user's mistake."""


class ManifestError(UsageError):
    """The manifest is missing, is not TOML, or says something that cannot be."""


class RevisionError(UsageError):
    """Git cannot give the revision that was asked for."""


class SnapshotError(UsageError):
    """A file is not a snapshot or comparison this version can read."""


class TemplateError(UsageError):
    """A template does not render."""


class PublishError(ReportError):
    """The finished report could not be sent."""

    exit_code = ExitCode.PUBLISH_FAILED


class ProfileError(ReportError):
    """A live module could not be profiled; what it raised is the `__cause__`."""

    exit_code = ExitCode.MODEL_FAILED


class WorkerError(ReportError):
    """A worker died, hung or broke the protocol; `stage` and the message go into the row."""

    exit_code = ExitCode.MODEL_FAILED
