"""A first manifest for a tree: which of its classes and functions look like whole models.

The heuristics, in this order. A module class is one that inherits, through the tree if need be,
from something in `torch.nn` or from a framework's module class, and has a `forward`. A factory is
a public function that can be called without arguments and returns a module. What another module
class or factory of the tree names in its body is a part, not a whole. Factories come before
classes, and stand in for the classes they return. Classes that need arguments are listed for
the reader to finish.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .sources import Definition, Source, Sources, read_sources

_FRAMEWORK_MODULES = ("LightningModule", "PreTrainedModel", "ModelMixin")
_INTEGER_WORDS = frozenset(
    {"id", "ids", "token", "tokens", "caption", "captions", "index", "indices", "label", "labels"}
)
_MOST_ENTRIES = 20

_HEADER = """\
# What modelperf-report measures. Check every shape below: they are guesses from the code.
# The reference: docs/manifest.md of modelperf-report. Check the file: modelperf-report validate
"""
_NOTHING_FOUND = """
# No model was found in this tree. Name one here: module:attribute, an nn.Module or a callable
# that returns one.
[[model]]
name   = "model"
target = "your_package.your_module:your_model"
inputs = [{ shape = ["batch", 3, 224, 224] }]
"""
_FOOTER = """
[measure]                  # defaults; a model may override each
device = "auto"            # auto, cpu, cuda or cuda:N
dtype  = "float32"         # float32, float16, bfloat16, or model for the model's own
mode   = "inference"       # inference, or train: forward and backward

# [budget]                 # uncomment to let a check fail
# macs    = "+0%"          # FLOPs may not grow
# params  = "+1%"
# latency = "+10%"
# peak    = "16 GiB"       # or an absolute cap
"""


def starter_manifest(tree: Path) -> str:
    """The text of a first `modelperf.toml` for a tree, which `read_manifest` accepts.

    Nothing is imported. The shapes are guesses that the text asks its reader to check.
    """
    scan = _Scan(read_sources(tree))
    found = scan.whole()
    chosen = list(found)[:_MOST_ENTRIES]
    entries = "".join(
        _entry(short, name, scan.guessed_inputs(name, found[name]))
        for short, name in zip(_short_names(chosen), chosen, strict=True)
    )
    others = [_target(name) for name in list(found)[_MOST_ENTRIES:]]
    unfinished = [_target(name) for name in scan.needing_arguments()]
    return "".join(
        [
            _HEADER,
            entries or _NOTHING_FOUND,
            _comment("More models that were found:", others),
            _comment("Models that need arguments; give them in kwargs = { … }:", unfinished),
            _FOOTER,
        ]
    )


class _Scan:
    """What one pass over the sources knows: module classes, factories, and who uses whom."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._named: dict[str, list[str]] = {}
        self._returned: dict[str, str] = {}
        self._classes = {
            _full_name(source, node): (source, node)
            for source, node in sources.definitions()
            if isinstance(node, ast.ClassDef) and self._is_module((source, node))
        }
        self._factories = dict(self._find_factories())
        self._parts = self._find_parts()

    def whole(self) -> dict[str, str]:
        """The whole models and the class of each, factories first; parts where nothing is whole."""
        made = set(self._factories.values())
        classes = {
            name: name
            for name in self._classes
            if name not in made and self._has_forward(name) and not self._needs_arguments(name)
        }
        callables = self._factories | classes
        return {
            name: cls for name, cls in callables.items() if name not in self._parts
        } or callables

    def needing_arguments(self) -> list[str]:
        """Whole module classes that no factory makes and that cannot be called as they are."""
        made = set(self._factories.values())
        return [
            name
            for name in self._classes
            if name not in made | self._parts
            and self._has_forward(name)
            and self._needs_arguments(name)
        ]

    def _is_module(self, found: tuple[Source, Definition], depth: int = 0) -> bool:
        """Whether a class descends from a module; the depth ends a cycle of bases."""
        source, node = found
        if not isinstance(node, ast.ClassDef) or depth > 16:
            return False
        for base in node.bases:
            name = self._sources.resolve(source, base)
            if name.startswith("torch.nn.") or name.rpartition(".")[2] in _FRAMEWORK_MODULES:
                return True
            parent = self._sources.find(name)
            if parent is not None and self._is_module(parent, depth + 1):
                return True
        return False

    def _lineage(self, name: str) -> Iterator[tuple[Source, ast.ClassDef]]:
        """A module class and the module classes of the tree it descends from."""
        pending, seen = [name], set()
        while pending:
            current = pending.pop(0)
            if current in seen or current not in self._classes:
                continue
            seen.add(current)
            source, node = self._classes[current]
            yield source, node
            pending += [self._sources.resolve(source, base) for base in node.bases]

    def _method(self, name: str, method: str) -> ast.FunctionDef | None:
        bodies = (item for _, node in self._lineage(name) for item in node.body)
        return next(
            (item for item in bodies if isinstance(item, ast.FunctionDef) and item.name == method),
            None,
        )

    def _has_forward(self, name: str) -> bool:
        """A subclass of, say, `nn.Sequential` has the forward of torch itself."""
        if self._method(name, "forward"):
            return True
        bases = (
            self._sources.resolve(source, base)
            for source, node in self._lineage(name)
            for base in node.bases
        )
        return any(base.startswith("torch.nn.") and base != "torch.nn.Module" for base in bases)

    def _needs_arguments(self, name: str) -> bool:
        init = self._method(name, "__init__")
        return init is not None and bool(_required(init.args, bound=True))

    def _find_factories(self) -> Iterator[tuple[str, str]]:
        for source, node in self._sources.definitions():
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                name = _full_name(source, node)
                cls = self._returned_class(name)
                if cls and not _required(node.args, bound=False):
                    yield name, cls

    def _returned_class(self, name: str) -> str:
        """The module class a callable gives, through functions of the tree, empty for none."""
        if name in self._classes:
            return name
        if name not in self._returned:
            # Stated before the look, so that functions which call each other end.
            self._returned[name] = ""
            self._returned[name] = self._looked_up(name)
        return self._returned[name]

    def _looked_up(self, name: str) -> str:
        found = self._sources.find(name)
        if found is None:
            return ""
        source, node = found
        if not isinstance(node, ast.FunctionDef):
            return ""
        callees = [self._sources.resolve(source, callee) for callee in _returned_callees(node)]
        annotated = self._sources.resolve(source, node.returns)
        given = (self._returned_class(callee) for callee in callees)
        return next(filter(None, given), annotated if annotated in self._classes else "")

    def _find_parts(self) -> set[str]:
        """Every definition that a module class or a factory names, also through functions."""
        parts, pending = set[str](), [*self._classes, *self._factories]
        visited = set(pending)
        while pending:
            current = pending.pop()
            for used in self._named_in(current):
                found = self._sources.find(used)
                if found is None or used == current:
                    continue
                parts.add(used)
                if isinstance(found[1], ast.FunctionDef) and used not in visited:
                    visited.add(used)
                    pending.append(used)
        return parts - set(self._factories)

    def _named_in(self, name: str) -> list[str]:
        """Every name and attribute that a definition reads, its bases included."""
        if name not in self._named:
            found = self._sources.find(name)
            self._named[name] = [] if found is None else self._reads(*found)
        return self._named[name]

    def _reads(self, source: Source, node: Definition) -> list[str]:
        reads = (part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute))
        resolved = (self._sources.resolve(source, part) for part in reads)
        return list(dict.fromkeys(resolved))

    def guessed_inputs(self, name: str, cls: str) -> str:
        """The inputs of the model that `name` builds as an instance of `cls`, as TOML."""
        forward = self._method(cls, "forward")
        arguments = _required(forward.args, bound=True) if forward else ["x"]
        kind = self._kind(name, cls)
        if len(arguments) > 1 and kind == "Embedding":
            # Which of several is the integer one, only its name can tell.
            kind = ""
        if len(arguments) < 2:
            entries = ", ".join(_guess(argument, kind) for argument in arguments)
            return f"inputs = [{entries}]   # check\n"
        lines = (f"{_key(argument)} = {_guess(argument, kind)}\n" for argument in arguments)
        return f"[model.inputs]   # check\n{''.join(lines)}"

    def _kind(self, name: str, cls: str) -> str:
        """The torch layer that decides a shape, looked for in the model and then in its parts."""
        pending, seen = [cls, name], set[str]()
        while pending:
            current = pending.pop(0)
            if current in seen:
                continue
            seen.add(current)
            used = self._named_in(current)
            layers = {use.rpartition(".")[2] for use in used if use.startswith("torch.nn.")}
            decisive = next((layer for layer in _GUESSES if layer in layers), None)
            if decisive:
                return decisive
            pending += used
        return ""


