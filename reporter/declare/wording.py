"""How a mistake is worded: a value as TOML would write it, and the nearest word that is known."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping

from ..records import Json

_LONGEST_SHOWN = 60
_NO_ALIASES: Mapping[str, str] = {}


def shown(value: Json) -> str:
    """A value the way its author wrote it in TOML, cut where it is long."""
    text = _toml(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def did_you_mean(found: str, known: Iterable[str], aliases: Mapping[str, str] = _NO_ALIASES) -> str:
    """A clause to end a message with: the nearest known word, or nothing where none is near.

    Args:
        found: the word that is not known.
        known: the words that are.
        aliases: what other tools call the known ones, in lower case.
    """
    near = nearest(found, known, aliases)
    return "" if near is None else f'; did you mean "{near}"?'


def nearest(
    found: str, known: Iterable[str], aliases: Mapping[str, str] = _NO_ALIASES
) -> str | None:
    """The known word that `found` most likely stands for, None where none is near."""
    by_lower = {word.lower(): word for word in known}
    lower = found.strip().lower()
    if lower in aliases:
        return aliases[lower]
    matches = difflib.get_close_matches(lower, by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def choice(value: Json, known: Iterable[str], aliases: Mapping[str, str] = _NO_ALIASES) -> str:
    """The value itself, when it is one of the known words.

    Raises:
        ValueError: it is not; the message lists the words.
    """
    known = tuple(known)
    if isinstance(value, str) and value in known:
        return value
    hint = did_you_mean(value, known, aliases) if isinstance(value, str) else ""
    raise ValueError(f"expected {listed(known)}, found {shown(value)}{hint}")


def listed(words: Iterable[str]) -> str:
    """Words in quotes, as in `"a", "b" or "c"`."""
    quoted = [f'"{word}"' for word in words]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _toml(value: Json) -> str:
    match value:
        case dict():
            pairs = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
