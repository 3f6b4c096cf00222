"""The manifest's tables as pydantic models: its structure, and the JSON Schema made from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    create_model,
    model_validator,
)
from pydantic_core import core_schema

from ..metrics import METRICS, Metric
from ..records import Budget, Dimension, Dtype, Json, Measure, Mode
from . import budgets, inputs
from .targets import EXAMPLE, check_target
from .wording import choice, shown

_DEVICES = ("auto", "cpu", "cuda", "cuda:0")
_DEVICE_PATTERN = r"^(auto|cpu|cuda(:(0|[1-9][0-9]*))?)$"
_TARGET_PATTERN = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
_IDENTIFIER_PATTERN = r"^[^\W\d]\w*$"
_OPERATION_PATTERN = r"^\w+::\w+$"
_OPERATION_EXAMPLE = '"mylib::fused_gelu"'


@dataclass(frozen=True, slots=True, eq=False)
class _Leaf:
    """A value that its own check judges and words the error of; the schema serves editors."""

    check: Callable[[Json], Json]
    schema: Mapping[str, Json]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Json]:
        return dict(self.schema)


def _one_of(words: tuple[str, ...], aliases: Mapping[str, str]) -> _Leaf:
    return _Leaf(lambda value: choice(value, words, aliases), {"enum": list(words)})


def _check_name(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'expected a name such as "resnet50", found {shown(value)}')
    if value != value.strip() or not value.isprintable():
        raise ValueError(
            f"expected a name on one line without space around it, found {shown(value)}"
        )
    return value


def _check_argument_name(value: Json) -> str:
    if isinstance(value, str) and value.isidentifier():
        return value
    raise ValueError(f"expected the name of an argument of forward, found {shown(value)}")


def _check_not_one_entry(value: Json) -> Json:
    if any(key in value and not isinstance(value[key], dict) for key in ("shape", "value")):
        raise ValueError(
            f"expected inputs by keyword, found the entry of one input; "
            f"for one positional input write inputs = [{shown(value)}]"
        )
    return value


def check_device(value: Json) -> str:
    """The value itself, when it names a device.

    Raises:
        ValueError: it does not; the message suggests what was probably meant.
    """
    if isinstance(value, str) and re.fullmatch(_DEVICE_PATTERN, value):
        return value
    return choice(value, _DEVICES, {"gpu": "cuda"})


def _check_batch(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"expected a whole number from 1, found {shown(value)}")


def _check_kwargs(value: Json) -> Json:
    if isinstance(value, dict):
        return inputs.check_json(value)
    raise ValueError(f"expected a table such as {{ num_classes = 1000 }}, found {shown(value)}")


def _check_operation(value: Json) -> str:
    if isinstance(value, str) and re.fullmatch(_OPERATION_PATTERN, value):
        return value
    raise ValueError(
        f"expected an operation with its namespace, such as {_OPERATION_EXAMPLE}, "
        f"found {shown(value)}"
    )


_ARGUMENT_NAME_SCHEMA = {"type": "string", "pattern": _IDENTIFIER_PATTERN}
_MODE_ALIASES = {
    "eval": "inference",
    "infer": "inference",
    "forward": "inference",
    "training": "train",
}

_Name = Annotated[str, _Leaf(_check_name, {"type": "string", "pattern": r"^\S(.*\S)?$"})]
_ArgumentName = Annotated[str, _Leaf(_check_argument_name, _ARGUMENT_NAME_SCHEMA)]
_Target = Annotated[
    str,
    _Leaf(check_target, {"type": "string", "pattern": _TARGET_PATTERN, "examples": [EXAMPLE]}),
]
_Operation = Annotated[
    str, _Leaf(_check_operation, {"type": "string", "pattern": _OPERATION_PATTERN})
]
_Kwargs = Annotated[dict[str, Json], _Leaf(_check_kwargs, {"type": "object"})]
_Device = Annotated[str, _Leaf(check_device, {"type": "string", "pattern": _DEVICE_PATTERN})]
_MeasureDtype = Annotated[str, _one_of(get_args(Dtype), inputs.DTYPE_ALIASES)]
_Mode = Annotated[str, _one_of(get_args(Mode), _MODE_ALIASES)]
_Batch = Annotated[int, _Leaf(_check_batch, {"type": "integer", "minimum": 1})]
_Dtype = Annotated[str, _Leaf(inputs.check_dtype, {"enum": list(inputs.DTYPES)})]
_Dimension = Annotated[
    Dimension,
    _Leaf(
        inputs.check_dimension, {"anyOf": [{"const": "batch"}, {"type": "integer", "minimum": 0}]}
    ),
]
_Bound = Annotated[float, _Leaf(inputs.check_bound, {"type": "number"})]
_Value = Annotated[Json, _Leaf(inputs.check_json, {})]


_UNSTATED: Any = None
"""The default of a key whose meaning, when it is left out, is decided elsewhere."""


class Table(BaseModel):
    """A table of the manifest: keys it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def stated(self) -> dict[str, Any]:
        """The keys that the manifest states, without the ones left to their defaults."""
        return {key: getattr(self, key) for key in self.model_fields_set}


