"""The client against answers of every kind, over a transport that says what the test tells it."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.errors import WorkerError
from reporter.isolate.worker_client import (
    ANSWER_LIMIT_BYTES,
    Block,
    Counted,
    ModelFailed,
    PreparedModel,
    WorkerClient,
)
from reporter.records import (
    Cost,
    Counting,
    Inputs,
    InputSpec,
    Latency,
    Layer,
    Machine,
    ModelError,
    ModelSpec,
    Throughput,
)

SPEC = ModelSpec(
    name="m",
    target="zoo:m",
    kwargs={"n": 1},
    inputs=Inputs(positional=(InputSpec(shape=("batch", 4)),)),
)
COST = Cost(
    macs=1,
    madds=2,
    params=3,
    param_bytes=4,
    trainable_params=5,
    buffers=6,
    buffer_bytes=7,
    read_bytes=8,
    write_bytes=9,
    activation_peak_bytes=10,
    uncounted={"aten.sort": 1},
)
LAYER = Layer(
    path="",
    type="Linear",
    calls=1,
    params=3,
    macs=1,
    madds=2,
    read_bytes=8,
    write_bytes=9,
    input_shapes=((1, 4),),
    output_shapes=((1, 2), ()),
)
COUNTED = Counted(batch=1, cost=COST, layers=(LAYER,), counting=Counting(rung="meta"))
MACHINE = Machine(
    system="s", python="3", torch="2", cpu="c", cpu_count=2, threads=1, memory_bytes=None
)
LATENCY = Latency(
    batch=1, n=3, median_ms=2.0, p10_ms=1.0, p90_ms=3.0, p99_ms=3.0, ci95_ms=(1.0, 3.0)
)
THROUGHPUT = Throughput(
    batch=8, n=3, median_per_s=2.0, p10_per_s=1.0, p90_per_s=3.0, input_bytes_per_s=8.0
)


class Scripted:
    """A transport that gives the lines it was given, and remembers what was asked."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.asked: list[Any] = []
        self.limits: list[int] = []
        self.graces: list[float] = []
        self.printed = ""

    def send(self, line: bytes, deadline: float) -> None:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        self.asked.append(json.loads(line))

    def receive(self, deadline: float, limit_bytes: int) -> bytes:
        self.limits.append(limit_bytes)
        return self.lines.pop(0)

    def log_length(self) -> int:
        return len(self.printed)

    def log(self, since: int = 0) -> str:
        return self.printed[since:]

    def close(self, grace_s: float = 1.0) -> None:
        self.graces.append(grace_s)


def answering(given: Any, **more: Any) -> WorkerClient:
    return WorkerClient(Scripted(json.dumps({"id": 1, "ok": given, **more}).encode()))


def complaint(line: bytes, ask: Any = WorkerClient.machine) -> str:
    with pytest.raises(WorkerError) as caught:
        ask(WorkerClient(Scripted(line)))
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (lambda to: to.machine(), MACHINE),
        (lambda to: to.count(SPEC), COUNTED),
        (lambda to: to.prepare(SPEC, 8), PreparedModel(device="cpu", threads=1)),
        (lambda to: to.block(0.1, 1), Block(n=1, seconds=0.25)),
        (lambda to: to.latency(), LATENCY),
        (lambda to: to.throughput(), THROUGHPUT),
    ],
)
def test_every_record_comes_back_as_it_was_sent(ask, wanted):
    assert ask(answering(asdict(wanted))) == wanted


@pytest.mark.parametrize("given", [0, 123, None])
def test_a_peak_is_a_number_or_unknown(given):
    assert answering({"peak_bytes": given}).peak() == given


def test_a_release_has_nothing_to_say():
    assert answering({}).release() is None


def test_requests_are_numbered_and_say_what_to_do_with_what():
    transport = Scripted(
        b'{"id": 1, "ok": {"device": "cpu", "threads": 1}}',
        b'{"id": 2, "ok": {"n": 5, "seconds": 1}}',
    )
    client = WorkerClient(transport)
    client.prepare(SPEC, 8)
    client.block(0.5, 3)
    first, second = transport.asked
    assert (first["id"], first["do"]) == (1, "prepare")
    assert first["with"]["batch"] == 8
    assert first["with"]["model"]["inputs"]["positional"][0]["shape"] == ["batch", 4]
    assert second == {"id": 2, "do": "block", "with": {"seconds": 0.5, "at_least": 3}}
    assert transport.limits == [ANSWER_LIMIT_BYTES] * 2


def test_a_model_that_failed_is_told_in_its_own_words():
    error = ModelError(stage="forward", message="ValueError: no", traceback="Traceback …")
    client = WorkerClient(Scripted(json.dumps({"id": 1, "failed": asdict(error)}).encode()))
    with pytest.raises(ModelFailed) as caught:
        client.count(SPEC)
    assert caught.value.error == error


