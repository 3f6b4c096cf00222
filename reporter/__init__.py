"""modelperf-report: what a change does to the cost of a repository's PyTorch models.

One way through the house:

    declare → isolate(profile) → compare → render → publish

Each stage is a folder, `pipeline` joins them, and only the frozen `records` cross between them.
"""

__version__ = "0.1.0"