_INTEGER_GUESS = '{ shape = ["batch", 128], dtype = "int64", low = 0, high = 1000 }'
_GUESSES = {
    "Conv2d": '{ shape = ["batch", 3, 224, 224] }',
    "Conv3d": '{ shape = ["batch", 3, 16, 112, 112] }',
    "Conv1d": '{ shape = ["batch", 1, 1024] }',
    "Embedding": _INTEGER_GUESS,
}
_ANY_GUESS = '{ shape = ["batch", 128] }'


def _guess(argument: str, kind: str) -> str:
    if _INTEGER_WORDS.intersection(argument.lower().split("_")):
        return _INTEGER_GUESS
    return _GUESSES.get(kind, _ANY_GUESS)


def _key(argument: str) -> str:
    return argument if argument.isascii() else f'"{argument}"'


def _required(arguments: ast.arguments, *, bound: bool) -> list[str]:
    """The names a caller must give; `bound` leaves out `self`."""
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = positional[: len(positional) - len(arguments.defaults)]
    keyword = [
        argument
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return [argument.arg for argument in [*without_default[1 if bound else 0 :], *keyword]]


def _returned_callees(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """The callee of each returned call, also where the result went through a local name."""
    called = {
        target.id: node.value.func
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        match node:
            case ast.Return(value=ast.Call(func=callee)):
                yield callee
            case ast.Return(value=ast.Name(id=name)) if name in called:
                yield called[name]


def _full_name(source: Source, node: Definition) -> str:
    return f"{source.module}.{node.name}"


def _short_names(names: list[str]) -> list[str]:
    """For each name its attribute, else its module's last part, else all of it: what is unique."""
    parts = [name.split(".") for name in names]
    attributes = Counter(part[-1] for part in parts)
    short = [part[-1] if attributes[part[-1]] == 1 else part[-2] for part in parts]
    taken = Counter(short)
    return [one if taken[one] == 1 else name for one, name in zip(short, names, strict=True)]


def _target(name: str) -> str:
    module, _, attribute = name.rpartition(".")
    return f"{module}:{attribute}"


def _entry(short: str, name: str, inputs: str) -> str:
    return f'\n[[model]]\nname   = "{short}"\ntarget = "{_target(name)}"\n{inputs}'


def _comment(title: str, lines: list[str]) -> str:
    return "".join([f"\n# {title}\n", *(f"#   {line}\n" for line in lines)]) if lines else ""
