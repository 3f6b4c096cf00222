"""The story: declare → isolate(profile) → compare → render → publish, one function a command.

The only module that joins the stages. Each function takes its settings, does its command from
beginning to end, and returns the exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .compare.budgets import exit_code
from .compare.delta import compare
from .declare.manifest import declaration_of, find_manifest, read_manifest
from .declare.settings import (
    CompareSettings,
    DoctorSettings,
    InitSettings,
    MergeSettings,
    Overrides,
    ProfileSettings,
    PublishSettings,
    RenderSettings,
    ReportSettings,
    ValidateSettings,
)
from .declare.wording import did_you_mean
from .errors import ExitCode, ManifestError, ReportError, SnapshotError, UsageError
from .isolate.revisions import checked_out, describe_head, resolve_base
from .isolate.scratch import sweep_abandoned
from .isolate.session import (
    Profiled,
    TimingPlan,
    Tree,
    machine_of,
    model_names,
    profile_trees,
    start_worker,
)
from .records import (
    Budget,
    Comparison,
    Manifest,
    Measure,
    ModelResult,
    ModelSpec,
    Revision,
    Snapshot,
)
from .render import listing
from .render.consoles import report_console, status_console
from .render.document import render_markdown
from .render.page import render_page
from .render.progress import progress
from .render.terminal import print_profile, print_report
from .render.view import build_view
from .snapshot import (
    SCHEMA,
    THIS_TOOL,
    is_comparison,
    merge,
    read_comparison,
    read_snapshot,
    to_json,
)

if TYPE_CHECKING:
    from .publish.comment import CommentTarget

# Profiling: report, profile ---------------------------------------------------------------------


def report(settings: ReportSettings) -> ExitCode:
    """Profile the project's models, at the base too where one is named, and report."""
    manifest = _manifest_of(settings.project)
    with _side_by_side(settings, manifest) as sides:
        head, base = _profile(sides, settings)
    comparison = compare(base, head, _budgets(manifest), sides.notes)
    _write_files(settings.output_folder, comparison, head=head, base=base)
    if settings.layer_trees and not settings.quiet:
        print_profile(head, report_console(), settings.depth)
    elif not settings.quiet:
        print_report(build_view(comparison), report_console())
    return exit_code(comparison, settings.fail_on)


