"""The models of benchmarks/, on the path as a manifest's targets would be."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EXTRA = "pip install 'modelperf-report[zoo]'"


@pytest.fixture(autouse=True, scope="session")
def _benchmarks_importable():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def needs():
    """Skip where a package of the `zoo` extra is not installed."""

    def check(*packages):
        missing = [name for name in packages if find_spec(name) is None]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}; {EXTRA}")
        import torchvision_operators

        torchvision_operators.define_if_missing()

    return check
