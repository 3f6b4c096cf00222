"""The commands that work on stored JSON: `compare`, `render`, `publish`, `merge`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..compare.budgets import exit_code
from ..compare.delta import compare
from ..declare.manifest import load_manifest
from ..declare.settings import (
    CompareSettings,
    MergeSettings,
    PublishSettings,
    RenderSettings,
)
from ..errors import ExitCode, SnapshotError, UsageError
from ..records import (
    Comparison,
)
from ..render import listing
from ..render.consoles import report_console
from ..render.document import render_markdown
from ..render.page import render_page
from ..render.terminal import print_report
from ..render.view import build_view
from ..snapshot import (
    is_comparison,
    merge,
    read_comparison,
    read_snapshot,
    to_json,
)
from .files import budgets_of, check_output_folder, read, write, write_run

if TYPE_CHECKING:
    from ..publish.comment import CommentTarget


def compare_snapshots(settings: CompareSettings) -> ExitCode:
    """Compare two snapshots, judge the budgets of a manifest where one is named, and report."""
    base, head = (read_snapshot(read(path), str(path)) for path in (settings.base, settings.head))
    manifest = settings.manifest
    budgets = budgets_of(load_manifest(manifest, Path())) if manifest else {}
    check_output_folder(settings.output_folder, Path())
    comparison = compare(base, head, budgets)
    write_run(settings.output_folder, comparison)
    if not settings.quiet:
        print_report(build_view(comparison), report_console())
    return exit_code(comparison, settings.fail_on)


def render(settings: RenderSettings) -> ExitCode:
    """Render a stored comparison or snapshot as Markdown or as a page."""
    template = read(settings.template) if settings.template else None
    markdown = render_markdown(build_view(_stored(settings.source)), template)
    text = markdown if settings.format == "markdown" else render_page(markdown, listing.TITLE)
    if settings.output is None:
        sys.stdout.write(text)
    else:
        write(settings.output, text)
    return ExitCode.FINE


def publish(settings: PublishSettings) -> ExitCode:
    """Send a finished comparison to its pull request as one comment."""
    from ..publish import comment, github_api

    comparison = read_comparison(read(settings.comparison), str(settings.comparison))
    template = read(settings.template) if settings.template else None
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
    from ..publish.workflow import pull_request_named, pull_request_of

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
    shards = {str(path): read_snapshot(read(path), str(path)) for path in settings.shards}
    if len(shards) < len(settings.shards):
        raise SnapshotError("a shard is named twice")
    write(settings.output, to_json(merge(shards)))
    return ExitCode.FINE


def _stored(path: Path) -> Comparison:
    text, source = read(path), str(path)
    if is_comparison(text, source):
        return read_comparison(text, source)
    return compare(None, read_snapshot(text, source), {})
