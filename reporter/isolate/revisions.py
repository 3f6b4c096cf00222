"""Which two trees are compared, and the base laid out aside; git is asked and never changed.

The base is written by the user's own git directory, but through an index and into a work tree of
our scratch folder. So whatever the repository is (linked worktree, alternates, partial clone,
LFS, sha256), git finds its objects, filters and attributes, while its HEAD, index, refs, hooks
and list of worktrees have no part in it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from ..errors import RevisionError
from ..records import Revision
from .scratch import scratch_folder

_HANDS_OFF = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "core.splitIndex=false"),
    *("-c", "submodule.recurse=false"),
)
"""Settings under which git runs nobody's hooks and writes nothing beside the index it is given."""

_KEPT_VARIABLES = ("GIT_CONFIG", "GIT_SSH", "GIT_SSL", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_LFS")
"""How each environment variable of git's that says nothing of one repository begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Where a project's history is. `prefix` is the project's folder relative to the work tree."""

    project: Path
    prefix: str

    def ask(self, *arguments: str) -> str | None:
        """What git says to a question about this repository; None where it says no."""
        answer = _git("-C", str(self.project), *arguments)
        return _text(answer.stdout) if answer.returncode == 0 else None


def find_repository(project: Path) -> Repository:
    """The repository whose work tree `project` is in; it may be a folder below the top.

    Raises:
        RevisionError: git is not installed, refuses, or there is no work tree here.
    """
    answer = _git("-C", str(project), "rev-parse", "--is-inside-work-tree")
    if answer.returncode != 0:
        raise _no_repository(project, _complaint(answer))
    if _text(answer.stdout) != "true":
        raise RevisionError(
            f"{project} is in a git repository without a work tree",
            hint="run in a clone or a worktree of it",
        )
    return Repository(
        project=project,
        prefix=_must("-C", str(project), "rev-parse", "--show-prefix"),
    )


def _no_repository(project: Path, complaint: str) -> RevisionError:
    if "not a git repository" in complaint:
        return RevisionError(
            f"{project} is not in a git repository",
            hint="run it in a clone, or without --base to profile the files as they are",
        )
    hint = "run: git config --global --add safe.directory '*'" if "dubious" in complaint else None
    return RevisionError(f"git cannot read the repository at {project}: {complaint}", hint=hint)


def describe_head(project: Path) -> Revision:
    """The working tree as it is, whatever state it is in; never an error.

    `dirty` counts untracked files that are not ignored too. Only changes below `project` count.
    """
    try:
        repository = find_repository(project)
    except RevisionError as error:
        return Revision(sha=None, dirty=False, label="working tree", how=error.message)
    sha = repository.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    dirty = _is_dirty(repository)
    branch = repository.ask("symbolic-ref", "--quiet", "--short", "HEAD")
    return Revision(
        sha=sha,
        dirty=dirty,
        label="working tree" if dirty or sha is None else branch or sha[:12],
        how=_how_head(sha, branch, dirty=dirty),
    )


def _is_dirty(repository: Repository) -> bool:
    changes = repository.ask(
        "status", "--porcelain", "--untracked-files=normal", "--no-renames", "--", "."
    )
    return changes != ""


def _how_head(sha: str | None, branch: str | None, *, dirty: bool) -> str:
    if sha is None:
        return "the working tree of a repository without commits"
    place = f"branch {branch}" if branch else "a detached HEAD"
    return (
        f"the working tree on {place}, "
        + ("with" if dirty else "without")
        + (" uncommitted changes")
    )


def resolve_base(project: Path, ref: str) -> Revision:
    """The commit where HEAD left `ref`: their merge-base. A branch only on `origin` will do.

    Raises:
        RevisionError: with what to do about it.
    """
    repository = find_repository(project)
    if repository.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise RevisionError(
            f"the repository at {project} has no commits yet, so there is no base",
            hint="run without --base, or commit first",
        )
    name, tip = _find_ref(repository, ref)
    sha = repository.ask("merge-base", tip, "HEAD")
    if sha is None:
        raise _no_merge_base(repository, name)
    return Revision(sha=sha, dirty=False, label=ref, how=f"the merge base of {name} and HEAD")


def _find_ref(repository: Repository, ref: str) -> tuple[str, str]:
    for name in (ref, f"origin/{ref}"):
        sha = repository.ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if sha is not None:
            return name, sha
    raise RevisionError(
        f"--base {ref}: no branch, tag or commit of that name, nor a branch origin/{ref}",
        hint=f"if it is on the remote, run: git fetch origin {ref}",
    )


def _no_merge_base(repository: Repository, name: str) -> RevisionError:
    if repository.ask("rev-parse", "--is-shallow-repository") == "true":
        return RevisionError(
            f"this shallow clone does not reach back to where HEAD left {name}",
            hint="run: git fetch --unshallow (under Actions: actions/checkout with fetch-depth: 0)",
        )
    return RevisionError(
        f"{name} and HEAD have no common ancestor",
        hint="name a branch or commit that HEAD was made from",
    )


@contextmanager
def checked_out(project: Path, revision: Revision) -> Iterator[Path]:
    """The project's folder as it was at `revision`, in a scratch folder for the block's length.

    The folder is empty where the project did not exist yet. A submodule is laid out too where the
    user's tree has it and the commit that `revision` wants of it; otherwise it stays empty.

    Raises:
        RevisionError: the revision has no commit, or git cannot write its files.
        UsageError: there is no place for a scratch folder.
    """
    if revision.sha is None:
        raise RevisionError(f"{revision.label} has no commit that could be checked out")
    prefix = find_repository(project).prefix
    top = Path(_must("-C", str(project), "rev-parse", "--show-toplevel"))
    with scratch_folder() as scratch:
        _lay_out(top, revision.sha, scratch / "tree", scratch)
        folder = scratch / "tree" / prefix
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def _lay_out(source: Path, sha: str, tree: Path, scratch: Path) -> None:
    """Write the files of commit `sha` of the repository at `source`, and of its submodules."""
    tree.mkdir(exist_ok=True)
    git_dir = _must("-C", str(source), "rev-parse", "--absolute-git-dir")
    from_there = ("-C", str(tree), f"--git-dir={git_dir}", f"--work-tree={tree}")
    index = {"GIT_INDEX_FILE": str(Path(mkdtemp(dir=scratch)) / "index")}
    written = _git(
        *from_there, "read-tree", "--reset", "-u", "--no-sparse-checkout", sha, variables=index
    )
    if written.returncode != 0:
        raise RevisionError(
            f"git cannot write the files of commit {sha[:12]}: {_complaint(written)}",
            hint="see whether there is room in the temporary folder and the clone is complete",
        )
    listing = _git(*from_there, "ls-files", "--stage", "-z", variables=index)
    for path, wanted in _submodules(listing.stdout):
        if _has_commit(source / path, wanted):
            _lay_out(source / path, wanted, tree / path, scratch)


def _submodules(listing: bytes) -> Iterator[tuple[str, str]]:
    """Path and commit of each submodule in what `git ls-files --stage -z` lists."""
    for entry in os.fsdecode(listing).split("\0"):
        about, _, path = entry.partition("\t")
        if about.startswith("160000 "):
            yield path, about.split()[1]


def _has_commit(submodule: Path, sha: str) -> bool:
    if not (submodule / ".git").exists():
        return False
    return _git("-C", str(submodule), "cat-file", "-e", f"{sha}^{{commit}}").returncode == 0


def _must(*arguments: str) -> str:
    answer = _git(*arguments)
    if answer.returncode != 0:
        raise RevisionError(f"git {' '.join(arguments)}: {_complaint(answer)}")
    return _text(answer.stdout)


def _git(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ("git", *_HANDS_OFF, *arguments),
            env={**_environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise RevisionError(
            "git is not installed, or not on PATH",
            hint="install git, or run without --base",
        ) from error


def _environment() -> dict[str, str]:
    """Ours, without what a hook that runs us was told about its own repository and index."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
    }
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _text(output: bytes) -> str:
    return os.fsdecode(output).removesuffix("\n")


def _complaint(answer: subprocess.CompletedProcess[bytes]) -> str:
    lines = os.fsdecode(answer.stderr).strip().splitlines()
    telling = (line for line in lines if line.startswith(("fatal:", "error:")))
    line = next(telling, lines[-1] if lines else f"exit code {answer.returncode}")
    return line.removeprefix("fatal: ").removeprefix("error: ")
