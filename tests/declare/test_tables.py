"""The JSON Schema: current, valid, and of one mind with the code."""

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reporter.declare.manifest import read_manifest
from reporter.declare.tables import BudgetTable, manifest_schema
from reporter.errors import ManifestError
from reporter.metrics import BY_BUDGET_KEY

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "manifest.schema.json"

DESIGN_EXAMPLE = """
[[model]]
name   = "resnet50"
target = "zoo.resnet:resnet50"
kwargs = { num_classes = 1000 }
inputs = [{ shape = ["batch", 3, 224, 224] }]

[[model]]
name   = "captioner"
target = "zoo.captioner:build"
[model.inputs]
detections = { shape = ["batch", 50, 2048] }
boxes      = { shape = ["batch", 50, 4] }
grids      = { shape = ["batch", 49, 2048] }
masks      = { shape = ["batch", 50, 49] }
captions   = { shape = ["batch", 19], dtype = "int64", low = 0, high = 10000 }
budget     = { latency = "+5%", macs = "+0%" }

[[model]]
name   = "llm"
target = "zoo.llm:build"
inputs = "zoo.llm:example_inputs"

[measure]
device = "auto"
dtype  = "float32"
mode   = "inference"
latency_batch = 1

[budget]
params = "+1%"
macs   = "+0%"
latency = "+10%"
peak   = "16 GiB"
"""
MODEL = '[[model]]\nname = "a"\ntarget = "zoo:a"\n'


def test_the_schema_file_is_current():
    regenerate = (
        "regenerate it: json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + newline"
    )
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == manifest_schema(), regenerate


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(manifest_schema())


def test_every_key_has_a_description_for_the_editors_hover():
    schema = manifest_schema()
    tables = [schema, *schema["$defs"].values()]

    without = [
        (table["title"], key)
        for table in tables
        for key, described in table["properties"].items()
        if not described.get("description")
    ]

    assert len(tables) == 5
    assert without == []


def test_every_metric_can_have_a_budget():
    assert list(BudgetTable.model_fields) == list(BY_BUDGET_KEY)


@pytest.mark.parametrize(
    "text",
    [
        DESIGN_EXAMPLE,
        MODEL + "inputs = []",
        MODEL + 'inputs = [{ value = [1, 2], dtype = "int64" }, { shape = [] }]',
        MODEL + 'inputs = { budget = { shape = ["batch"] } }',
        MODEL + 'inputs = []\ndevice = "cuda:3"\nmeasure = { mode = "train" }',
        MODEL + 'inputs = []\nbudget = { throughput = "-5%", macs = 12000000, read = "5 MB" }',
    ],
)
def test_what_the_code_reads_the_schema_accepts(text):
    assert read_manifest(text, "modelperf.toml")
    Draft202012Validator(manifest_schema()).validate(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model = []",
        MODEL,
        MODEL + "inputs = []\nextra = 1",
        MODEL + 'inputs = { shape = ["batch"] }',
        MODEL + "inputs = [{ shape = [-1] }]",
        MODEL + "inputs = [{ shape = [1], value = 1 }]",
        MODEL + "inputs = [{ low = 1, high = 2 }]",
        MODEL + 'inputs = [{ shape = [1], dtype = "long" }]',
        MODEL + 'inputs = { "a-b" = { shape = [1] } }',
        MODEL + "inputs = { x = { shape = [1] }, budget = { flops = 1 } }",
        MODEL + 'inputs = "zoo.llm"',
        MODEL + 'inputs = []\ndevice = "gpu"',
        MODEL + "inputs = []\nlatency_batch = 0",
        MODEL + 'inputs = []\nbudget = { latency = "-5%" }',
        MODEL + 'inputs = []\nbudget = { throughput = "+5%" }',
        MODEL + 'inputs = []\nbudget = { peak = "16 G" }',
        MODEL + "inputs = []\nbudget = { peak = 0 }",
        '[[model]]\nname = ""\ntarget = "zoo:a"\ninputs = []',
    ],
)
def test_what_the_code_refuses_the_schema_refuses(text):
    with pytest.raises(ManifestError):
        read_manifest(text, "modelperf.toml")
    assert not Draft202012Validator(manifest_schema()).is_valid(tomllib.loads(text))
