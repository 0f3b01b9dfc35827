"""scikit-learn estimators as skops files, and the allow-list of what such a file may hold."""

from __future__ import annotations

import functools
import importlib
import types
import warnings
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import Context, Serializer, library, payload_file, wrong_type
from waterflow.artifacts.skops_file import canonical
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE: Final = "model.skops"

_WHAT: Final = "A scikit-learn estimator as an artifact"

# A skops file may construct what it names with arguments of its own choice, and call it, so "all of
# numpy" would be as open as pickle: numpy.testing holds an exec, numpy.savetxt writes any file,
# scipy.stats' distributions compile text. What follows computes, and does nothing else.
_SKLEARN_PARTS: Final = frozenset({
    "_loss", "calibration", "cluster", "compose", "covariance", "cross_decomposition",
    "decomposition", "discriminant_analysis", "dummy", "ensemble", "feature_extraction",
    "feature_selection", "frozen", "gaussian_process", "impute", "isotonic",
    "kernel_approximation", "kernel_ridge", "linear_model", "manifold", "metrics", "mixture",
    "model_selection", "multiclass", "multioutput", "naive_bayes", "neighbors", "neural_network",
    "pipeline", "preprocessing", "random_projection", "semi_supervised", "svm", "tree",
})  # fmt: skip
_SKLEARN_UTILS: Final = frozenset({
    "sklearn.utils._bunch.Bunch", "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
})  # fmt: skip
_SCIPY_CLASSES: Final = ("scipy.interpolate.", "scipy.sparse.", "scipy.spatial.")
_FUNCTIONS: Final = frozenset({
    *(f"numpy.{name}" for name in (
        "argmax", "argmin", "average", "clip", "cumsum", "diff", "max", "mean", "median", "min",
        "nan_to_num", "nanmax", "nanmean", "nanmedian", "nanmin", "nanstd", "nansum", "nanvar",
        "percentile", "prod", "ptp", "quantile", "ravel", "reshape", "round", "squeeze", "std",
        "sum", "transpose", "var",
    )),
    # SplineTransformer keeps the first, HistGradientBoosting with categories the others; what a
    # partial stands for is looked at by itself.
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "functools.partial", "sklearn.utils.validation.check_array",
})  # fmt: skip
_CLOSED: Final = frozenset({"tests", "testing", "_testing", "conftest", "externals"})


class EstimatorSerializer(Serializer):
    """A scikit-learn estimator: anything derived from `sklearn.base.BaseEstimator`."""

    name = "estimator"
    format = "skops"
    requires = ("scikit-learn", "skops")
    classes = (("sklearn", "BaseEstimator"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `model.skops`."""
        dump_estimator(_bare_estimator(value), folder / FILE, context.trusted_types)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `model.skops`."""
        del annotation
        return load_estimator(payload_file(folder, FILE, self.name), context.trusted_types)


class ModelSerializer(EstimatorSerializer):
    """`wf.Model`: the handle around a fitted model."""

    name = "model"
    classes = (("waterflow", "Model"),)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `model.skops` into a `wf.Model`."""
        from waterflow.artifacts.types import Model

        return Model(super().load(folder, annotation, context), folder)


def dump_estimator(estimator: Any, path: Path, trusted: Sequence[str] = ()) -> None:
    """Write an estimator as a canonical skops file.

    Args:
        estimator: The fitted estimator.
        path: The file to write.
        trusted: Dotted names that it may hold beyond the allow-list.

    Raises:
        ArtifactError: It holds types outside the allow-list, or what skops cannot write.
    """
    library("sklearn", _WHAT)
    skops = library("skops.io", _WHAT)
    kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    try:
        data: bytes = skops.dumps(estimator)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"The model ({kind}) cannot be written as a skops file: {error}. Return it as a Path "
            "to a file in its own library's format."
        ) from None
    _refuse_untrusted(skops.get_untrusted_types(data=data), trusted, f"The model ({kind})")
    path.write_bytes(canonical(data))


def load_estimator(path: Path, trusted: Sequence[str] = ()) -> Any:
    """Read an estimator from a skops file.

    Args:
        path: The file.
        trusted: Dotted names that it may hold beyond the allow-list.

    Raises:
        ArtifactError: It is no skops file, or holds types outside the allow-list.
    """
    from zipfile import BadZipFile

    library("sklearn", _WHAT)
    skops = library("skops.io", _WHAT)
    data = path.read_bytes()
    try:
        classes: list[str] = skops.get_untrusted_types(data=data)
    except (BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a readable skops file: {error}") from None
    _refuse_untrusted(classes, trusted, f"The model file {path}")
    try:
        return skops.loads(data, trusted=classes)
    except (ImportError, AttributeError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be loaded here: {error}. It was written with other versions of its "
            "libraries: install those of the lock file, or run the step that makes it again."
        ) from error


def _refuse_untrusted(classes: Sequence[str], trusted: Sequence[str], what: str) -> None:
    refused = [name for name in classes if name not in trusted and not allowed(name)]
    if not refused:
        return
    if local := [name for name in refused if "<" in name]:
        raise ArtifactError(
            f"{what} holds {', '.join(local)}, which no file can name. Define the function at the "
            "top level of a module instead of as a lambda or inside another function."
        )
    names = ", ".join(refused)
    listed = ", ".join(f'"{name}"' for name in refused)
    raise ArtifactError(
        f"{what} holds types that are not on the allow-list for model files: {names}. If you trust "
        f"their code, say so: @wf.pipeline(trusted_types=[{listed}])"
    )


@functools.cache
def allowed(name: str) -> bool:
    """Say whether a model file may name a class or function that skops does not trust by itself.

    Args:
        name: The dotted name, as `skops.io.get_untrusted_types` gives it.
    """
    if name in _FUNCTIONS or name in _SKLEARN_UTILS:
        return True
    module, _, attribute = name.rpartition(".")
    if not _open(module):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a module under its former name
            entity: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    # Where it comes from decides, not the module that happens to have imported it.
    home = getattr(entity, "__module__", None)
    if isinstance(home, str) and not _open(home):
        return False
    if isinstance(entity, type):
        return _allowed_class(entity)
    if type(entity).__name__ == "ufunc":
        return module.startswith(("numpy", "scipy.special"))
    # Functions of scikit-learn: scores, kernels, the parts of its own algorithms.
    is_function = isinstance(entity, (types.FunctionType, types.BuiltinFunctionType))
    is_function = is_function or type(entity).__name__ == "cython_function_or_method"
    return is_function and _in_sklearn(home)


def _open(module: str) -> bool:
    parts = module.split(".")
    if parts[0] not in ("sklearn", "numpy", "scipy") or not _CLOSED.isdisjoint(parts):
        return False
    return not any(part.startswith("__") for part in parts)


def _in_sklearn(home: object) -> bool:
    parts = home.split(".") if isinstance(home, str) else []
    return len(parts) > 1 and parts[0] == "sklearn" and parts[1] in _SKLEARN_PARTS


def _allowed_class(class_: type) -> bool:
    numpy = library("numpy", _WHAT)
    if issubclass(class_, (numpy.generic, numpy.dtype)):
        return True
    return _in_sklearn(class_.__module__) or f"{class_.__module__}.".startswith(_SCIPY_CLASSES)


def _bare_estimator(value: Any) -> Any:
    from waterflow.artifacts.types import Model

    estimator = value.estimator if isinstance(value, Model) else value
    if not any(base.__name__ == "BaseEstimator" for base in type(estimator).__mro__):
        raise wrong_type(value, "A scikit-learn estimator")
    return estimator
