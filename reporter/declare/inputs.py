"""One input of a model: what its entry in the manifest, or `--input` on the command line, says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..records import Dimension, Inputs, InputSpec, Json
from .wording import choice, did_you_mean, shown

_INTEGER_RANGES: Mapping[str, tuple[int, int]] = {
    "uint8": (0, 2**8),
    "int8": (-(2**7), 2**7),
    "int16": (-(2**15), 2**15),
    "int32": (-(2**31), 2**31),
    "int64": (-(2**63), 2**63),
}
_FLOATS = ("float32", "float16", "bfloat16", "float64")
DTYPES = (*_FLOATS, *_INTEGER_RANGES, "bool", "complex64")
"""The dtypes a tensor may be declared with, by torch's own names."""

DTYPE_ALIASES: Mapping[str, str] = {
    "float": "float32",
    "fp32": "float32",
    "half": "float16",
    "fp16": "float16",
    "bf16": "bfloat16",
    "double": "float64",
    "byte": "uint8",
    "char": "int8",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "boolean": "bool",
    "cfloat": "complex64",
    "complex": "complex64",
}
"""What else the dtypes are called; refused, because two names would make two declarations."""

EXAMPLE_ENTRY = '{ shape = ["batch", 3, 224, 224] }'
_EXAMPLE_ARGUMENT = "1x3x224x224, Bx128:int64:0:32000 or tokens=Bx128:int64:0:32000"
_BATCH_WORDS = ("B", "batch")
_DIMENSION_ALIASES = {"b": "batch", "n": "batch", "bs": "batch", "batch_size": "batch"}


def input_spec(entry: Mapping[str, Json]) -> InputSpec:
    """One input from the keys of its entry; a `high` alone starts at 0.

    Raises:
        ValueError: the keys contradict each other, or a range does not fit the dtype.
    """
    match ("shape" in entry, "value" in entry):
        case (True, False):
            return _random_tensor(entry)
        case (False, True):
            return _literal(entry)
        case (True, True):
            raise ValueError("shape and value exclude each other: random values, or these")
    raise ValueError(f"expected shape or value, as in {EXAMPLE_ENTRY} or {{ value = 0.5 }}")


def parse_input_argument(text: str) -> tuple[str | None, InputSpec]:
    """What `--input [NAME=]SHAPE[:DTYPE[:LOW:HIGH]]` declares, and its keyword if it has one.

    The shape's dimensions are joined by `x`; `B` or `batch` stands for the batch size.

    Raises:
        UsageError: the argument does not read so.
    """
    keyword, equals, rest = text.rpartition("=")
    try:
        if equals and not keyword.isidentifier():
            raise ValueError(f"expected an argument name before =, found {shown(keyword)}")
        return keyword or None, input_spec(_argument_entry(*rest.split(":")))
    except (ValueError, TypeError) as error:
        reason = str(error) if isinstance(error, ValueError) else "too many colons"
        raise UsageError(f"--input {text}: {reason}", hint=f"Write {_EXAMPLE_ARGUMENT}.") from None


def parse_input_arguments(texts: Iterable[str]) -> Inputs:
    """All `--input` of one command line, in order.

    Raises:
        UsageError: one does not read, or two have the same keyword.
    """
    positional: list[InputSpec] = []
    keyword: dict[str, InputSpec] = {}
    for name, spec in map(parse_input_argument, texts):
        if name is None:
            positional.append(spec)
        elif name in keyword:
            raise UsageError(f"--input {name}=…: given twice", hint="Keep one of them.")
        else:
            keyword[name] = spec
    return Inputs(positional=tuple(positional), keyword=keyword)


def check_dtype(value: Json) -> str:
    """The value itself, when it is one of `DTYPES`.

    Raises:
        ValueError: it is not.
    """
    bare = value.removeprefix("torch.") if isinstance(value, str) else value
    if bare != value and bare in DTYPES:
        raise ValueError(f'expected a dtype without its module, found "{value}"; write "{bare}"')
    return choice(value, DTYPES, DTYPE_ALIASES)


