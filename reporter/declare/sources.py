"""A tree's Python files as the starter sees them: parsed, never imported.

What is in a tree is read with `ast`, so `init` runs no code of the user's and needs none of its
dependencies. A name is followed through the imports of the tree itself, relative ones and
re-exports of a package included, and no further.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SKIPPED_FOLDERS = frozenset(
    {
        "__pycache__",
        "build",
        "dist",
        "docs",
        "env",
        "modelperf-report",
        "node_modules",
        "site-packages",
        "test",
        "testing",
        "tests",
        "venv",
    }
)
_SKIPPED_FILES = frozenset({"conftest.py", "noxfile.py", "setup.py"})

Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file. `module` is its dotted name; `imports` maps local names to dotted ones."""

    module: str
    is_package: bool
    definitions: Mapping[str, Definition]
    imports: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """All files of a tree, by module name."""

    by_module: Mapping[str, Source]

    def definitions(self) -> Iterator[tuple[Source, Definition]]:
        """Every top-level class and function with the file it stands in."""
        for source in self.by_module.values():
            for definition in source.definitions.values():
                yield source, definition

    def resolve(self, source: Source, expression: ast.expr | None) -> str:
        """The dotted name that an expression means, empty where it is no plain name.

        A name defined in the tree comes out as `module.name` of its definition.
        """
        head, *rest = _dotted(expression).split(".")
        if not head:
            return ""
        if head in source.definitions:
            return ".".join([source.module, head, *rest])
        return self._defined(".".join([source.imports.get(head, head), *rest]))

    def find(self, name: str) -> tuple[Source, Definition] | None:
        """The definition behind a resolved name, None where the tree has none of it."""
        module, _, attribute = name.rpartition(".")
        source = self.by_module.get(module)
        if source is None or attribute not in source.definitions:
            return None
        return source, source.definitions[attribute]

    def _defined(self, name: str) -> str:
        """Follow re-exports to the module that defines a name; cycles end after some hops."""
        for _ in range(8):
            module, _, attribute = name.rpartition(".")
            source = self.by_module.get(module)
            if source is None or attribute not in source.imports:
                break
            name = source.imports[attribute]
        return name


def read_sources(tree: Path) -> Sources:
    """Every Python file of a tree that parses, but for tests, hidden folders and environments."""
    found: dict[str, Source] = {}
    for path in sorted(_python_files(tree)):
        module = _module_name(path.relative_to(tree), src_layout=_has_src_layout(tree))
        parsed = _parsed(path) if module else None
        if parsed is not None:
            found[module] = _source(module, path.name == "__init__.py", parsed)
    return Sources(found)


def _python_files(tree: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(tree):
        folders[:] = [name for name in folders if _is_searched(Path(folder, name))]
        yield from (Path(folder, name) for name in files if _is_source(name))


def _is_searched(folder: Path) -> bool:
    hidden = folder.name.startswith(".")
    return not (hidden or folder.name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists())


def _is_source(name: str) -> bool:
    is_test = name.startswith("test_") or name.endswith("_test.py")
    return name.endswith(".py") and not is_test and name not in _SKIPPED_FILES


def _has_src_layout(tree: Path) -> bool:
    return (tree / "src").is_dir() and not (tree / "src" / "__init__.py").exists()


def _module_name(path: Path, *, src_layout: bool) -> str:
    """The name the file is imported by, empty where its path cannot be one."""
    parts = list(PurePosixPath(path.as_posix()).with_suffix("").parts)
    if src_layout and parts[0] == "src":
        parts = parts[1:]
    if parts and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _parsed(path: Path) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            # An invalid escape in the user's file is not ours to report.
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return None


def _source(module: str, is_package: bool, parsed: ast.Module) -> Source:
    imports: dict[str, str] = {}
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            imports |= _plain_imports(node)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            imports |= {name.asname or name.name: f"{origin}.{name.name}" for name in node.names}
    definitions = {
        node.name: node for node in parsed.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    return Source(module=module, is_package=is_package, definitions=definitions, imports=imports)


def _plain_imports(node: ast.Import) -> dict[str, str]:
    """`import a.b` binds `a`; `import a.b as c` binds `c` to `a.b`."""
    return {
        alias.asname or alias.name.partition(".")[0]: alias.name
        if alias.asname
        else alias.name.partition(".")[0]
        for alias in node.names
    }


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - (node.level - 1)]
    return ".".join([*above, node.module] if node.module else above)


def _dotted(expression: ast.expr | None) -> str:
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            prefix = _dotted(value)
            return f"{prefix}.{attribute}" if prefix else ""
    return ""