def test_a_failure_of_megabytes_is_cut():
    error = {"stage": "build", "message": "m" * 10**6, "traceback": "t" * 10**6 + "end"}
    client = WorkerClient(Scripted(json.dumps({"id": 1, "failed": error}).encode()))
    with pytest.raises(ModelFailed) as caught:
        client.count(SPEC)
    assert len(caught.value.error.message) == 1_000
    assert len(caught.value.error.traceback) == 20_000
    assert caught.value.error.traceback.endswith("end")


def test_half_a_surrogate_in_a_message_does_not_break_the_row():
    line = rb'{"id": 1, "failed": {"stage": "build", "message": "a\ud800b", "traceback": ""}}'
    with pytest.raises(ModelFailed) as caught:
        WorkerClient(Scripted(line)).count(SPEC)
    assert caught.value.error.message == "a?b"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[1]",
        b"null",
        b'"ok"',
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"id": 1}',
        b'{"id": 1, "ok": {}, "failed": {}}',
        b'{"id": 1, "ok": {}, "more": 1}',
        b'{"id": 1, "failed": {"stage": "lunch", "message": "", "traceback": ""}}',
        b'{"id": 1, "failed": {"message": ""}}',
        b'{"id": 1, "ok": ' + b"9" * 5000 + b"}",
    ],
)
def test_nonsense_is_an_error_of_the_worker(line):
    assert complaint(line).startswith("the worker broke the protocol")


@pytest.mark.parametrize("wrong", [0, 2, "1", None, 1.5])
def test_an_answer_to_another_request_is_refused(wrong):
    line = json.dumps({"id": wrong, "ok": asdict(MACHINE)}).encode()
    assert "another request than machine" in complaint(line)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_only_finite_numbers_are_numbers(number):
    line = b'{"id": 1, "ok": {"n": 1, "seconds": ' + number + b"}}"
    assert "broke the protocol" in complaint(line, lambda to: to.block(0.1, 1))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("macs", "1"), ("macs", 1.0), ("macs", True), ("macs", None), ("uncounted", {"op": "1"})],
)
def test_a_field_of_another_type_is_named(field, wrong):
    answer = asdict(COUNTED)
    answer["cost"][field] = wrong
    line = json.dumps({"id": 1, "ok": answer}).encode()
    assert f"cost.{field}" in complaint(line, lambda to: to.count(SPEC))


@pytest.mark.parametrize("field", list(asdict(COST)))
def test_a_missing_cost_is_not_zero(field):
    answer = asdict(COUNTED)
    del answer["cost"][field]
    line = json.dumps({"id": 1, "ok": answer}).encode()
    if field == "uncounted":
        assert answering(answer).count(SPEC).cost.uncounted == {}
    else:
        assert f"cost.{field}" in complaint(line, lambda to: to.count(SPEC))


@pytest.mark.parametrize("block", [{"n": 0, "seconds": 1.0}, {"n": 3, "seconds": -1.0}])
def test_a_block_that_cannot_be_is_refused(block):
    line = json.dumps({"id": 1, "ok": block}).encode()
    assert "forwards in" in complaint(line, lambda to: to.block(0.1, 1))


def test_a_worker_of_another_protocol_is_refused():
    line = b'{"protocol": 2, "pid": 1, "python": "3.11.7"}'
    assert "protocol 2 in place of 1" in complaint(line, WorkerClient.hello)


class Late(Scripted):
    def receive(self, deadline: float, limit_bytes: int) -> bytes:
        raise TimeoutError


def test_a_worker_that_takes_too_long_is_told_by_how_long():
    with pytest.raises(WorkerError, match=r"did not answer within 2\.5 s \(count\)"):
        WorkerClient(Late(), deadline_s=2.5).count(SPEC)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | json_values.map(lambda value: json.dumps({"id": 1, "ok": value}).encode()))
def test_whatever_comes_is_a_record_or_an_error_of_the_worker(line):
    try:
        found = WorkerClient(Scripted(line)).count(SPEC)
    except WorkerError:
        return
    assert isinstance(found, Counted)


def test_closing_ends_the_worker():
    transport = Scripted()
    WorkerClient(transport).close(0.5)
    assert transport.graces == [0.5]


def test_what_was_printed_is_that_of_the_last_request_and_its_end():
    transport = Scripted(json.dumps({"id": 1, "ok": asdict(MACHINE)}).encode(), b"nonsense")
    client = WorkerClient(transport)
    client.machine()
    transport.printed = "of the model before\n"
    with pytest.raises(WorkerError):
        client.machine()
    transport.printed += "of this one\n"
    assert client.last_printed() == "of this one"
    transport.printed += "y" * 5_000
    assert client.last_printed() == "y" * 4_000
