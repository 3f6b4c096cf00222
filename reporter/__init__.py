"""modelperf-report: what a change does to the cost of a repository's PyTorch models.

One way through the house:

    declare → isolate(profile) → compare → render → publish

Each stage is a folder, `pipeline` joins them, and only the frozen `records` cross between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .profile.live import profile_model

__all__ = ["__version__", "profile_model"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`profile_model` only when it is asked for: it imports torch."""
    if name != "profile_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .profile.live import profile_model

    return profile_model