def profile(settings: ProfileSettings) -> ExitCode:
    """Profile the one model that the command line names, without a manifest."""
    spec = ModelSpec(
        name=settings.target,
        target=settings.target,
        kwargs=settings.kwargs,
        inputs=settings.inputs,
        measure=_overridden(Measure(), settings.overrides),
    )
    sides = _Sides(
        head=_tree(settings.project, (spec,)), head_revision=describe_head(settings.project)
    )
    head, _ = _profile(sides, settings)
    comparison = compare(None, head, {})
    if settings.output_folder is not None:
        _write_files(settings.output_folder, comparison, head=head, base=None)
    if not settings.quiet:
        print_profile(head, report_console(), settings.depth)
    return exit_code(comparison, "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """What is profiled: the head's tree and, where there is one, the base's."""

    head: Tree
    head_revision: Revision
    base: Tree | None = None
    base_revision: Revision | None = None
    base_borrows_manifest: bool = False
    notes: tuple[str, ...] = ()


@contextmanager
def _side_by_side(settings: ReportSettings, manifest: Manifest) -> Iterator[_Sides]:
    """Both trees, the base's checked out for as long as the block lasts."""
    head_revision = describe_head(settings.project)
    choose = partial(_chosen, settings=settings)
    if settings.base is None:
        models = choose(manifest.models, among=_names(manifest.models))
        yield _Sides(head=_tree(settings.project, models), head_revision=head_revision)
        return
    base_revision = resolve_base(settings.project, settings.base)
    with checked_out(settings.project, base_revision) as folder:
        found = _base_manifest(folder, manifest)
        among = _names((*manifest.models, *found.models))
        yield _Sides(
            head=_tree(settings.project, choose(manifest.models, among=among)),
            head_revision=head_revision,
            base=_tree(folder, choose(found.models, among=among), apart_from=settings.project),
            base_revision=base_revision,
            base_borrows_manifest=found.is_borrowed,
            notes=found.notes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _BaseModels:
    """What the base declares, or, where it declares nothing readable, what head declares of it."""

    models: tuple[ModelSpec, ...]
    is_borrowed: bool = False
    notes: tuple[str, ...] = ()


def _base_manifest(folder: Path, head: Manifest) -> _BaseModels:
    if not any(folder.iterdir()):
        return _BaseModels(models=(), notes=(listing.NO_PROJECT_AT_BASE,))
    try:
        path = find_manifest(folder)
        if path is not None:
            return _BaseModels(models=_read_manifest(path, folder).models)
        why = listing.NO_MANIFEST_AT_BASE
    except ManifestError as error:
        why = listing.unreadable_base_manifest(error)
    return _BaseModels(models=head.models, is_borrowed=True, notes=(why,))


def _profile(
    sides: _Sides, settings: ReportSettings | ProfileSettings
) -> tuple[Snapshot, Snapshot | None]:
    sweep_abandoned()
    plan = None if settings.static else TimingPlan(seconds=settings.seconds)
    total = len(model_names(sides.head, sides.base))
    with progress(status_console(), total, settings.quiet) as step:
        head, base = profile_trees(
            sides.head,
            sides.base,
            timing=plan,
            progress=step,
            start=partial(start_worker, deadline_s=settings.timeout_s),
        )
    snapshot = _snapshot(head, head.models, sides.head_revision)
    if base is None or sides.base_revision is None:
        return snapshot, None
    models = _without_absent(base.models) if sides.base_borrows_manifest else base.models
    return snapshot, _snapshot(base, models, sides.base_revision)


def _without_absent(results: Iterable[ModelResult]) -> tuple[ModelResult, ...]:
    """Without the models that the base has no code for: held against it they are new."""
    return tuple(
        result for result in results if result.error is None or result.error.stage != "import"
    )


def _snapshot(profiled: Profiled, models: tuple[ModelResult, ...], revision: Revision) -> Snapshot:
    return Snapshot(
        schema=SCHEMA, tool=THIS_TOOL, revision=revision, machine=profiled.machine, models=models
    )


def _tree(folder: Path, models: tuple[ModelSpec, ...], *, apart_from: Path | None = None) -> Tree:
    return Tree(
        folder=folder.resolve(),
        models=models,
        declarations={model.name: declaration_of(model) for model in models},
        apart_from=apart_from.resolve() if apart_from else None,
    )


def _manifest_of(project: Path) -> Manifest:
    path = find_manifest(project)
    if path is None:
        raise ManifestError(listing.no_manifest(project), hint=listing.HOW_TO_BEGIN)
    return _read_manifest(path, project)


def _read_manifest(path: Path, project: Path) -> Manifest:
    return read_manifest(_text(path), path.relative_to(project).as_posix())


def _chosen(
    models: Sequence[ModelSpec], *, among: Sequence[str], settings: ReportSettings
) -> tuple[ModelSpec, ...]:
    """The models that `--model` and `--shard` leave, with the command line's overrides.

    Shards are dealt from the sorted names of both sides, so that both see the same deal.
    """
    for name in settings.only:
        if name not in among:
            raise UsageError(f"--model {name}: no such model{did_you_mean(name, among)}")
    index, number = settings.shard or (1, 1)
    dealt = set(sorted(among)[index - 1 :: number])
    wanted = dealt & set(settings.only) if settings.only else dealt
    return tuple(
        replace(model, measure=_overridden(model.measure, settings.overrides))
        for model in models
        if model.name in wanted
    )


def _overridden(measure: Measure, overrides: Overrides) -> Measure:
    return replace(
        measure,
        device=overrides.device or measure.device,
        dtype=overrides.dtype or measure.dtype,
        mode=overrides.mode or measure.mode,
    )


def _names(models: Iterable[ModelSpec]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model.name for model in models))


def _budgets(manifest: Manifest) -> Mapping[str, tuple[Budget, ...]]:
    return {model.name: model.budgets for model in manifest.models}


# From JSON: compare, render, publish, merge -----------------------------------------------------


def compare_snapshots(settings: CompareSettings) -> ExitCode:
    """Compare two snapshots, judge the budgets of a manifest where one is named, and report."""
    base, head = (read_snapshot(_text(path), str(path)) for path in (settings.base, settings.head))
    manifest = settings.manifest
    budgets = _budgets(read_manifest(_text(manifest), str(manifest))) if manifest else {}
    comparison = compare(base, head, budgets)
    _write_files(settings.output_folder, comparison)
    if not settings.quiet:
        print_report(build_view(comparison), report_console())
    return exit_code(comparison, settings.fail_on)


def render(settings: RenderSettings) -> ExitCode:
    """Render a stored comparison or snapshot as Markdown or as a page."""
    template = _text(settings.template) if settings.template else None
    markdown = render_markdown(build_view(_stored(settings.source)), template)
    text = markdown if settings.format == "markdown" else render_page(markdown, listing.TITLE)
    if settings.output is None:
        sys.stdout.write(text)
    else:
        _write(settings.output, text)
    return ExitCode.FINE


def publish(settings: PublishSettings) -> ExitCode:
    """Send a finished comparison to its pull request as one comment."""
    from .publish import comment, github_api

    comparison = read_comparison(_text(settings.comparison), str(settings.comparison))
    template = _text(settings.template) if settings.template else None
    body = render_markdown(build_view(comparison), template)
    target = _comment_target(settings, os.environ)
    with github_api.connect(os.environ) as api:
        if settings.dry_run:
            calls = comment.rehearse(body, target, api)
            sys.stdout.write(listing.calls((call.method, call.path) for call in calls))
        else:
            publication = comment.publish(body, target, api)
            sys.stdout.write(listing.published(publication.action, publication.url))
    return ExitCode.FINE


def _comment_target(settings: PublishSettings, environ: Mapping[str, str]) -> CommentTarget:
    """The pull request that the command line names, else the one this job runs for."""
    from .publish.workflow import pull_request_named, pull_request_of

    if settings.pull_request is not None:
        repository = settings.repository or environ.get("GITHUB_REPOSITORY", "")
        return pull_request_named(repository, settings.pull_request, settings.comment_id)
    target = pull_request_of(environ, settings.comment_id)
    if target is None:
        raise UsageError(
            "no pull request: this is not a job of one, and none is named",
            hint="name it: --repository OWNER/NAME --pull-request N",
        )
    return target


def merge_shards(settings: MergeSettings) -> ExitCode:
    """Join the snapshots of one run's shards into one."""
    shards = {str(path): read_snapshot(_text(path), str(path)) for path in settings.shards}
    if len(shards) < len(settings.shards):
        raise SnapshotError("a shard is named twice")
    _write(settings.output, to_json(merge(shards)))
    return ExitCode.FINE


def _stored(path: Path) -> Comparison:
    text, source = _text(path), str(path)
    if is_comparison(text, source):
        return read_comparison(text, source)
    return compare(None, read_snapshot(text, source), {})


# The project itself: init, validate, doctor -----------------------------------------------------


def init(settings: InitSettings) -> ExitCode:
    """Write a first manifest, from what the project's files look like."""
    from .declare.starter import starter_manifest

    existing = find_manifest(settings.project)
    if existing is not None:
        raise UsageError(f"{existing} is there already", hint="Edit it; nothing was written.")
    path = settings.project / "modelperf.toml"
    _write(path, starter_manifest(settings.project))
    sys.stdout.write(listing.written_manifest(path))
    return ExitCode.FINE


def validate(settings: ValidateSettings) -> ExitCode:
    """Read the project's manifest and list what it declares."""
    sys.stdout.write(listing.manifest(_manifest_of(settings.project)))
    return ExitCode.FINE


def doctor(settings: DoctorSettings) -> ExitCode:
    """Say what a report would run on, and what stands in its way."""
    project, base = settings.project, settings.base
    looks: dict[str, Callable[[], str]] = {
        "head": lambda: describe_head(project).how or "",
        "manifest": lambda: listing.manifest_line(_manifest_of(project)),
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


# Files ------------------------------------------------------------------------------------------


def _write_files(
    folder: Path,
    comparison: Comparison,
    *,
    head: Snapshot | None = None,
    base: Snapshot | None = None,
) -> None:
    """Everything a run leaves behind; a file of an earlier run that this one has not is removed."""
    markdown = render_markdown(build_view(comparison))
    texts = {
        "head.json": to_json(head) if head else None,
        "base.json": to_json(base) if base else None,
        "comparison.json": to_json(comparison),
        "report.md": markdown,
        "report.html": render_page(markdown, listing.TITLE),
    }
    # Git must not see the folder: a report leaves the checkout as it was.
    _write(folder / ".gitignore", "*\n")
    for name, text in texts.items():
        if text is not None:
            _write(folder / name, text)
        elif head is not None:
            (folder / name).unlink(missing_ok=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error}") from None
