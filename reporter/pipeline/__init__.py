"""The story: declare → isolate(profile) → compare → render → publish, one function a command.

The only place that joins the stages. Each function takes its settings, does its command from
beginning to end, and returns the exit code.
"""

from .profiling import profile, report
from .project import doctor, init, validate
from .stored import compare_snapshots, merge_shards, publish, render

__all__ = [
    "compare_snapshots",
    "doctor",
    "init",
    "merge_shards",
    "profile",
    "publish",
    "render",
    "report",
    "validate",
]
