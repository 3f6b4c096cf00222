"""Counts a forward as torch dispatches it, operation by operation, each to its module.

In inference mode composite operations (linear, conv2d, attention, lstm) arrive whole; one that
has no rule is taken apart into those that do. Every operation is a formula, a movement, a view,
or unknown, and an unknown one is reported, never silently zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from ..records import Cost, Layer, Mode
from .activations import LiveStorages
from .attention_choice import FusedAttention
from .load import is_uninitialised
from .meta_kernels import meta_result
from .modules import ModuleCalls, Tally
from .op_rules.work import NOTHING, Rule
from .operations import Call, Operation, higher_order_operation, operation
from .questions import Questions
from .shadows import Shadows
from .tensors import Arguments, tensors_in

NO_FORMULAS: Mapping[str, Rule] = {}


@dataclass(frozen=True, slots=True)
class Count:
    """What one forward costs, in total and layer by layer.

    `uncounted_modules` maps each operation without a formula to the modules that call it.
    """

    cost: Cost
    layers: tuple[Layer, ...]
    uncounted_modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def count(  # noqa: PLR0913 - all but three have a default and a name
    model: nn.Module,
    arguments: Arguments,
    mode: Mode,
    *,
    graph: bool = False,
    formulas: Mapping[str, Rule] = NO_FORMULAS,
    shadows: Shadows | None = None,
) -> Count:
    """Run `model` once on `arguments` and count it; in `train` mode, its backward too.

    The model's tensors and the arguments may be on the meta device or real. Lazy layers are
    given their weights first. With `graph`, a forward in inference may switch gradients on.
    `formulas` go before our own. `shadows` are what is known of the values of meta tensors; with
    them everything is done on the meta device.
    """
    initialise_lazy_layers(model, arguments, shadows)
    calls = ModuleCalls(model)
    storages = LiveStorages(excluded=[*calls.parameters(), *calls.buffers()])
    for tensor in arguments.tensors():
        storages.add(tensor)
    with calls, _gradients_put_back(calls.parameters()):
        counter = CountingMode(calls, storages, formulas, shadows)
        _RUN[mode](model, arguments, counter, torch.no_grad if graph else torch.inference_mode)
    return _result(calls, counter, storages)


def initialise_lazy_layers(
    model: nn.Module, arguments: Arguments, shadows: Shadows | None = None
) -> None:
    """Run the forward once where a layer waits for it to learn the shape of its weights."""
    if any(map(is_uninitialised, model.parameters())):
        with torch.no_grad(), nullcontext() if shadows is None else shadows.following():
            arguments.passed_to(model)


@contextmanager
def _gradients_put_back(parameters: Iterable[torch.Tensor]) -> Iterator[None]:
    """No parameter has a gradient inside, and each the one it had afterwards."""
    gradients = [(parameter, parameter.grad) for parameter in parameters]
    for parameter, gradient in gradients:
        if gradient is not None:
            parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient


def _infer(model: nn.Module, arguments: Arguments, counter: CountingMode, quietly: Any) -> None:
    with quietly(), counter.questions(), counter:
        arguments.passed_to(model)


def _train(model: nn.Module, arguments: Arguments, counter: CountingMode, _: Any) -> None:
    with torch.enable_grad(), counter.questions(), FusedAttention(), counter:
        result = arguments.passed_to(model)
    outputs = differentiable(result)
    seeds = [torch.ones_like(output) for output in outputs]
    with counter:
        torch.autograd.backward(outputs, seeds)


_RUN = {"inference": _infer, "train": _train}


def differentiable(result: Any) -> list[torch.Tensor]:
    """The tensors in a forward's result that a backward can start from.

    Raises:
        ValueError: there is none, so that the model cannot be trained as it stands.
    """
    outputs = [tensor for tensor in tensors_in(result) if tensor.requires_grad]
    if not outputs:
        raise ValueError('mode = "train", but no tensor the forward returns requires a gradient')
    return outputs


def _result(calls: ModuleCalls, counter: CountingMode, storages: LiveStorages) -> Count:
    layers = calls.layers()
    root = layers[0]
    parameters = [each for each in calls.parameters() if not is_uninitialised(each)]
    buffers = calls.buffers()
    cost = Cost(
        macs=root.macs,
        madds=root.madds,
        params=root.params,
        param_bytes=_bytes(parameters),
        trainable_params=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(buffer.numel() for buffer in buffers),
        buffer_bytes=_bytes(buffers),
        read_bytes=root.read_bytes,
        write_bytes=root.write_bytes,
        activation_peak_bytes=storages.peak_bytes,
        uncounted=dict(sorted(counter.uncounted.items())),
    )
    modules = {name: tuple(counter.uncounted_in[name]) for name in cost.uncounted}
    return Count(cost, layers, modules)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _only_carried(args: tuple[Any, ...], result: Any) -> bool:
    """Whether the result is the argument between meta and CPU, which a count holds to be one."""
    if not args or not isinstance(args[0], torch.Tensor) or not isinstance(result, torch.Tensor):
        return False
    given = args[0]
    return given.device != result.device and (given.dtype, given.shape) == (
        result.dtype,
        result.shape,
    )


# Operation by operation ------------------------------------------------------------------------


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation while active; `calls.own` and `uncounted` hold what it saw.

    `uncounted_in` has the paths of the modules that each uncounted operation was called in.
    """

    def __init__(
        self,
        calls: ModuleCalls,
        storages: LiveStorages,
        formulas: Mapping[str, Rule],
        shadows: Shadows | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shadows = shadows
        self.uncounted: Counter[str] = Counter()
        self.uncounted_in: dict[str, dict[str, None]] = defaultdict(dict)
        self._formulas = formulas
        self._calls = calls
        self._storages = storages

    supports_higher_order_operators = True

    def questions(self) -> AbstractContextManager[Any]:
        """The context in which Python's own questions are answered from known values."""
        return nullcontext() if self._shadows is None else Questions()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, in parts where it has no rule of its own, and add up its cost."""
        kwargs = kwargs or {}
        if any(hasattr(each, "__tensor_flatten__") for each in types):
            return NotImplemented  # a tensor made of tensors shows us the operations on those
        if isinstance(func, HigherOrderOperator):
            return self._with_functions(func, args, kwargs)
        seen = self._with_own_formula(operation(func))
        with torch._C.DisableTorchFunction():
            if seen.kind == "view":
                return func(*args, **kwargs)
            if seen.kind == "composite":
                with self:
                    result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
            arguments = seen.named(args, kwargs)
            result = self._result(seen, func, args, kwargs, arguments)
            if self._shadows is None or not _only_carried(args, result):
                self._record(Call.of(seen, arguments, result))
            return result

    def _result(
        self,
        seen: Operation,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        arguments: Mapping[str, Any],
    ) -> Any:
        """From values where they are known, from shapes where there is a rule, else torch's."""
        result: Any = NotImplemented
        if self._shadows is not None:
            result = self._shadows.result(func, args, kwargs)
        if result is NotImplemented and not seen.mutated:
            result = meta_result(seen.name, arguments)
        return func(*args, **kwargs) if result is NotImplemented else result

    def _with_functions(
        self, func: HigherOrderOperator, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Of a condition the branch that is taken; any other operator of functions as a whole."""
        if func.name() == "cond":  # type: ignore[no-untyped-call]
            chosen, if_true, if_false, operands = args
            with self:
                return (if_true if chosen else if_false)(*operands)
        seen = self._with_own_formula(higher_order_operation(func))
        result = func(*args, **kwargs)
        self._record(Call.of(seen, seen.named(args, kwargs), result))
        return result

    def _with_own_formula(self, seen: Operation) -> Operation:
        own = self._formulas.get(seen.name) if self._formulas else None
        return seen if own is None else replace(seen, kind="formula", rule=own)

    def _record(self, call: Call) -> None:
        if not call.moves_anything:
            return
        work = call.work()
        if work is None:
            self.uncounted[call.operation.name] += 1
            self.uncounted_in[call.operation.name][self._calls.current] = None
            work = NOTHING
        tally = Tally(work.macs, work.madds, call.read_bytes(), call.write_bytes())
        self._calls.own[self._calls.current].add(tally)
        for tensor in call.created:
            self._storages.add(tensor)
