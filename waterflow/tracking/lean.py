"""Imports MLflow without the libraries of data science, which sending and asking do not need.

MLflow imports pandas, Polars and SciPy wherever they are installed: a third of the seconds that it
takes to import, and half of its memory.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_UNNEEDED: Final = ("matplotlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn")


def import_mlflow() -> None:
    """Import MLflow, if that is still to do.

    It is for processes that run no code but Waterflow's: `mlflow.data` knows no tables there.
    """
    if "mlflow" in sys.modules:
        return
    try:
        with hidden(_UNNEEDED):
            importlib.import_module("mlflow")
    except ImportError:  # a release that cannot do without
        for name in [one for one in sys.modules if one.partition(".")[0] == "mlflow"]:
            del sys.modules[name]
        importlib.import_module("mlflow")


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
