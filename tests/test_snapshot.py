"""Snapshots and comparisons survive the way to JSON and back, also those of old programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reporter.compare.delta import compare
from reporter.errors import SnapshotError
from reporter.snapshot import SCHEMA, is_comparison, merge, read_comparison, read_snapshot, to_json

FILES = sorted((Path(__file__).parent / "snapshots").glob("schema-*.json"))


@pytest.fixture
def snapshot():
    path = FILES[-1]
    return read_snapshot(path.read_text(), path.name)


def test_there_is_a_file_of_every_schema_version():
    assert [path.stem for path in FILES] == [f"schema-{n}" for n in range(1, SCHEMA + 1)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_schema_version_ever_written_loads(path):
    loaded = read_snapshot(path.read_text(), path.name)
    assert loaded.schema == SCHEMA
    seed, broken = loaded.models
    # The seed article's own figures for its convolution.
    conv = next(layer for layer in seed.layers if layer.path == "conv1")
    assert (conv.macs, conv.madds) == (18_375_000, 36_625_000)
    assert (conv.read_bytes, conv.write_bytes) == (3_001_176, 500_000)
    assert (broken.status, broken.cost, broken.error.stage) == ("failed", None, "build")


def test_the_fields_are_those_of_the_fixed_format():
    model = json.loads(FILES[0].read_text())["models"][0]
    assert {"name", "status", "error", "batch", "cost", "layers", "timing"} <= set(model)
    assert set(model["cost"]) == {
        *("macs", "madds", "params", "param_bytes", "trainable_params", "buffers"),
        *("buffer_bytes", "read_bytes", "write_bytes", "activation_peak_bytes", "uncounted"),
    }
    assert set(model["layers"][0]) == {
        *("path", "type", "calls", "params", "macs", "madds", "read_bytes", "write_bytes"),
        *("input_shapes", "output_shapes"),
    }


def test_a_snapshot_round_trips(snapshot):
    assert read_snapshot(to_json(snapshot), "again") == snapshot


def test_a_comparison_round_trips_and_is_told_from_a_snapshot(snapshot):
    comparison = compare(snapshot, snapshot, {}, ["a note"])
    text = to_json(comparison)
    assert read_comparison(text, "again") == comparison
    assert is_comparison(text, "x")
    assert not is_comparison(to_json(snapshot), "x")


def test_a_comparison_is_no_snapshot(snapshot):
    with pytest.raises(SnapshotError, match="not a snapshot"):
        read_snapshot(to_json(compare(None, snapshot, {})), "comparison.json")


def test_unknown_fields_of_a_later_minor_version_are_passed_over(snapshot):
    fields = {**json.loads(to_json(snapshot)), "colour": "blue"}
    assert read_snapshot(json.dumps(fields), "later") == snapshot


def shard(snapshot, *names):
    return replace(snapshot, models=tuple(replace(snapshot.models[0], name=n) for n in names))


def test_merge_keeps_every_model_in_order(snapshot):
    whole = merge({"1": shard(snapshot, "a", "c"), "2": shard(snapshot, "b")})
    assert [model.name for model in whole.models] == ["a", "c", "b"]
    assert whole.machine == snapshot.machine


def test_merge_of_two_machines_keeps_each_model_s_and_still_compares_their_times(snapshot):
    other = replace(snapshot.machine, cpu="another")
    parts = {"1": shard(snapshot, "a"), "2": replace(shard(snapshot, "b"), machine=other)}
    whole = merge(parts)
    assert whole.machine is None
    assert [model.machine for model in whole.models] == [snapshot.machine, other]
    for model in compare(whole, whole, {}).models:
        latency = next(delta for delta in model.metrics if delta.metric == "latency_ms")
        assert latency.change == "within noise"


def test_notes_travel_with_the_snapshots(snapshot):
    noted = replace(snapshot, notes=("The base has no manifest.",))
    text = to_json(noted)
    assert compare(read_snapshot(text, "base"), snapshot, {}).notes == noted.notes
    shards = {"1": replace(shard(snapshot, "a"), notes=noted.notes), "2": shard(snapshot, "b")}
    assert merge(shards).notes == noted.notes


def test_merge_refuses_a_model_twice_and_another_revision(snapshot):
    with pytest.raises(SnapshotError, match="'a' is in one and again in two"):
        merge({"one": shard(snapshot, "a"), "two": shard(snapshot, "a")})
    elsewhere = replace(snapshot.revision, sha="0" * 40)
    dirty = replace(snapshot.revision, dirty=not snapshot.revision.dirty)
    for other in (elsewhere, dirty):
        with pytest.raises(SnapshotError, match="not shards of one run"):
            merge({"1": snapshot, "2": replace(shard(snapshot, "z"), revision=other)})
