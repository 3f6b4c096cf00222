"""`report` and `profile`: two trees, or one, become snapshots, a comparison and a report."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..compare.budgets import exit_code, uncounted_at_head
from ..compare.delta import compare
from ..declare.manifest import declaration_of, find_manifest, load_manifest
from ..declare.settings import (
    Overrides,
    ProfileSettings,
    ReportSettings,
)
from ..declare.wording import did_you_mean
from ..errors import ExitCode, ManifestError, UsageError
from ..isolate.revisions import checked_out, describe_head, resolve_base
from ..isolate.scratch import sweep_abandoned
from ..isolate.session import (
    Profiled,
    TimingPlan,
    Tree,
    model_names,
    profile_trees,
    start_worker,
)
from ..records import (
    Comparison,
    FailOn,
    Inputs,
    Manifest,
    Measure,
    ModelResult,
    ModelSpec,
    Revision,
    Snapshot,
)
from ..render import listing
from ..render.consoles import report_console, status_console
from ..render.progress import progress
from ..render.terminal import print_profile, print_report
from ..render.view import build_view
from ..snapshot import (
    SCHEMA,
    THIS_TOOL,
)
from .files import budgets_of, check_output_folder, manifest_of, write_run


def report(settings: ReportSettings) -> ExitCode:
    """Profile the project's models, at the base too where one is named, and report."""
    check_output_folder(settings.output_folder, settings.project)
    manifest = manifest_of(settings.project)
    with _side_by_side(settings, manifest) as sides:
        head, base = _profile(sides, settings)
    comparison = compare(base, head, budgets_of(manifest))
    write_run(settings.output_folder, comparison, head=head, base=base)
    if settings.layer_trees and not settings.quiet:
        print_profile(head, report_console(), settings.depth, settings.columns)
    elif not settings.quiet:
        print_report(build_view(comparison), report_console())
    return _verdict(comparison, settings.fail_on, settings.strict)


def profile(settings: ProfileSettings) -> ExitCode:
    """Profile the one model that the command line names, without a manifest."""
    if settings.output_folder is not None:
        check_output_folder(settings.output_folder, settings.project)
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
    _require_inputs(settings, head.models[0])
    comparison = compare(None, head, {})
    if settings.output_folder is not None:
        write_run(settings.output_folder, comparison, head=head, base=None)
    if not settings.quiet:
        print_profile(head, report_console(), settings.depth, settings.columns)
    return _verdict(comparison, "never", settings.strict)


def _require_inputs(settings: ProfileSettings, result: ModelResult) -> None:
    """The likeliest first mistake: a forward that takes arguments, and no `--input`."""
    said = result.error.message if result.error is not None else ""
    if settings.inputs != Inputs() or "required positional argument" not in said:
        return
    raise UsageError(
        f"{settings.target}: {said}",
        hint="say what the forward is called with, as in --input 1x3x224x224 "
        "or --input tokens=1x128:int64:0:32000",
    )


def _verdict(comparison: Comparison, fail_on: FailOn, strict: bool) -> ExitCode:
    if strict:
        # Said even when nothing else is: with --quiet too the exit code needs its reason.
        sys.stderr.write(listing.uncounted(uncounted_at_head(comparison).values()))
    return exit_code(comparison, fail_on, strict=strict)


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
        among = _names(manifest.models)
        models = choose(manifest.models, among=among)
        yield _Sides(
            head=_tree(settings.project, models),
            head_revision=head_revision,
            notes=_of_shard(settings.shard, models, among),
        )
        return
    base_revision = resolve_base(settings.project, settings.base)
    with checked_out(settings.project, base_revision) as folder:
        found = _base_manifest(folder, manifest)
        among = _names((*manifest.models, *found.models))
        models = choose(manifest.models, among=among)
        base_models = choose(found.models, among=among)
        yield _Sides(
            head=_tree(settings.project, models),
            head_revision=head_revision,
            base=_tree(folder, base_models, apart_from=settings.project),
            base_revision=base_revision,
            base_borrows_manifest=found.is_borrowed,
            notes=(*found.notes, *_of_shard(settings.shard, (*models, *base_models), among)),
        )


def _of_shard(
    shard: tuple[int, int] | None, models: Sequence[ModelSpec], among: Sequence[str]
) -> tuple[str, ...]:
    if shard is None or models:
        return ()
    return (listing.empty_shard(*shard, len(among)),)


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
            return _BaseModels(models=load_manifest(path, folder).models)
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
        return replace(snapshot, notes=sides.notes), None
    models = _without_absent(base.models) if sides.base_borrows_manifest else base.models
    return snapshot, replace(_snapshot(base, models, sides.base_revision), notes=sides.notes)


def _without_absent(results: Iterable[ModelResult]) -> tuple[ModelResult, ...]:
    """Without the models whose target the base does not have: held against it they are new."""
    return tuple(
        result for result in results if result.error is None or result.error.stage != "target"
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