class EntryTable(Table):
    """One input: a tensor of random values (`shape`), or a literal (`value`)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["shape"]}, {"required": ["value"]}]}
    )

    shape: list[_Dimension] = Field(
        default_factory=list,
        description='Lengths of the tensor\'s dimensions; "batch" stands for the batch size.',
        examples=[["batch", 3, 224, 224]],
    )
    dtype: _Dtype = Field(
        default=_UNSTATED,
        description="Dtype of the tensor. With a shape and without a dtype, the dtype the model "
        "is measured in. With a value, makes a tensor of it.",
    )
    low: _Bound = Field(
        default=_UNSTATED, description="Smallest random value. Default: 0 where high is given."
    )
    high: _Bound = Field(
        default=_UNSTATED,
        description="Random values stay below this. Default: integers are 0 or 1, floats are "
        "standard normal.",
    )
    value: _Value = Field(
        default=_UNSTATED,
        description="A literal, handed over as it is, or as a tensor when a dtype is given.",
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> EntryTable:
        inputs.input_spec(self.stated())
        return self


class MeasureTable(Table):
    """How models are measured."""

    device: _Device = Field(
        default=_UNSTATED,
        description="auto (a GPU where there is one), cpu, cuda or cuda:N. "
        f"Default: {Measure().device}.",
    )
    dtype: _MeasureDtype = Field(
        default=_UNSTATED,
        description="Dtype the parameters and floating inputs are cast to; model leaves them as "
        f"the model's code made them. Default: {Measure().dtype}.",
    )
    mode: _Mode = Field(
        default=_UNSTATED,
        description="inference (forward in evaluation mode) or train (forward and backward). "
        f"Default: {Measure().mode}.",
    )
    latency_batch: _Batch = Field(
        default=_UNSTATED,
        description="Batch size at which costs are counted and latency is timed. "
        f"Default: {Measure().latency_batch}.",
    )
    throughput_batch: _Batch = Field(
        default=_UNSTATED,
        description="Batch size at which throughput is timed. "
        f"Default: {Measure().throughput_batch}.",
    )


def _budget_field(metric: Metric) -> tuple[Any, Any]:
    schema = {
        "anyOf": [
            {"type": "string", "pattern": budgets.pattern_of(metric)},
            {"type": "number", "exclusiveMinimum": 0},
        ],
        "examples": [budgets.example_growth(metric), budgets.example_cap(metric)],
    }
    leaf = _Leaf(partial(budgets.parse_budget, metric.budget_key), schema)
    return (Annotated[Budget, leaf], Field(default=_UNSTATED, description=budgets.describe(metric)))


if TYPE_CHECKING:

    class BudgetTable(Table):
        """Limits on a model's metrics, a key each."""

else:
    BudgetTable = create_model(
        "BudgetTable",
        __base__=Table,
        __doc__="Limits on a model's metrics: on their growth against base, or on the value.",
        **{metric.budget_key: _budget_field(metric) for metric in METRICS},
    )

_BUDGET_AMONG_INPUTS = {
    "anyOf": [{"$ref": "#/$defs/EntryTable"}, {"$ref": "#/$defs/BudgetTable"}],
    "description": "An input called budget, or the model's own budget table.",
}
_INPUT_FORMS = {list: "positional", dict: "keyword", str: "source"}
INPUT_TAGS = tuple(_INPUT_FORMS.values())
"""The three ways to write inputs; pydantic puts them into the location of an error."""

_InputForms = Annotated[
    Annotated[list[EntryTable], Tag("positional")]
    | Annotated[
        dict[_ArgumentName, EntryTable], BeforeValidator(_check_not_one_entry), Tag("keyword")
    ]
    | Annotated[_Target, Tag("source")],
    Discriminator(lambda value: _INPUT_FORMS.get(type(value))),
]


class ModelTable(MeasureTable):
    """One model to profile. Keys of `[measure]` may stand here too and override it."""

    name: _Name = Field(description="What the report calls the model; unique in the manifest.")
    target: _Target = Field(
        description="module:attribute; an nn.Module, or a callable that returns one."
    )
    kwargs: _Kwargs = Field(default_factory=dict, description="Keyword arguments of the callable.")
    inputs: _InputForms = Field(
        description="Arguments of forward: an array of entries (positional), a table of entries "
        "(keyword), or module:attribute of a callable of the batch size."
    )
    measure: MeasureTable = Field(
        default_factory=MeasureTable, description="Overrides of [measure] for this model."
    )
    budget: BudgetTable = Field(
        default_factory=BudgetTable,
        description="Limits for this model, before those of [budget] on the same metric.",
    )


class ManifestTable(Table):
    """What modelperf-report measures in this repository."""

    model: list[ModelTable] = Field(min_length=1, description="The models to profile.")
    measure: MeasureTable = Field(
        default_factory=MeasureTable, description="Defaults for every model."
    )
    budget: BudgetTable = Field(default_factory=BudgetTable, description="Limits for every model.")
    ops: dict[_Operation, _Target] = Field(
        default_factory=dict,
        description="Formulas of your own operators: namespace::name = module:attribute of a "
        "callable of the arguments' and results' shapes.",
        examples=[{"mylib::fused_gelu": "zoo.costs:fused_gelu"}],
    )


def manifest_schema() -> dict[str, Json]:
    """The JSON Schema (draft 2020-12) of `modelperf.toml`, for editors."""
    schema = _without_null_defaults(ManifestTable.model_json_schema())
    forms = schema["$defs"]["ModelTable"]["properties"]["inputs"]["oneOf"]
    keyword = next(form for form in forms if form["type"] == "object")
    keyword.pop("patternProperties")
    keyword |= {
        "properties": {"budget": _BUDGET_AMONG_INPUTS},
        "additionalProperties": {"$ref": "#/$defs/EntryTable"},
        "propertyNames": {"pattern": _IDENTIFIER_PATTERN},
    }
    schema["properties"]["ops"]["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "modelperf.toml",
    }


def _without_null_defaults(schema: Json) -> Json:
    """TOML has no null, so a default of null would only mislead an editor."""
    match schema:
        case dict():
            return {
                key: _without_null_defaults(item)
                for key, item in schema.items()
                if not (key == "default" and item is None)
            }
        case list():
            return [_without_null_defaults(item) for item in schema]
    return schema