def check_dimension(value: Json) -> Dimension:
    """The value itself, when it is `"batch"` or a length.

    0 is a length: an empty cache of past keys is a tensor that models are really called with.

    Raises:
        ValueError: it is neither.
    """
    if value == "batch":
        return "batch"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    hint = did_you_mean(value, ("batch",), _DIMENSION_ALIASES) if isinstance(value, str) else ""
    raise ValueError(f'expected a whole number from 0, or "batch", found {shown(value)}{hint}')


def check_bound(value: Json) -> float:
    """The value itself, when it is a finite number; whole numbers stay whole.

    Raises:
        ValueError: it is not.
    """
    if _is_number(value) and math.isfinite(value):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"expected a number, found {shown(value)}")


def check_json(value: Json) -> Json:
    """The value itself, when JSON can carry it.

    Raises:
        ValueError: a date, a time, an infinity or a NaN is in it.
    """
    match value:
        case bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [check_json(item) for item in value]
        case dict():
            return {key: check_json(item) for key, item in value.items()}
    raise ValueError(
        f"expected strings, finite numbers, booleans, arrays or tables of such, "
        f"found {shown(value)}; make it in a function and name that as the target"
    )


def _random_tensor(entry: Mapping[str, Json]) -> InputSpec:
    dtype, low, high = entry.get("dtype"), entry.get("low"), entry.get("high")
    if high is None and low is not None:
        raise ValueError(f"low = {shown(low)} needs a high beside it")
    if high is not None:
        low = 0 if low is None else low
        _check_range(dtype, low, high)
    return InputSpec(shape=tuple(entry["shape"]), dtype=dtype, low=low, high=high)


def _check_range(dtype: str | None, low: float, high: float) -> None:
    if dtype in ("bool", "complex64"):
        raise ValueError(f"low and high mean nothing for {dtype}; leave them out")
    if low >= high:
        raise ValueError(f"low = {low} must be below high = {high} (values are low <= x < high)")
    if dtype is None or dtype not in _INTEGER_RANGES:
        return
    if not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError(f"low = {low} and high = {high} must be whole numbers for {dtype}")
    least, end = _INTEGER_RANGES[dtype]
    if low < least or high > end:
        raise ValueError(f"{low} <= x < {high} does not fit {dtype}, {least} to {end - 1}")


def _literal(entry: Mapping[str, Json]) -> InputSpec:
    ranged = [key for key in ("low", "high") if key in entry]
    if ranged:
        raise ValueError(f"{' and '.join(ranged)} bound random values; a value has none")
    if "dtype" in entry:
        _tensor_shape(entry["value"])
    return InputSpec(value=entry["value"], dtype=entry.get("dtype"), has_value=True)


def _tensor_shape(value: Json) -> tuple[int, ...]:
    if isinstance(value, bool) or _is_number(value):
        return ()
    if not isinstance(value, list):
        raise ValueError(
            f"a value with a dtype becomes a tensor, so it must be a number or nested arrays of "
            f"numbers, found {shown(value)}; without the dtype it is handed over as it is"
        )
    inner = {_tensor_shape(item) for item in value}
    if len(inner) > 1:
        raise ValueError(f"{shown(value)} cannot become a tensor: its rows differ in length")
    return (len(value), *next(iter(inner), ()))


def _argument_entry(
    shape: str, dtype: str | None = None, low: str | None = None, high: str | None = None
) -> dict[str, Any]:
    if "," in shape:
        raise ValueError(
            f'expected dimensions joined by x; did you mean "{shape.replace(",", "x")}"?'
        )
    entry: dict[str, Any] = {"shape": [_argument_dimension(part) for part in shape.split("x")]}
    if dtype is not None:
        entry["dtype"] = check_dtype(dtype)
    if low is not None:
        entry |= {"low": _argument_number("low", low)}
    if high is not None:
        entry |= {"high": _argument_number("high", high)}
    return entry


def _argument_dimension(part: str) -> Dimension:
    if part in _BATCH_WORDS:
        return "batch"
    if part.isascii() and part.isdigit():
        return int(part)
    raise ValueError(f'expected a length, "B" or "batch" in the shape, found {shown(part)}')


def _argument_number(key: str, text: str) -> float:
    for read in (int, float):
        try:
            return check_bound(read(text))
        except ValueError:
            continue
    raise ValueError(f"expected a number for {key}, found {shown(text)}")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
