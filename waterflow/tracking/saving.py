"""A model in MLflow's form: its library's flavour, what it requires, and its classes' code."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import re
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import load_model, object_graph
from waterflow.artifacts.trust import dotted
from waterflow.errors import ArtifactError
from waterflow.tracking import distributions, model_code

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLE_ROWS: Final = 5
_MODULE: Final = re.compile(r'"__module__":\s*"([\w.]+)')
_BASIS: Final = ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")


@dataclass(frozen=True)
class RegisteredModel:
    """A model that is to become a version.

    Attributes:
        folder: Its artifact's folder.
        name: The registered model's name.
        example: Rows as the model takes them, or None.
        trusted_types: Classes that its file may hold beyond Waterflow's own list.
        code: The folder of the job's code bundle; None where it has none.
    """

    folder: Path
    name: str
    example: Any
    trusted_types: tuple[str, ...]
    code: Path | None


def save(model: RegisteredModel, path: Path, metadata: dict[str, str]) -> None:
    """Write a model as MLflow keeps it, without pickle.

    Args:
        model: The model.
        path: The folder to make.
        metadata: What MLflow is to note with it.

    Raises:
        ArtifactError: It is no model, does not take its example, or has no form in MLflow.
    """
    from mlflow.exceptions import MlflowException

    estimator = load_model(model.folder, model.trusted_types)
    rows, signature = (
        (None, None) if model.example is None else _signature(estimator, model.name, model.example)
    )
    modules = _modules(model.folder)
    circles = object_graph.survey(estimator).circles
    with tempfile.TemporaryDirectory() as temporary, _quiet():
        code = model_code.gather(modules, model.code, Path(temporary))
        try:
            with object_graph.opened(estimator, circles):
                _flavour(estimator, model.folder)(
                    estimator,
                    str(path),
                    code_paths=[str(entry) for entry in code.entries] or None,
                    pip_requirements=_requirements(modules, code.imports),
                    signature=signature,
                    input_example=rows,
                    metadata=metadata,
                )
        except (MlflowException, TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(
                f"Model '{model.name}' ({type(estimator).__name__}) cannot be saved in MLflow's "
                f"form: {error}"
            ) from error


def _flavour(estimator: Any, folder: Path) -> Callable[..., None]:
    """Return the function that saves a model of this library."""
    import skops.io

    libraries = [base.__module__.partition(".")[0] for base in type(estimator).__mro__]
    # `load_model` has just checked that all of these may be.
    trusted = {
        name for file in folder.glob("*.skops") for name in skops.io.get_untrusted_types(file=file)
    }
    safe = {"serialization_format": "skops", "skops_trusted_types": sorted(trusted)}
    if "lightgbm" in libraries:
        from mlflow import lightgbm

        return functools.partial(lightgbm.save_model, **safe)
    if "xgboost" in libraries:
        from mlflow import xgboost

        return xgboost.save_model
    if "catboost" in libraries:
        from mlflow import catboost

        if type(estimator).__module__ != "catboost.core":
            raise ArtifactError(
                f"MLflow knows CatBoost's own classes, and not {dotted(type(estimator))}, which "
                "derives from one. Register a model of CatBoost's own class."
            )
        return catboost.save_model
    from mlflow import sklearn

    return functools.partial(sklearn.save_model, **safe)


def _predictions(estimator: Any, rows: Any) -> Any:
    """Return what MLflow's own model of it answers for some rows."""
    if dotted(type(estimator)) == "xgboost.core.Booster":
        import xgboost

        return estimator.predict(xgboost.DMatrix(rows))
    return estimator.predict(rows)


def _modules(folder: Path) -> set[str]:
    """Return the modules of the classes and functions that a model's files name."""
    named: set[str] = set()
    for file in folder.glob("*.skops"):
        with zipfile.ZipFile(file) as archive:
            named.update(_MODULE.findall(archive.read("schema.json").decode()))
    named.update(file.stem for file in folder.iterdir() if file.suffix in (".txt", ".ubj", ".cbm"))
    return named


def _requirements(modules: set[str], imports: set[str]) -> list[str]:
    """Return what loading the model needs, as installed here, so that nothing is guessed.

    Args:
        modules: The modules that its files name.
        imports: The top-level modules that its code imports.
    """
    tops = {name.partition(".")[0] for name in modules} | imports
    tops -= {*sys.stdlib_module_names, "sklearn", "numpy", "scipy", "pandas", "waterflow"}
    packages = set(_BASIS)
    if tops:
        holders = distributions.owners()
        packages |= {one for top in tops for one in holders.get(top, ())}
    pins: list[str] = []
    for package in sorted(packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            pins.append(f"{package}=={importlib.metadata.version(package)}")
    return pins


def _signature(estimator: Any, name: str, example: Any) -> tuple[Any, Any]:
    """Return rows of an example, and the signature that follows from what the model makes of them.

    Raises:
        ArtifactError: The model does not take the example.
    """
    from mlflow.models import infer_signature

    table = example
    try:
        if hasattr(table, "to_pandas"):  # Polars and Arrow, which MLflow's signatures do not know
            table = table.to_pandas()
        table = _without_unknown(estimator, name, table)
        rows = table[:_EXAMPLE_ROWS]
        with _quiet():
            return rows, infer_signature(table, _predictions(estimator, rows))
    except Exception as error:
        raise ArtifactError(
            f"Model '{name}' ({type(estimator).__name__}) does not take what register(example=...) "
            f"gives it: {error}. {_columns(estimator, table)}Give rows as its predict takes them, "
            "without the label: example=..."
        ) from error


def _without_unknown(estimator: Any, name: str, example: Any) -> Any:
    """Return a table without the columns that the model was not fitted with, such as the label."""
    known = [str(column) for column in getattr(estimator, "feature_names_in_", ())]
    columns = [str(column) for column in getattr(example, "columns", ())]
    extra = [column for column in columns if column not in known]
    if not known or not extra or not set(known) <= set(columns):
        return example
    print(
        f"waterflow: the example of model '{name}' has columns that the model was not fitted with, "
        f"which are left out: {', '.join(extra)}",
        file=sys.stderr,
    )
    return example[known]


def _columns(estimator: Any, example: Any) -> str:
    known = [str(column) for column in getattr(estimator, "feature_names_in_", ())]
    columns = [str(column) for column in getattr(example, "columns", ())]
    fitted = f"It was fitted with the columns {', '.join(known)}. " if known else ""
    return fitted + (f"The example has {', '.join(columns)}. " if columns else "")


@contextlib.contextmanager
def _quiet() -> Any:
    """Hush what MLflow says while it saves: integer columns, its own deprecations."""
    import logging
    import warnings

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
