"""Imports MLflow without the libraries of data science, which sending and asking do not need.

MLflow imports pandas, Polars and SciPy wherever they are installed: a third of the seconds that it
takes to import, and half of its memory.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

_UNNEEDED: Final = ("matplotlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn")


def import_mlflow() -> None:
    """Import MLflow, if that is still to do.

    It is for processes that run no code but Waterflow's: `mlflow.data` knows no tables there.
    """
    if "mlflow" in sys.modules:
        return
    hidden = [name for name in _UNNEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        importlib.import_module("mlflow")
    except ImportError:  # a release that cannot do without
        for name in [one for one in sys.modules if one.partition(".")[0] == "mlflow"]:
            del sys.modules[name]
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
    importlib.import_module("mlflow")
