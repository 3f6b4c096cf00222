"""The `module:attribute` notation that names a model or an input callable."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..records import Json
from .wording import shown

_PATH_SUFFIX = re.compile(r"\.py(?=:|$)")
_CALL = re.compile(r"\(.*\)$")

EXAMPLE = "zoo.resnet:resnet50"


def check_target(value: Json) -> str:
    """The value itself, when it is `module:attribute`; the attribute may be dotted.

    Raises:
        ValueError: it is not; the message suggests what was probably meant.
    """
    if isinstance(value, str) and _is_target(value):
        return value
    mend = _mended(value) if isinstance(value, str) else None
    hint = f'; did you mean "{mend}"?' if mend else ""
    raise ValueError(f'expected "module:attribute" such as "{EXAMPLE}", found {shown(value)}{hint}')


def parse_target_argument(text: str) -> str:
    """The target named on the command line.

    Raises:
        UsageError: it is not `module:attribute`.
    """
    try:
        return check_target(text)
    except ValueError as error:
        raise UsageError(f"TARGET: {error}") from None


def _is_target(text: str) -> bool:
    module, colon, attribute = text.partition(":")
    return bool(colon) and _is_dotted(module) and _is_dotted(attribute)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _mended(text: str) -> str | None:
    dotted = _CALL.sub("", _PATH_SUFFIX.sub("", text.strip()).replace("/", ".")).lstrip(".")
    if ":" not in dotted:
        module, _, attribute = dotted.rpartition(".")
        dotted = f"{module}:{attribute}"
    return dotted if _is_target(dotted) else None
