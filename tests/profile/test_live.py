"""`profile_model` on live modules: right figures, and nothing of the caller's is touched."""

import contextlib
import dataclasses
import io
import json
import random
import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
import torch
from torch import nn

import reporter
from reporter.errors import ProfileError

LINEAR = 3 * 8 * 4


@dataclasses.dataclass
class Batch:
    x: torch.Tensor
    scale: float = 2.0


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, groups, *, mask=None, times=1):
        x = groups["a"][0].x * groups["a"][0].scale
        for _ in range(times):
            out = self.linear(x)
        return {"out": out if mask is None else out * mask}


class Values(nn.Linear):
    """Reads its weights' values, which only a real forward can."""

    def forward(self, x):
        return super().forward(x) if float(self.weight.sum()) > -1e9 else x


class Fails(nn.Sequential):
    def forward(self, x):
        super().forward(x)
        x.add_(1)
        raise KeyError("lost")


def trained():
    """With gradients, a frozen norm in evaluation mode, hooks, and dropout that draws numbers."""
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    model[1].eval()
    model(torch.rand(3, 8)).sum().backward()
    model[0].register_forward_hook(lambda *_: None)
    return model


def state_of(model, *tensors):
    hooks = [(*module._forward_hooks, *module._forward_pre_hooks) for module in model.modules()]
    return {
        "values": {name: value.tolist() for name, value in model.state_dict().items()},
        "addresses": [(id(each), each.data_ptr()) for each in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "training": [module.training for module in model.modules()],
        "hooks": hooks,
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "random": torch.get_rng_state().tolist(),
        "pythons": random.getstate(),
        "tensors": [tensor.tolist() for tensor in tensors],
        "versions": [tensor._version for tensor in (*tensors, *model.parameters())],
    }


def test_counts_by_the_formula():
    result = reporter.profile_model(nn.Linear(8, 4), torch.rand(3, 8))
    assert (result.cost.macs, result.cost.params, result.batch) == (LINEAR, 8 * 4 + 4, 3)
    assert (result.status, result.counting.rung, result.name) == ("ok", "meta", "Linear")
    assert [(layer.path, layer.macs) for layer in result.layers] == [("", LINEAR)]


def test_nested_dataclasses_keywords_and_plain_values():
    groups = {"a": [Batch(torch.rand(3, 8))]}
    result = reporter.profile_model(Nested(), groups, mask=torch.rand(3, 4), times=5)
    assert result.cost.macs == 5 * LINEAR


def test_meta_tensors_serve_as_inputs_and_as_weights():
    with torch.device("meta"):
        model, x = nn.Linear(8, 4), torch.empty(3, 8)
    assert reporter.profile_model(model, x).cost.macs == LINEAR
    assert reporter.profile_model(nn.Linear(8, 4), x).cost.macs == LINEAR


def test_a_forward_that_reads_values_runs_on_a_real_copy():
    model, x = Values(800, 4), torch.rand(3, 800)
    before = state_of(model, x)
    result = reporter.profile_model(model, x)
    assert state_of(model, x) == before
    assert (result.cost.macs, result.counting.rung) == (3 * 800 * 4, "real")
    assert result.counting.reason


def test_without_values_there_is_no_real_copy_to_try():
    with torch.device("meta"):
        x = torch.empty(3, 800)
    with pytest.raises(ProfileError, match="meta"):
        reporter.profile_model(Values(800, 4), x)


def test_the_values_of_its_inputs_are_known_on_meta():
    class Repeats(nn.Linear):
        def forward(self, x, lengths):
            return [super(Repeats, self).forward(x) for _ in range(int(lengths.sum()))]

    result = reporter.profile_model(Repeats(8, 4), torch.rand(3, 8), torch.tensor([2, 3]))
    assert (result.counting.rung, result.cost.macs) == ("meta", 5 * LINEAR)


def test_everything_is_as_before_after_success():
    model, x = trained(), torch.rand(3, 8)
    before = state_of(model, x)
    assert reporter.profile_model(model, x).cost.macs == LINEAR
    assert state_of(model, x) == before


def test_everything_is_as_before_after_an_exception():
    model, x = Fails(*trained()), torch.rand(3, 8)
    before = state_of(model, x)
    with pytest.raises(ProfileError, match="Fails cannot be profiled: KeyError: 'lost'") as caught:
        reporter.profile_model(model, x)
    assert state_of(model, x) == before
    assert isinstance(caught.value.__cause__, KeyError)
    shown = "".join(traceback.format_exception(caught.value))
    assert 'raise KeyError("lost")' in shown


def test_inputs_with_a_graph_are_left_without_gradients():
    leaf = torch.rand(3, 8, requires_grad=True)
    reporter.profile_model(nn.Linear(8, 4), leaf * 2)
    assert leaf.grad is None


def test_objects_that_the_forward_changes_are_copies():
    class Caches(nn.Linear):
        def forward(self, x, cache):
            cache.seen = x
            return super().forward(x)

    class Cache:
        seen = None

    cache = Cache()
    assert reporter.profile_model(Caches(8, 4), torch.rand(3, 8), cache).cost.macs == LINEAR
    assert cache.seen is None


def test_a_tensor_outside_parameters_and_buffers_is_found():
    kept = [torch.rand(8, 4, requires_grad=True) * 2]

    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = kept

        def forward(self, x):
            return x @ self.kept[0]

    assert reporter.profile_model(Holds(), torch.rand(3, 8)).cost.macs == LINEAR


def test_a_lazy_layer_stays_lazy():
    lazy = nn.LazyLinear(4)
    assert reporter.profile_model(lazy, torch.rand(3, 8)).cost.macs == LINEAR
    assert nn.parameter.is_lazy(lazy.weight)


def test_shared_tensors_stay_shared():
    model = nn.ModuleDict({"a": nn.Linear(8, 4), "b": nn.Linear(8, 4)})
    model["b"].weight = model["a"].weight

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = model

        def forward(self, x):
            return self.both["a"](x) + self.both["b"](x)

    cost = reporter.profile_model(Tied(), torch.rand(3, 8)).cost
    assert (cost.macs, cost.params) == (2 * LINEAR, 8 * 4 + 2 * 4)


def test_what_cannot_be_copied_is_a_clear_error():
    model = nn.Linear(8, 4)
    model.lock = threading.Lock()
    with pytest.raises(ProfileError, match=r"Linear cannot be profiled: TypeError: .*pickle"):
        reporter.profile_model(model, torch.rand(3, 8))


def test_importing_the_package_imports_no_torch():
    look = "import reporter, sys; assert 'torch' not in sys.modules; reporter.profile_model"
    subprocess.run([sys.executable, "-W", "ignore", "-c", look], check=True)


def test_the_guides_example_gives_the_figures_it_shows():
    guide = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", guide, re.S)[1]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(example, names)
    shown = {
        line.split("#")[0].strip(): int(line.split("#")[1])
        for line in example.splitlines()
        if "#" in line
    }
    assert shown["result.cost.macs"] == 8 * 30 * 30 * 27 + 7200 * 10
    assert {key: eval(key, names) for key in shown} == shown
    assert printed.getvalue().startswith("(model) Sequential")


def test_a_packed_sequence_given_from_outside():
    lengths, inputs, hidden = (3, 2), 4, 8
    packed = nn.utils.rnn.pack_sequence([torch.randn(n, inputs) for n in lengths])
    # Each of the 5 tokens meets 4 gates of (inputs + hidden) weights a unit.
    result = reporter.profile_model(nn.LSTM(inputs, hidden), packed)
    assert result.cost.macs == sum(lengths) * 4 * hidden * (inputs + hidden)
    assert not result.cost.uncounted


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_ragged_sides_are_told_and_what_has_no_formula_for_them_is_not_zero():
    rows = [torch.randn(3, 8), torch.randn(5, 8)]
    jagged = reporter.profile_model(
        nn.Linear(8, 16), torch.nested.nested_tensor(rows, layout=torch.jagged)
    )
    assert jagged.cost.macs == (3 + 5) * 8 * 16
    assert jagged.layers[0].output_shapes == ((2, -1, 16),)
    json.dumps(dataclasses.asdict(jagged))
    strided = reporter.profile_model(nn.Linear(8, 16), torch.nested.nested_tensor(rows))
    assert "aten::linear" in strided.cost.uncounted
