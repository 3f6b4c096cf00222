"""The user's own formulas: resolved in the user's tree, called like the built-in rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..records import ModelError
from .failures import ProfileFailure, failure, user_traceback
from .load import resolve
from .op_rules.work import Arguments, Rule, Shape, Work

Formulas = Mapping[str, Rule]

_EXPECTED = "expected the MAdd as an int, (macs, madds), or {'macs': …, 'madds': …}"


def own_formulas(declared: Mapping[str, str]) -> Formulas:
    """Operation → rule, for operation → `module:attribute`.

    Raises:
        ProfileFailure: stage `import`: a formula does not import, or is not callable.
    """
    return {name: _rule(name, target, resolve(target)) for name, target in declared.items()}


def _rule(name: str, target: str, function: Any) -> Rule:
    entry = f'[ops] "{name}" = "{target}"'
    if not callable(function):
        raise failure("import", f"{entry} is of type {type(function).__name__}, not a callable")

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        returned = _called(function, entry, arg, out)
        work = _work(returned)
        if work is None:
            raise failure("forward", f"{entry} returned {returned!r}; {_EXPECTED}")
        return work

    return rule


def _called(function: Callable[..., Any], entry: str, *given: Any) -> Any:
    try:
        return function(*given)
    except Exception as error:
        raise ProfileFailure(
            ModelError(
                stage="forward",
                message=f"{entry} raised {type(error).__name__}: {error}",
                traceback=user_traceback(error),
            )
        ) from error


def _work(returned: Any) -> Work | None:
    """None where it is nothing that a formula may return."""
    if isinstance(returned, Mapping):
        if not {"madds"} <= returned.keys() <= {"macs", "madds"}:
            return None
        returned = (returned.get("macs", 0), returned["madds"])
    if _is_count(returned):
        returned = (0, returned)
    if not isinstance(returned, tuple) or len(returned) != 2 or not all(map(_is_count, returned)):
        return None
    return Work(*returned)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
