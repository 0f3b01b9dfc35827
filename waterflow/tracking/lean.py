"""Imports MLflow in less time: without the libraries of data science, which sending does not need.

MLflow imports pandas, Polars and SciPy wherever they are installed: a third of the seconds that it
takes to import, and half of its memory.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_UNNEEDED: Final = ("matplotlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn")

_sparing: list[bool] = []
"""Not empty while a block runs in which MLflow is imported so."""


@contextlib.contextmanager
def sparing() -> Generator[None]:
    """Let MLflow be imported so where the block first needs it: whom nobody answers never does.

    It is for processes that run no code but Waterflow's: `mlflow.data` knows no tables there.
    """
    _sparing.append(True)
    try:
        yield
    finally:
        _sparing.pop()


def follow() -> None:
    """Import MLflow as the block asks that runs; outside of any, leave it to who needs it."""
    if _sparing:
        import_mlflow()


def import_mlflow() -> None:
    """Import MLflow at once, if that is still to do; for the same processes as `sparing`."""
    if "mlflow" in sys.modules:
        return
    try:
        with hidden(_UNNEEDED), uncollected():
            importlib.import_module("mlflow")
    except ImportError:  # a release that cannot do without
        for name in [one for one in sys.modules if one.partition(".")[0] == "mlflow"]:
            del sys.modules[name]
        importlib.import_module("mlflow")
    # Modules stay until the process ends: no collection need look at them again, its last neither.
    gc.freeze()


@contextlib.contextmanager
def uncollected() -> Generator[None]:
    """Collect no garbage while the block imports libraries: an eighth of its seconds, for none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def hidden(names: Iterable[str]) -> Generator[None]:
    """Let modules be as if they were not installed, but for those that are imported already."""
    new = [name for name in names if name not in sys.modules]
    for name in new:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        for name in new:
            sys.modules.pop(name, None)
