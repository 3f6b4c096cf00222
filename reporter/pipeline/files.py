"""What the commands read and write on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..declare.manifest import find_manifest, load_manifest
from ..errors import ManifestError, UsageError
from ..records import Budget, Comparison, Manifest, Snapshot
from ..render import listing
from ..render.document import render_markdown
from ..render.page import render_page
from ..render.view import build_view
from ..snapshot import to_json

_OUR_FOLDER = "# Made anew by each run of modelperf-report, and not for git.\n*\n"
"""The `.gitignore` of a folder that is all ours."""


def manifest_of(project: Path) -> Manifest:
    """The manifest of a project.

    Raises:
        ManifestError: there is none, or it cannot be read.
    """
    path = find_manifest(project)
    if path is None:
        raise ManifestError(listing.no_manifest(project), hint=listing.HOW_TO_BEGIN)
    return load_manifest(path, project)


def budgets_of(manifest: Manifest) -> Mapping[str, tuple[Budget, ...]]:
    """Each model's budgets, by its name."""
    return {model.name: model.budgets for model in manifest.models}


def check_output_folder(folder: Path, project: Path) -> None:
    """Refuse a folder whose files are the user's.

    Raises:
        UsageError: it is the project itself, or holds it.
    """
    if project.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"--output-dir {folder}: the project itself is no place for a report's files",
            hint="name a folder for them, as in --output-dir modelperf-report",
        )


def write_run(
    folder: Path,
    comparison: Comparison,
    *,
    head: Snapshot | None = None,
    base: Snapshot | None = None,
) -> None:
    """Everything a run leaves behind.

    A folder that we make ourselves is kept out of git, so that a report leaves the checkout as it
    was, and in it a file of an earlier run that this one has not is removed. In any other folder
    nothing is touched but the files of this run.
    """
    markdown = render_markdown(build_view(comparison))
    texts = {
        "head.json": to_json(head) if head else None,
        "base.json": to_json(base) if base else None,
        "comparison.json": to_json(comparison),
        "report.md": markdown,
        "report.html": render_page(markdown, listing.TITLE),
    }
    mark = folder / ".gitignore"
    if not folder.exists():
        write(mark, _OUR_FOLDER)
    is_ours = mark.is_file() and mark.read_text(encoding="utf-8") == _OUR_FOLDER
    for name, text in texts.items():
        if text is not None:
            write(folder / name, text)
        elif is_ours and head is not None:
            (folder / name).unlink(missing_ok=True)


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def write(path: Path, text: str, *, mode: str = "w") -> None:
    """Write a file, with the folders it is in; with mode `x` only where there is none.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
