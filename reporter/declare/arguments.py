"""The command line → Settings: parsed and checked once, at the door.

Only argparse and records here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..errors import UsageError
from ..records import Json
from .settings import (
    COLUMNS,
    OUTPUT_FOLDER,
    CompareSettings,
    DoctorSettings,
    InitSettings,
    MergeSettings,
    Overrides,
    ProfileSettings,
    PublishSettings,
    RenderSettings,
    ReportSettings,
    Settings,
    ValidateSettings,
)
from .wording import did_you_mean


def parse_arguments(argv: Sequence[str]) -> Settings:
    """The settings that the command line asks for; without a command, `report`'s.

    Raises:
        UsageError: an argument that is not one, or does not read.
        SystemExit: after `--help` and `--version`, with code 0.
    """
    arguments = _parser().parse_args(_with_command(argv))
    settings: Settings = arguments.make(arguments)
    return settings


class _Parser(argparse.ArgumentParser):
    """Raises our own error, so that every mistake ends in one place."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(message, hint=f"see: {self.prog} --help")


def _with_command(argv: Sequence[str]) -> list[str]:
    for_all = {"-h", "--help", "--version"}
    if argv and (argv[0] in _COMMANDS or argv[0] in for_all):
        return list(argv)
    if argv and not argv[0].startswith("-"):
        return list(argv)
    return ["report", *argv]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="modelperf-report",
        description="What a change does to the cost of a repository's PyTorch models: FLOPs, "
        "MAdd, parameters, memory, latency and throughput, layer by layer, against the base.",
        epilog="Without a command: report. Exit codes: 0 fine, 1 a budget broken or a regression "
        "(as --fail-on says), 2 a mistake in the manifest or the arguments, 3 some model could "
        "not be profiled, 4 could not publish.",
    )
    parser.add_argument("--version", action="version", version=f"modelperf-report {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", parser_class=_Parser, required=True
    )
    for name, (summary, add) in _COMMANDS.items():
        add(commands.add_parser(name, help=summary, description=summary))
    return parser


# One function a command: its arguments, and the settings made of them ----------------------------


def _report(parser: argparse.ArgumentParser) -> None:
    _project(parser)
    parser.add_argument("--base", metavar="REF", help="compare with where HEAD left this branch")
    _output_folder(parser, OUTPUT_FOLDER)
    _fail_on(parser)
    _selection(parser)
    _measuring(parser)
    parser.set_defaults(make=_report_settings, layer_trees=False, depth=2, columns=())


def _report_settings(given: argparse.Namespace) -> ReportSettings:
    return ReportSettings(
        project=given.directory,
        output_folder=given.directory / given.output_dir,
        base=given.base,
        fail_on=given.fail_on,
        static=given.static,
        quiet=given.quiet,
        seconds=given.seconds,
        timeout_s=given.timeout,
        strict=given.strict,
        only=tuple(given.model),
        shard=given.shard,
        overrides=_overrides(given),
        layer_trees=given.layer_trees,
        depth=given.depth,
        columns=given.columns,
    )


def _profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="module:attribute of one model; no manifest"
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]SHAPE[:DTYPE[:LOW:HIGH]]",
        help="one input of TARGET, as 1x3x224x224 or tokens=1x128:int64:0:32000; repeatable",
    )
    parser.add_argument(
        "--kwargs", type=_json_object, default={}, metavar="JSON", help="arguments of TARGET itself"
    )
    parser.add_argument(
        "--depth", type=_depth, default=2, help="levels of the layer tree to print, or all"
    )
    parser.add_argument(
        "--columns",
        type=_columns,
        default=(),
        metavar="NAME,…",
        help=f"columns of the layer tree, of {', '.join(COLUMNS)} (default: what has room)",
    )
    _project(parser)
    _output_folder(parser, None)
    _selection(parser)
    _measuring(parser)
    parser.set_defaults(make=_profile_settings, layer_trees=True, base=None, fail_on="never")


def _profile_settings(given: argparse.Namespace) -> ReportSettings | ProfileSettings:
    if given.target is None:
        if given.input or given.kwargs:
            raise UsageError("--input and --kwargs describe a TARGET, and there is none")
        given.output_dir = given.output_dir or OUTPUT_FOLDER
        return _report_settings(given)
    if given.model or given.shard:
        raise UsageError("--model and --shard choose from a manifest, but a TARGET is named")
    from .inputs import parse_input_arguments
    from .targets import parse_target_argument

    return ProfileSettings(
        project=given.directory,
        target=parse_target_argument(given.target),
        inputs=parse_input_arguments(given.input),
        kwargs=given.kwargs,
        output_folder=given.directory / given.output_dir if given.output_dir else None,
        static=given.static,
        quiet=given.quiet,
        seconds=given.seconds,
        timeout_s=given.timeout,
        strict=given.strict,
        overrides=_overrides(given),
        depth=given.depth,
        columns=given.columns,
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", type=Path, metavar="BASE.json")
    parser.add_argument("head", type=Path, metavar="HEAD.json")
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="judge the budgets of this manifest"
    )
    _output_folder(parser, OUTPUT_FOLDER)
    _fail_on(parser)
    _quiet(parser)
    parser.set_defaults(
        make=lambda given: CompareSettings(
            base=given.base,
            head=given.head,
            output_folder=Path(given.output_dir),
            manifest=given.manifest,
            fail_on=given.fail_on,
            quiet=given.quiet,
        )
    )


