"""A view and a template become Markdown; templates arrange and never decide."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import TemplateError
from .parts import ReportView

REPORT = "report.md.j2"
_USERS = "<the template given>"


def templates_folder() -> Path:
    """Our templates: inside the package once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def render_markdown(view: ReportView, template: str | None = None) -> str:
    """The report as Markdown.

    Args:
        view: What to say.
        template: The text of a user's own template; it sees `view`, runs in a sandbox, and may
            include ours (`{% include "_table.md.j2" %}`). None takes our own.

    Returns:
        Markdown in GitHub's dialect, ending in one newline.

    Raises:
        TemplateError: The user's template is not a template or does not render.
    """
    if template is None:
        return _tidy(our_environment().get_template(REPORT).render(view=view))
    try:
        return _tidy(_sandbox().from_string(template).render(view=view))
    except TemplateSyntaxError as error:
        where = f"{error.name or _USERS}, line {error.lineno}"
        raise TemplateError(f"{where}: {error.message}", hint=_HINT) from error
    except Exception as error:
        raise TemplateError(f"{_where(error)}: {error}", hint=_HINT) from error


_HINT = "Start from our own templates/report.md.j2; docs/templates.md lists what `view` holds."


def _where(error: Exception) -> str:
    """The last line of the template that was being rendered, as far as jinja2 can tell."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    kind = "" if isinstance(error, JinjaError) else f" ({type(error).__name__})"
    return f"{_USERS}{kind}" if line is None else f"{_USERS}, line {line}{kind}"


def _tidy(text: str) -> str:
    return text.strip("\n") + "\n"


@cache
def our_environment() -> Environment:
    """Jinja for our own templates."""
    # Every value a template prints is safe Markdown already, and HTML escaping would break it.
    return Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _sandbox() -> Environment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
