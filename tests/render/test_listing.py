"""The short texts say what they are asked about, in the words a reader can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from reporter.errors import ManifestError
from reporter.records import Budget, Inputs, InputSpec, Manifest, ModelSpec, Revision
from reporter.render import listing
from reporter.render.listing import Finding

IMAGE = InputSpec(shape=("batch", 3, 224, 224))
LABEL = InputSpec(value=3, has_value=True)
SCALAR = InputSpec(shape=())


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (Inputs(positional=(IMAGE, LABEL)), "(batchx3x224x224, a value)"),
        (Inputs(keyword={"image": IMAGE, "scale": SCALAR}),
         "(image=batchx3x224x224, scale=a scalar)"),
        (Inputs(source="zoo:inputs"), "(inputs from zoo:inputs)"),
        (Inputs(), "()"),
    ],
)  # fmt: skip
def test_a_model_is_a_line_with_its_target_and_inputs(inputs, said):
    declared = Manifest(
        source="modelperf.toml", models=(ModelSpec(name="m", target="zoo:M", inputs=inputs),)
    )
    assert listing.manifest(declared) == f"modelperf.toml: 1 model\n  m: zoo:M{said}\n"


def test_budgets_are_listed_beside_their_model_as_they_were_written():
    budgets = (
        Budget(metric="macs", kind="growth", limit=0.05, text="+5%"),
        Budget(metric="peak_bytes", kind="cap", limit=2**34, text="16 GiB"),
    )
    specs = tuple(ModelSpec(name=name, target="zoo:M", budgets=budgets) for name in ("a", "b"))
    first, *lines = listing.manifest(Manifest(source="x.toml", models=specs)).splitlines()
    assert first == "x.toml: 2 models"
    assert all(line.endswith("; budgets macs +5%, peak 16 GiB") for line in lines)
    assert len(lines) == 2


def test_an_unreadable_base_is_a_note_of_one_line_with_its_reason():
    note = listing.unreadable_base_manifest(ManifestError("modelperf.toml:\n  unknown key"))
    assert "\n" not in note and "(modelperf.toml: unknown key)" in note


def test_where_nothing_is_declared_the_folder_is_named(tmp_path):
    assert str(tmp_path.resolve()) in listing.no_manifest(tmp_path)
    assert "modelperf-report validate" in listing.written_manifest(Path("modelperf.toml"))


def test_the_base_and_the_machine_are_a_line_each(make_machine):
    revision = Revision(sha="b" * 40, dirty=False, how="the merge-base with main")
    assert listing.base_line(revision) == f"{'b' * 40} (the merge-base with main)"
    known = listing.machine_line(make_machine(accelerator="NVIDIA H200"))
    assert "16.0\xa0GiB" in known and known.endswith("NVIDIA H200")
    unknown = listing.machine_line(make_machine(memory_bytes=None))
    assert "(4 CPUs, unknown)" in unknown
    assert unknown.endswith("no CUDA device")


def test_a_finding_that_is_not_well_stands_out_and_says_what_to_do():
    text = listing.findings(
        (
            Finding("git", "found", is_well=True),
            Finding("base", "not fetched", is_well=False, hint="git fetch origin main"),
        )
    )
    well, bad, hint = text.splitlines()
    assert well.startswith("ok ") and bad.startswith("FAILS ")
    assert hint.strip() == "git fetch origin main"