def _render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="FILE.json", help="a comparison or snapshot")
    parser.add_argument("--format", choices=("markdown", "html"), default="markdown")
    _template(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    parser.set_defaults(
        make=lambda given: RenderSettings(
            source=given.source,
            format=given.format,
            template=given.template,
            output=given.output,
        )
    )


def _publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "comparison",
        type=Path,
        nargs="?",
        default=Path(OUTPUT_FOLDER) / "comparison.json",
        metavar="COMPARISON.json",
    )
    parser.add_argument("--repository", metavar="OWNER/NAME", help="else GITHUB_REPOSITORY")
    parser.add_argument("--pull-request", type=int, metavar="N", help="else the event's")
    parser.add_argument(
        "--comment-id", default="default", help="which of several reports on one pull request"
    )
    _template(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the calls, write nothing")
    parser.set_defaults(
        make=lambda given: PublishSettings(
            comparison=given.comparison,
            repository=given.repository,
            pull_request=given.pull_request,
            comment_id=given.comment_id,
            template=given.template,
            dry_run=given.dry_run,
        )
    )


def _merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARD.json")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.set_defaults(
        make=lambda given: MergeSettings(shards=tuple(given.shards), output=given.output)
    )


def _init(parser: argparse.ArgumentParser) -> None:
    _project(parser)
    parser.set_defaults(make=lambda given: InitSettings(project=given.directory))


def _validate(parser: argparse.ArgumentParser) -> None:
    _project(parser)
    parser.set_defaults(make=lambda given: ValidateSettings(project=given.directory))


def _doctor(parser: argparse.ArgumentParser) -> None:
    _project(parser)
    parser.add_argument("--base", metavar="REF", help="explain how this base would be got")
    parser.set_defaults(make=lambda given: DoctorSettings(project=given.directory, base=given.base))


_COMMANDS = {
    "report": ("profile the working tree, with --base the base too, and report", _report),
    "profile": ("profile one tree, or one model named on the line", _profile),
    "compare": ("compare two snapshots; needs no torch", _compare),
    "render": ("from JSON to Markdown or HTML", _render),
    "publish": ("send a finished comparison to a pull request", _publish),
    "merge": ("join the snapshots of one run's shards", _merge),
    "init": ("write a first manifest", _init),
    "validate": ("check the manifest", _validate),
    "doctor": ("explain environment, manifest and base", _doctor),
}


# Arguments that several commands share ----------------------------------------------------------


def _project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        *("-C", "--directory"),
        type=_folder,
        default=Path(),
        metavar="DIR",
        help="the project, where the manifest is (default: here)",
    )


def _output_folder(parser: argparse.ArgumentParser, default: str | None) -> None:
    shown = f"default {default}" if default else "default none with a TARGET"
    parser.add_argument(
        "--output-dir", default=default, metavar="DIR", help=f"where the files go ({shown})"
    )


def _fail_on(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-on",
        choices=("budget", "regression", "never"),
        default="budget",
        help="what makes the exit code 1 (default: budget)",
    )


def _selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument(
        "--shard", type=_shard, metavar="I/N", help="only the I-th of N parts of the models"
    )


def _measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--static", action="store_true", help="exact costs only, no timing")
    parser.add_argument(
        "--seconds",
        type=_positive,
        default=1.0,
        metavar="S",
        help="seconds measured per model, side and timed metric (default: 1)",
    )
    parser.add_argument(
        "--timeout",
        type=_positive,
        default=600.0,
        metavar="S",
        help="the longest that one step of one model may take (default: 600)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="operations without a formula are an error (code 3)"
    )
    parser.add_argument(
        "--device", type=_device, help="auto, cpu, cuda or cuda:N, in place of the manifest's"
    )
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16", "model"))
    parser.add_argument("--mode", choices=("inference", "train"))
    _quiet(parser)


def _quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no report printed")


def _template(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--template", type=Path, metavar="FILE", help="your own Jinja template")


def _overrides(given: argparse.Namespace) -> Overrides:
    return Overrides(device=given.device, dtype=given.dtype, mode=given.mode)


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _device(text: str) -> str:
    from .tables import check_device

    try:
        return check_device(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _depth(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of levels nor 'all'")
    return int(text)


def _columns(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in COLUMNS:
            near = did_you_mean(name, COLUMNS)
            raise argparse.ArgumentTypeError(f"no column {name!r}; {', '.join(COLUMNS)}{near}")
    return names


def _shard(text: str) -> tuple[int, int]:
    index, _, number = text.partition("/")
    if not (index.isdigit() and number.isdigit() and 1 <= int(index) <= int(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with 1 <= I <= N, as in 2/4")
    return int(index), int(number)


def _no_json_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _json_object(text: str) -> dict[str, Json]:
    try:
        value = json.loads(text, parse_constant=_no_json_number)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("not a JSON object, as in '{\"num_classes\": 10}'")
    return value
