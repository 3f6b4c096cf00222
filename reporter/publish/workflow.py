"""What a job under GitHub Actions reads from us: summary, outputs, log commands; and its event.

Nothing here reads `os.environ` or writes to `sys.stdout` by itself. Where a job's variable is
missing there is no job to tell, and nothing is written.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from ..errors import PublishError
from ..records import Json
from .comment import CommentTarget

SUMMARY_LIMIT_BYTES = 1 << 20
"""Of one step's summary; of a longer one GitHub shows nothing at all."""

ANNOTATION_LIMIT = 10
"""Of one kind and step; GitHub drops what comes after."""

Kind = Literal["error", "warning", "notice"]

_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_DATA | str.maketrans({":": "%3A", ",": "%2C"})
_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A message beside a line of a file; `file` is relative to the repository's root."""

    kind: Kind
    message: str
    title: str | None = None
    file: str | None = None
    line: int | None = None


def append_summary(markdown: str, environ: Mapping[str, str]) -> bool:
    """Add a document to the step's summary; False where there is none to add to.

    Raises:
        PublishError: with it the summary would be longer than GitHub shows, so nothing was
            written; or the file cannot be written.
    """
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return False
    document = _encoded(f"{markdown.rstrip()}\n\n")
    with _writing("GITHUB_STEP_SUMMARY", name):
        file = Path(name)
        there_bytes = file.stat().st_size if file.exists() else 0
        total_bytes = there_bytes + len(document)
        if total_bytes <= SUMMARY_LIMIT_BYTES:
            _append(file, document)
            return True
    raise PublishError(
        f"the step's summary would be {total_bytes:,} bytes long, "
        f"GitHub shows none over {SUMMARY_LIMIT_BYTES:,}",
        hint="the whole report is in report.md; render a shorter one for the summary",
    )


def write_outputs(outputs: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Set the step's outputs, of one line or many; False where there is no step.

    Raises:
        PublishError: the file cannot be written.
        ValueError: a name is none that an expression could ask for.
    """
    name = environ.get("GITHUB_OUTPUT")
    if not name:
        return False
    text = "".join(_output(*each) for each in outputs.items())
    with _writing("GITHUB_OUTPUT", name):
        _append(Path(name), _encoded(text))
    return True


def write_annotations(annotations: Iterable[Annotation], stream: TextIO) -> None:
    """Print annotations, worst first; what GitHub would drop becomes one ordinary line."""
    left: dict[Kind, int] = {"error": 0, "warning": 0, "notice": 0}
    for each in annotations:
        left[each.kind] += 1
        if left[each.kind] <= ANNOTATION_LIMIT:
            stream.write(_command(each.kind, each.message, _properties(each)))
    for kind, count in left.items():
        if count > ANNOTATION_LIMIT:
            stream.write(f"{count - ANNOTATION_LIMIT} more of kind {kind} are in the report.\n")
    stream.flush()


@contextmanager
def log_group(title: str, stream: TextIO) -> Iterator[None]:
    """Fold what is printed meanwhile under a title."""
    stream.write(_command("group", title))
    stream.flush()
    try:
        yield
    finally:
        stream.write(_command("endgroup"))
        stream.flush()


def write_foreign(text: str, stream: TextIO) -> None:
    """Print what somebody else wrote, so that no line of it is taken for a command.

    Both forms are off meanwhile: `::name::` at the beginning of a line, `##[name]` anywhere.
    """
    token = secrets.token_hex(16)
    stream.write(_command("stop-commands", token))
    stream.write(text if text.endswith("\n") else f"{text}\n")
    stream.write(_command(token))
    stream.flush()


def pull_request_of(
    environ: Mapping[str, str], comment_id: str = "default"
) -> CommentTarget | None:
    """The pull request that this job runs for, by its event; None where there is none.

    Of a `workflow_run` it is None too: which pull request that was for, GitHub does not say
    of forks, and what an artifact says is not to be believed.

    Raises:
        PublishError: the job's own variables or event file make no sense.
    """
    name = environ.get("GITHUB_EVENT_PATH")
    if not name:
        return None
    match _event(name):
        case {"pull_request": {"number": int(number)}} if number > 0 and number is not True:
            repository = environ.get("GITHUB_REPOSITORY", "")
            return pull_request_named(repository, number, comment_id)
    return None


def pull_request_named(repository: str, number: int, comment_id: str = "default") -> CommentTarget:
    """The pull request of that number in `OWNER/NAME`.

    Raises:
        PublishError: `repository` is not of that form.
    """
    owner, slash, repo = repository.partition("/")
    if not owner or not slash or not repo or "/" in repo:
        raise PublishError(
            f"the repository is {repository!r}",
            hint="it must be OWNER/NAME, in GITHUB_REPOSITORY or after --repository",
        )
    return CommentTarget(owner=owner, repo=repo, number=number, comment_id=comment_id)


def _event(name: str) -> Json:
    try:
        return json.loads(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        raise PublishError(
            f"the event file {name} cannot be read: {error}",
            hint="GITHUB_EVENT_PATH must name the JSON of the event that started the job",
        ) from error


def _output(name: str, value: str) -> str:
    if not _OUTPUT_NAME.fullmatch(name):
        raise ValueError(f"an output cannot be called {name!r}")
    # Nobody can end the value early who cannot guess the delimiter.
    delimiter = f"end_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _properties(annotation: Annotation) -> dict[str, str]:
    named = {"file": annotation.file, "line": annotation.line, "title": annotation.title}
    return {name: str(value) for name, value in named.items() if value is not None}


def _command(name: str, data: str = "", properties: Mapping[str, str] | None = None) -> str:
    said = ",".join(
        f"{key}={value.translate(_IN_PROPERTY)}" for key, value in (properties or {}).items()
    )
    return f"::{name}{' ' * bool(said)}{said}::{data.translate(_IN_DATA)}\n"


def _encoded(text: str) -> bytes:
    # Half a surrogate pair, which file names and messages may hold, must not lose the rest.
    return text.encode("utf-8", "replace")


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(data)


@contextmanager
def _writing(variable: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PublishError(
            f"{variable} names {name}, which cannot be written: {error.strerror}",
            hint="in a container, mount the runner's file_commands folder",
        ) from error
