"""The machine's fingerprint: what a timing depends on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from ..records import Machine


def describe_machine() -> Machine:
    """What this process runs on. `cpu_count` is how many CPUs it may use."""
    has_cuda = torch.cuda.is_available()
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        cpu=_cpu_name(),
        cpu_count=_usable_cpus(),
        threads=torch.get_num_threads(),
        memory_bytes=memory_bytes(),
        accelerator=torch.cuda.get_device_name() if has_cuda else None,
        cuda=torch.version.cuda if has_cuda else None,
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Physical memory of the machine, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
