"""The manifest: where it is found, what it declares, how it is refused."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.declare.manifest import declaration_of, find_manifest, read_manifest
from reporter.errors import ManifestError
from reporter.metrics import BY_BUDGET_KEY
from reporter.records import Budget, Inputs, InputSpec, Measure, ModelSpec

DOCS = Path(__file__).parents[2] / "docs"

EVERYTHING = """
[[model]]
name   = "resnet50"
target = "zoo.resnet:resnet50"
kwargs = { num_classes = 1000 }
inputs = [{ shape = ["batch", 3, 224, 224] }]

[[model]]
name   = "captioner"
target = "zoo.captioner:build"
dtype  = "bfloat16"
measure = { throughput_batch = 4 }
[model.inputs]
detections = { shape = ["batch", 50, 2048] }
captions   = { shape = ["batch", 19], dtype = "int64", low = 0, high = 10000 }
budget     = { latency = "+5%", macs = "+0%" }

[[model]]
name   = "llm"
target = "zoo.llm:build"
inputs = "zoo.llm:example_inputs"

[measure]
device = "cuda:1"
mode   = "train"
latency_batch = 2
throughput_batch = 16
dtype  = "float16"

[budget]
params = "+1%"
macs   = "+2%"
peak   = "16 GiB"
"""
ONE = '[[model]]\nname = "a"\ntarget = "zoo:a"\ninputs = []\n'


def refusal(text, source="modelperf.toml"):
    with pytest.raises(ManifestError) as refused:
        read_manifest(text, source)
    return refused.value.message


def one(**keys):
    """A manifest of one model, with keys as TOML text on top of the needed ones."""
    stated = {"name": '"a"', "target": '"zoo:a"', "inputs": "[]"} | keys
    return "[[model]]\n" + "".join(f"{key} = {text}\n" for key, text in stated.items())


def test_models_come_with_inputs_and_defaults_filled_in():
    manifest = read_manifest(EVERYTHING, "modelperf.toml")
    measure = Measure(
        device="cuda:1", dtype="float16", mode="train", latency_batch=2, throughput_batch=16
    )
    macs = Budget(metric="macs", kind="growth", limit=0.02, text="+2%")
    params = Budget(metric="params", kind="growth", limit=0.01, text="+1%")
    peak = Budget(metric="peak_bytes", kind="cap", limit=16 * 1024**3, text="16 GiB")

    assert manifest.source == "modelperf.toml"
    assert manifest.models[0] == ModelSpec(
        name="resnet50",
        target="zoo.resnet:resnet50",
        kwargs={"num_classes": 1000},
        inputs=Inputs(positional=(InputSpec(shape=("batch", 3, 224, 224)),)),
        measure=measure,
        budgets=(macs, params, peak),
    )
    assert manifest.models[1] == ModelSpec(
        name="captioner",
        target="zoo.captioner:build",
        inputs=Inputs(
            keyword={
                "detections": InputSpec(shape=("batch", 50, 2048)),
                "captions": InputSpec(shape=("batch", 19), dtype="int64", low=0, high=10000),
            }
        ),
        measure=replace(measure, dtype="bfloat16", throughput_batch=4),
        budgets=(
            Budget(metric="macs", kind="growth", limit=0.0, text="+0%"),
            params,
            Budget(metric="latency_ms", kind="growth", limit=0.05, text="+5%"),
            peak,
        ),
    )
    assert manifest.models[2].inputs == Inputs(source="zoo.llm:example_inputs")


def test_without_tables_the_defaults_are_those_of_the_records():
    (model,) = read_manifest(ONE, "modelperf.toml").models

    assert (model.measure, model.budgets, model.kwargs) == (Measure(), (), {})


def test_an_input_may_be_called_budget():
    text = one(inputs="{ budget = { shape = [1] } }")

    (model,) = read_manifest(text, "modelperf.toml").models

    assert model.inputs.keyword == {"budget": InputSpec(shape=(1,))}
    assert model.budgets == ()


def test_pyproject_is_read_under_its_tool_table():
    text = '[project]\nname = "x"\n' + ONE.replace("[[model]]", "[[tool.modelperf.model]]")

    assert [model.name for model in read_manifest(text, "sub/pyproject.toml").models] == ["a"]


def test_modelperf_toml_goes_before_pyproject(tmp_path):
    assert find_manifest(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_manifest(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[tool.modelperf]\n")
    assert find_manifest(tmp_path) == tmp_path / "pyproject.toml"
    (tmp_path / "modelperf.toml").write_text("")
    assert find_manifest(tmp_path) == tmp_path / "modelperf.toml"


def test_a_pyproject_that_is_not_toml_is_an_error_not_an_absence(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project\n")

    with pytest.raises(ManifestError, match=r"pyproject\.toml: line 1, column 9: not TOML"):
        find_manifest(tmp_path)

    (tmp_path / "pyproject.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ManifestError, match="not UTF-8 at byte 5"):
        find_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "column"), [("a = 1\nb = ", 2, 5), ('x = "open', 1, 10), ("[a]\n[a]", 2, 3)]
)
def test_a_syntax_error_has_line_and_column(text, line, column):
    assert refusal(text).startswith(f"modelperf.toml: line {line}, column {column}: not TOML: ")


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert len(read_manifest("\ufeff" + ONE, "modelperf.toml").models) == 1


@pytest.mark.parametrize("text", ["", "model = []", "[measure]\n"])
def test_a_manifest_without_models_is_refused(text):
    assert refusal(text).startswith("modelperf.toml: no [[model]] in it")


def test_a_pyproject_without_our_table_is_refused():
    assert refusal("[tool.x]", "pyproject.toml") == "pyproject.toml: no [tool.modelperf] table"


MODEL_A = 'modelperf.toml: [[model]] "a": '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (one(input="[]"), MODEL_A + 'input: unknown key, found []; did you mean "inputs"?'),
        (one(batch="4"), MODEL_A + 'batch: unknown key, found 4; did you mean "latency_batch"?'),
        (
            one(target='"zoo.a"'),
            MODEL_A + 'target: expected "module:attribute" such as "zoo.resnet:resnet50", '
            'found "zoo.a"; did you mean "zoo:a"?',
        ),
        (
            one(inputs='{ shape = ["batch", 3] }'),
            MODEL_A + "inputs: expected inputs by keyword, found the entry of one input; "
            'for one positional input write inputs = [{ shape = ["batch", 3] }]',
        ),
        (
            one(inputs="[{ shape = [1, -1] }]"),
            MODEL_A + 'inputs[0].shape[1]: expected a whole number from 0, or "batch", found -1',
        ),
        (
            one(inputs='[{ shape = ["B"] }]'),
            MODEL_A + 'inputs[0].shape[0]: expected a whole number from 0, or "batch", '
            'found "B"; did you mean "batch"?',
        ),
        (
            one(inputs="{ x = { shape = [1], dtpe = 1 } }"),
            MODEL_A + 'inputs.x.dtpe: unknown key, found 1; did you mean "dtype"?',
        ),
        (
            one(inputs="[[1, 2]]"),
            MODEL_A + 'inputs[0]: expected an entry such as { shape = ["batch", 3, 224, 224] }, '
            "found [1, 2]",
        ),
        (
            one(inputs="{ x = { shape = [1] }, dtype = 'bfloat16' }"),
            MODEL_A + 'inputs.dtype: expected an entry such as { shape = ["batch", 3, 224, 224] }'
            ', found "bfloat16"; if dtype is the model\'s, '
            "write it above the [model.inputs] header",
        ),
        (
            one(inputs="[{ value = 2020-01-01 }]"),
            MODEL_A + "inputs[0].value: expected strings, finite numbers, booleans, arrays or "
            "tables of such, found 2020-01-01; make it in a function and name that as the target",
        ),
        (
            one(device='"gpu"'),
            MODEL_A + 'device: expected "auto", "cpu", "cuda" or "cuda:0", found "gpu"; '
            'did you mean "cuda"?',
        ),
        (
            one(latency_batch="0"),
            MODEL_A + "latency_batch: expected a whole number from 1, found 0",
        ),
        (
            one(latency_batch="true"),
            MODEL_A + "latency_batch: expected a whole number from 1, found true",
        ),
        (
            one(mode='"train"', measure='{ mode = "train" }'),
            MODEL_A + "mode: stated both in the model and in its measure table; keep one",
        ),
        (
            one(budget="{}", inputs="{ budget = {} }"),
            MODEL_A + "budget: stated both in the model and under [model.inputs]; keep one",
        ),
        (
            one(budget='{ flops = "+5%" }'),
            MODEL_A + 'budget.flops: unknown key, found "+5%"; did you mean "macs"?',
        ),
        (
            one(budget='{ throughput = "+5%" }'),
            MODEL_A + 'budget.throughput: found "+5%", but more throughput is better, so its '
            'budget limits the loss and is written with a minus: "-5%"',
        ),
        (
            ONE + ONE,
            'modelperf.toml: [[model]] "a" (number 2): the name is taken by model 1; '
            "names must differ",
        ),
        (
            one(name='" "'),
            'modelperf.toml: [[model]] " ": name: expected a name such as "resnet50", found " "',
        ),
        (
            one().replace("[[model]]", "[model]"),
            "modelperf.toml: model: expected [[model]] with double brackets, "
            'found { name = "a", target = "zoo:a", inputs = [] }',
        ),
        (
            ONE + "[mesure]",
            'modelperf.toml: mesure: unknown key, found {}; did you mean "measure"?',
        ),
        (
            ONE + '[measure]\ndtype = "half"',
            'modelperf.toml: [measure]: dtype: expected "float32", "float16", "bfloat16" or '
            '"model", found "half"; did you mean "float16"?',
        ),
    ],
)
def test_a_problem_names_file_table_key_expected_found_and_nearest(text, message):
    assert refusal(text) == message


def test_all_problems_stand_in_one_message():
    text = (
        '[[model]]\nname = "a"\ntarget = "zoo"\n[[model]]\nname = "a"\ntarget = "zoo:a"\n'
        'inputs = [{ shape = [1.5] }]\n[budget]\nlatency = "-5%"\n'
    )

    lines = refusal(text).splitlines()

    assert lines[0] == "modelperf.toml: 5 problems"
    assert sum(line.startswith('  - [[model]] "a" (number 1): ') for line in lines) == 2
    assert sum(line.startswith('  - [[model]] "a" (number 2): ') for line in lines) == 2
    assert sum(line.startswith("  - [budget]: latency: ") for line in lines) == 1


def test_tables_of_a_pyproject_are_named_in_full():
    text = ONE.replace("[[model]]", "[[tool.modelperf.model]]").replace("zoo:a", "zoo")

    assert refusal(text, "pyproject.toml").startswith(
        'pyproject.toml: [[tool.modelperf.model]] "a": target: '
    )


MODEL_KEYS = ["name", "target", "inputs", "kwargs", "budget", "measure", "dtype", "mode", "x"]
ENTRY_KEYS = ["shape", "value", "dtype", "low", "high", "x", "budget", "macs"]
KEYS = st.sampled_from([*MODEL_KEYS, *ENTRY_KEYS])
VALUES = st.recursive(
    st.none().map(lambda _: "batch")
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["a", "zoo:a", "float32", "+5%", ""])
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_toml(value):
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value)
        case _:
            return str(value)


ENTRIES = VALUES | st.dictionaries(st.sampled_from(ENTRY_KEYS), VALUES, max_size=3)
MODELS = VALUES | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(MODEL_KEYS, VALUES)
    | {"inputs": VALUES | st.lists(ENTRIES, max_size=2) | st.dictionaries(KEYS, ENTRIES)},
)


@given(
    models=MODELS | st.lists(MODELS, min_size=1, max_size=3),
    others=st.dictionaries(st.sampled_from(["measure", "budget", "models"]), VALUES),
)
def test_whatever_the_tables_hold_the_refusal_is_ours(models, others):
    text = "".join(
        f"{key} = {as_toml(item)}\n" for key, item in {"model": models, **others}.items()
    )
    tomllib.loads(text)

    try:
        read_manifest(text, "modelperf.toml")
    except ManifestError as error:
        foreign = r"pydantic|Input should|valid dict|Table\b|https?:|not expected here"
        assert not re.search(foreign, error.message)


@pytest.mark.parametrize("depth", range(100, 1000, 50))
def test_values_nested_too_deeply_are_refused_or_read(depth):
    text = one(inputs=f"[{{ value = {'[' * depth}{']' * depth} }}]")

    try:
        assert read_manifest(text, "modelperf.toml").models
    except ManifestError as error:
        assert "nested too deeply" in error.message


def test_a_declaration_is_the_models_entry_without_name_and_budget():
    manifest = read_manifest(EVERYTHING, "modelperf.toml")

    assert declaration_of(manifest.models[1]) == {
        "target": "zoo.captioner:build",
        "kwargs": {},
        "inputs": {
            "captions": {"shape": ["batch", 19], "dtype": "int64", "low": 0, "high": 10000},
            "detections": {"shape": ["batch", 50, 2048]},
        },
        "measure": {
            "device": "cuda:1",
            "dtype": "bfloat16",
            "mode": "train",
            "latency_batch": 2,
            "throughput_batch": 4,
        },
    }
    assert declaration_of(manifest.models[2])["inputs"] == "zoo.llm:example_inputs"


def test_declarations_do_not_depend_on_the_order_of_keys():
    first = one(kwargs="{ a = 1, b = { d = 2, c = 3 } }", inputs="{ x = {value=1}, y = {value=2} }")
    second = one(
        inputs="{ y = {value=2}, x = {value=1} }", kwargs="{ b = { c = 3, d = 2 }, a = 1 }"
    )
    texts = [
        json.dumps(declaration_of(read_manifest(text, "modelperf.toml").models[0]))
        for text in (first, second)
    ]

    assert texts[0] == texts[1]


def test_the_reference_states_every_key_and_the_defaults_the_code_has():
    reference = (DOCS / "manifest.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| `([^`|]+)` \|$", reference, re.M))

    for key in ("device", "dtype", "mode", "latency_batch", "throughput_batch"):
        assert json.loads(rows[key]) == getattr(Measure(), key)
    assert all(f"\n| `{key}` |" in reference for key in BY_BUDGET_KEY)


def test_the_references_examples_are_manifests():
    reference = (DOCS / "manifest.md").read_text()
    whole, *inputs, ops = re.findall(r"```toml\n(.*?)```", reference, re.S)

    assert read_manifest(whole, "modelperf.toml").models[0].name == "resnet50"
    assert len(inputs) == 3
    for form in inputs:
        header = '[[model]]\nname = "a"\ntarget = "zoo:a"\n'
        assert read_manifest(header + form, "modelperf.toml")
    (model,) = read_manifest(whole + ops, "modelperf.toml").models
    assert model.formulas == {"mylib::fused_gelu": "zoo.costs:fused_gelu"}


# Formulas -----------------------------------------------------------------------------------------

ONE = '[[model]]\nname = "a"\ntarget = "zoo:a"\ninputs = []\n'
OPS = '"mylib::fused" = "zoo.costs:fused"\n'


def test_every_model_has_the_manifests_formulas():
    second = ONE.replace('"a"', '"b"')
    models = read_manifest(f"{ONE}{second}[ops]\n{OPS}", "modelperf.toml").models
    assert [model.formulas for model in models] == [{"mylib::fused": "zoo.costs:fused"}] * 2
    assert declaration_of(models[0])["ops"] == {"mylib::fused": "zoo.costs:fused"}


def test_without_formulas_a_declaration_is_what_it_was():
    (model,) = read_manifest(ONE, "modelperf.toml").models
    assert model.formulas == {}
    assert "ops" not in declaration_of(model)


def test_formulas_in_a_pyproject():
    text = ONE.replace("[[model]]", "[[tool.modelperf.model]]") + f"[tool.modelperf.ops]\n{OPS}"
    (model,) = read_manifest(text, "pyproject.toml").models
    assert model.formulas == {"mylib::fused": "zoo.costs:fused"}


@pytest.mark.parametrize(
    ("ops", "problem"),
    [
        ('[ops]\nfused = "zoo:f"', "[ops]: fused: expected an operation with its namespace"),
        ('[ops]\n"mylib::fused.default" = "zoo:f"', "expected an operation with its namespace"),
        ('[ops]\n"mylib::fused" = "zoo.f"', 'did you mean "zoo:f"?'),
        ('[ops]\n"mylib::fused" = 3', '[ops]: "mylib::fused": expected "module:attribute"'),
        ("ops = 3", "[ops]: expected lines such as"),
    ],
)
def test_what_is_no_formula_is_said(ops, problem):
    text = ONE + ops if ops.startswith("[") else f"{ops}\n{ONE}"
    with pytest.raises(ManifestError, match=re.escape(problem)):
        read_manifest(text, "modelperf.toml")
