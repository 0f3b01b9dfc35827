"""How many threads a step's numerical libraries use: its CPUs, or what its own variables say.

And how many a process has, which decides whether it can be forked.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OMP: Final = "OMP_NUM_THREADS"
OPENBLAS: Final = "OPENBLAS_NUM_THREADS"
MKL: Final = "MKL_NUM_THREADS"
VARIABLES: Final = frozenset({OMP, OPENBLAS, MKL})


def environment(threads: int, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that give a step its threads.

    Args:
        threads: The step's CPUs.
        variables: Those that the step sets; OMP_NUM_THREADS stands for the others, too.
    """
    openmp = variables.get(OMP, str(threads))
    return {name: variables.get(name, openmp) for name in sorted(VARIABLES)}


def limit(threads: int, variables: Mapping[str, str]) -> None:
    """Give this process's libraries, which were imported with one thread, those of the step."""
    settings = environment(threads, variables)
    os.environ.update(settings)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    limits = {
        "openmp": _number(settings[OMP], threads),
        "blas": _number(settings[OPENBLAS if OPENBLAS in variables else MKL], threads),
    }
    if any(number > 1 for number in limits.values()):
        with contextlib.suppress(ImportError):
            importlib.import_module("threadpoolctl").threadpool_limits(limits)


def _number(text: str, otherwise: int) -> int:
    """Return the first number of a variable such as "4" or "4,2"."""
    first = text.partition(",")[0].strip()
    return max(1, int(first)) if first.isdecimal() else otherwise


def alive() -> int:
    """Return how many threads this process has; a fork keeps just one of them."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return threading.active_count()
