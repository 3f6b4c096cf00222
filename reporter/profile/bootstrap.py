"""Starts a worker: `python bootstrap.py REQUEST_FD ANSWER_FD TREE`.

Run as a script, so that nothing of ours need be importable. Our package is loaded from its own
folder under a private name, and the tree's folders take the script's place on `sys.path`: a
user's own package called `reporter` and ours never meet.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

PACKAGE = "_modelperf_report"


def _load_package(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no package in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def _import_from(tree: Path) -> None:
    layouts = (tree / "src", tree)
    sys.path[0:1] = [str(folder) for folder in layouts if folder.is_dir()]


def main(argv: list[str]) -> None:
    """`argv`: the descriptor to read requests from, the one to answer on, the tree."""
    requests, answers, tree = int(argv[0]), int(argv[1]), Path(argv[2])
    _load_package(Path(__file__).resolve().parents[1])
    _import_from(tree)
    importlib.import_module(f"{PACKAGE}.profile.worker").serve(requests, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
