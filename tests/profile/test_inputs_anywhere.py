"""Whatever a forward takes and returns: counted and timed by the same inputs callable."""

import pytest

from reporter.profile.ladder import count_model
from reporter.profile.timing import prepare
from reporter.records import Inputs, Measure, ModelSpec

MACS = 2 * 8 * 4

SOURCE = """
import dataclasses
import threading
from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace
import torch
from torch import nn

def x(batch): return torch.rand(batch, 8)

@dataclasses.dataclass
class Batch:
    x: torch.Tensor
    scale: float = 1.0
    rest: dict = dataclasses.field(default_factory=dict)

@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: torch.Tensor

class Encoding(UserDict):
    @property
    def x(self): return self["x"]

class Output(OrderedDict):
    def __init__(self, **fields):
        super().__init__(**fields)
        self.__dict__.update(fields)

class Holder:
    def __init__(self, x): self._x = x
    def get(self): return self._x

Point = namedtuple("Point", "x y")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

def model(take, give=lambda y: y):
    class Made(Net):
        def forward(self, *args):
            return give(self.linear(take(*args)))
    return Made()

def generating():
    class Generates(Net):
        def forward(self, x):
            for row in x.split(1):
                yield self.linear(row)
    return Generates()

def quiet():
    class Quiet(Net):
        def forward(self, x):
            self.linear(x)
    return Quiet()

# What is taken
def of_nested(): return model(lambda d: d["a"][0]["b"])
def nested(batch): return ({"a": [{"b": x(batch)}], "n": 3},)
def of_dataclass(): return model(lambda b: b.x * b.scale + b.rest["y"])
def dataclass(batch): return Batch(x(batch), 2.0, {"y": x(batch)})
def of_frozen(): return model(lambda b: b.x)
def frozen(batch): return Frozen(x(batch))
def of_named(): return model(lambda p: p.x if p.y == 1 else None)
def named(batch): return (Point(x(batch), 1),)
def of_encoding(): return model(lambda e: e.x)
def encoding(batch): return (Encoding(x=x(batch)),)
def of_ordered(): return model(lambda o: o.x)
def ordered(batch): return (Output(x=x(batch)),)
def of_namespace(): return model(lambda n: n.x)
def namespace(batch): return SimpleNamespace(x=x(batch))
def of_holder(): return model(lambda h: h.get())
def holder(batch): return Holder(x(batch))
def of_locked(): return model(lambda b, lock: b.x if lock.locked() is False else 0)
def locked(batch): return Batch(x(batch)), threading.Lock()
def of_set(): return model(lambda s: next(iter(s)))
def a_set(batch): return ({x(batch)},)
def of_plain(): return model(lambda x, n, s, none, f: f(x) if (n, s, none) == (3, "s", None) else 0)
def plain(batch): return x(batch), 3, "s", None, torch.relu

# What is given
def plainly(batch): return x(batch)
def gives_dict(): return model(lambda x: x, lambda y: {"y": y, "n": 1})
def gives_dataclass(): return model(lambda x: x, lambda y: Batch(y))
def gives_objects(): return model(lambda x: x, lambda y: Holder(y))
def gives_nothing(): return quiet()
def gives_iterator(): return generating()

# By keyword, some of them only
def only_keywords():
    class Keyed(Net):
        def forward(self, *, key, flag=False):
            assert flag is True
            return self.linear(key["deep"][1])
    return Keyed()
def keywords(batch): return {"key": {"deep": (0, x(batch))}, "flag": True}
"""

TAKEN = {
    "of_nested": "nested",
    "of_dataclass": "dataclass",
    "of_frozen": "frozen",
    "of_named": "named",
    "of_encoding": "encoding",
    "of_ordered": "ordered",
    "of_namespace": "namespace",
    "of_holder": "holder",
    "of_locked": "locked",
    "of_set": "a_set",
    "of_plain": "plain",
    "only_keywords": "keywords",
}
GIVEN = ("gives_dict", "gives_dataclass", "gives_objects", "gives_nothing", "gives_iterator")


@pytest.fixture
def spec(user_module):
    module = user_module(SOURCE)

    def make(target, source, mode="inference"):
        return ModelSpec(
            name=target,
            target=f"{module}:{target}",
            inputs=Inputs(source=f"{module}:{source}"),
            measure=Measure(device="cpu", latency_batch=2, mode=mode),
        )

    return make


def assert_counted_and_timed(spec):
    counted = count_model(spec)
    assert (counted.count.cost.macs, counted.counting.rung) == (MACS, "meta")
    assert counted.count.cost.uncounted == {}
    prepared = prepare(spec, 2)
    forwards, seconds = prepared.run_block(0.0, 1)
    assert forwards == 1 and seconds > 0


@pytest.fixture(autouse=True)
def _briefly(monkeypatch):
    monkeypatch.setattr("reporter.profile.timing.WARM_UP_FORWARDS", 1)
    monkeypatch.setattr("reporter.profile.timing.WARM_UP_SECONDS", 0.0)


@pytest.mark.parametrize("target", TAKEN)
def test_what_a_forward_may_take(spec, target):
    assert_counted_and_timed(spec(target, TAKEN[target]))


@pytest.mark.parametrize("target", GIVEN)
def test_what_a_forward_may_return(spec, target):
    assert_counted_and_timed(spec(target, "plainly"))


@pytest.mark.parametrize("target", ["gives_dict", "gives_dataclass", "gives_iterator"])
def test_what_a_training_forward_may_return(spec, target):
    trained = spec(target, "plainly", mode="train")
    # Backward: the weight's gradient costs what the forward does; the inputs need none.
    assert count_model(trained).count.cost.macs == 2 * MACS
    assert prepare(trained, 2).run_block(0.0, 1)[0] == 1
