"""Models of LightGBM, XGBoost and CatBoost: trees in the library's own file, the rest beside.

The library's file is what its own `load_model` reads, in any language. Beside it lies what that
file leaves out (the estimator's parameters, its labels, the best iteration), as skops has it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import library, payload_file
from waterflow.artifacts.estimators import dump_estimator, load_estimator
from waterflow.artifacts.stamps import unstamped
from waterflow.artifacts.trust import dotted
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LIGHTGBM: Final = "lightgbm.txt"
XGBOOST: Final = "xgboost.ubj"
CATBOOST: Final = "catboost.cbm"
STATE: Final = "state.skops"

_IMPORTANCES: Final = ("_prediction_values_change", "_loss_value_change")
"""Where CatBoost keeps what it has found out of its features, which may have needed the data."""

_BOUND: Final = frozenset({"handle", "_handle", "train_set", "valid_sets"})
"""What ties a booster to the memory of its process."""


def save_lightgbm(model: Any, folder: Path, trusted: Sequence[str]) -> None:
    """Write a fitted Booster or LGBMModel."""
    lightgbm = library("lightgbm", "A LightGBM model as an artifact")
    # -1: all trees, as pickling it would keep; left out, only those up to the best iteration.
    _save_booster(
        model,
        lightgbm.Booster,
        lambda booster: booster.save_model(str(folder / LIGHTGBM), num_iteration=-1),
        folder,
        trusted,
    )


def load_lightgbm(folder: Path, trusted: Sequence[str]) -> Any:
    """Read a Booster or LGBMModel."""
    lightgbm = library("lightgbm", "A LightGBM model as an artifact")
    file = payload_file(folder, LIGHTGBM, "lightgbm")
    return _load_booster(lambda: lightgbm.Booster(model_file=str(file)), folder, trusted)


def save_xgboost(model: Any, folder: Path, trusted: Sequence[str]) -> None:
    """Write a fitted Booster or XGBModel."""
    xgboost = library("xgboost", "An XGBoost model as an artifact")
    _save_booster(
        model,
        xgboost.Booster,
        lambda booster: booster.save_model(str(folder / XGBOOST)),
        folder,
        trusted,
    )


def load_xgboost(folder: Path, trusted: Sequence[str]) -> Any:
    """Read a Booster or XGBModel."""
    xgboost = library("xgboost", "An XGBoost model as an artifact")
    file = payload_file(folder, XGBOOST, "xgboost")
    return _load_booster(lambda: xgboost.Booster(model_file=str(file)), folder, trusted)


def save_catboost(model: Any, folder: Path, trusted: Sequence[str]) -> None:
    """Write a fitted CatBoost model of any of its classes."""
    library("catboost", "A CatBoost model as an artifact")
    importances = {name: getattr(model, name, None) for name in _IMPORTANCES}
    state = {
        "class": type(model),
        "parameters": model.get_params(),
        "importances": {name: one for name, one in importances.items() if one is not None},
    }
    dump_estimator(state, folder / STATE, trusted, what=_what(model))
    with unstamped(model):
        _write(model, lambda: model.save_model(str(folder / CATBOOST), format="cbm"))


def load_catboost(folder: Path, trusted: Sequence[str]) -> Any:
    """Read a CatBoost model."""
    library("catboost", "A CatBoost model as an artifact")
    file = payload_file(folder, CATBOOST, "catboost")
    state = load_estimator(payload_file(folder, STATE, "catboost"), trusted)
    model = state["class"].__new__(state["class"])
    model.__setstate__({})  # as the library's own copies begin, whatever the class's arguments
    _read(file, lambda: model.load_model(str(file), format="cbm"))
    # Reading the file adds what training took for the parameters that nobody set.
    model._init_params = state["parameters"]  # noqa: SLF001
    vars(model).update(state["importances"])
    return model


def _save_booster(
    model: Any, kind: type, write: Callable[[Any], object], folder: Path, trusted: Sequence[str]
) -> None:
    wrapper = None
    booster = model
    if not isinstance(model, kind):
        booster = model._Booster  # noqa: SLF001 - what both libraries' own savers look at
        wrapper = copy.copy(model)
        wrapper._Booster = None  # noqa: SLF001
    rest = {name: value for name, value in sorted(vars(booster).items()) if name not in _BOUND}
    state = {"estimator": wrapper, "booster": rest}
    dump_estimator(state, folder / STATE, trusted, what=_what(model))
    _write(model, lambda: write(booster))


def _load_booster(make: Callable[[], Any], folder: Path, trusted: Sequence[str]) -> Any:
    file = payload_file(folder, STATE, "booster")
    state = load_estimator(file, trusted)
    booster = _read(folder, make)
    vars(booster).update(state["booster"])
    wrapper = state["estimator"]
    if wrapper is None:
        return booster
    wrapper._Booster = booster  # noqa: SLF001
    return wrapper


def _what(model: object) -> str:
    return f"The model ({dotted(type(model))})"


def _write(model: object, write: Callable[[], object]) -> None:
    try:
        write()
    except Exception as error:
        if isinstance(error, OSError):
            raise
        raise ArtifactError(
            f"{_what(model)} cannot be written by its own library: {error}"
        ) from error


def _read(place: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:
        raise ArtifactError(
            f"{place} cannot be read by the model's own library: {error}. It was written with "
            "another version of it: install that of the lock file, or run the step that makes it "
            "again."
        ) from error
