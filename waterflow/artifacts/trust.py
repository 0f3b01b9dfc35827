"""What a model file may hold: an allow-list of classes and functions, and what a user adds."""

from __future__ import annotations

import functools
import importlib
import types
import typing
import warnings
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import library
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_BOOSTING: Final = frozenset({
    "collections.OrderedDict",  # what LightGBM's wrappers keep their scores in
    "lightgbm.basic.Booster",
    *(f"lightgbm.sklearn.LGBM{name}" for name in ("Model", "Classifier", "Regressor", "Ranker")),
    "xgboost.core.Booster",
    "xgboost.callback.EarlyStopping",
    *(f"xgboost.sklearn.XGB{name}" for name in (
        "Model", "Classifier", "Regressor", "Ranker", "RFClassifier", "RFRegressor",
    )),
    "catboost.core.CatBoost",
    *(f"catboost.core.CatBoost{name}" for name in ("Classifier", "Regressor", "Ranker")),
})  # fmt: skip
"""Inside a Pipeline or a search; their states are the libraries' own formats, which run nothing."""
_CLOSED: Final = frozenset({"tests", "testing", "_testing", "conftest", "externals"})


def refuse_untrusted(classes: Sequence[str], trusted: Sequence[str], what: str) -> None:
    """Refuse a model that holds what nobody trusts.

    Args:
        classes: Dotted names of the classes and functions that skops does not trust by itself.
        trusted: Those that the pipeline trusts.
        what: The model, as the subject of a sentence.

    Raises:
        ArtifactError: One is on neither list.
    """
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
    if name in _FUNCTIONS or name in _SKLEARN_UTILS or name in _BOOSTING:
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
    numpy = library("numpy", "A model as an artifact")
    if issubclass(class_, (numpy.generic, numpy.dtype)):
        return True
    return _in_sklearn(class_.__module__) or f"{class_.__module__}.".startswith(_SCIPY_CLASSES)


_KNOWN: Final = ("sklearn", "lightgbm", "xgboost", "catboost")


def untrusted_classes(annotation: object, trusted: Sequence[str]) -> Iterator[type]:
    """Yield the estimator classes of an annotation whose models no file may hold.

    Looks at names only: no library is imported.

    Args:
        annotation: What a step's signature says.
        trusted: Dotted names of classes that the pipeline trusts.
    """
    for argument in typing.get_args(annotation):
        yield from untrusted_classes(argument, trusted)
    if not isinstance(annotation, type) or annotation.__module__.partition(".")[0] in _KNOWN:
        return
    if not any((base.__module__.partition(".")[0], base.__name__) in _BASES
               for base in annotation.__mro__):  # fmt: skip
        return
    # Who declares a class of their own may return one derived from it.
    waiting, family = [annotation], set[str]()
    while waiting:
        class_ = waiting.pop()
        family.add(dotted(class_))
        waiting.extend(class_.__subclasses__())
    if annotation.__module__ == "__main__":  # jobs import a script by another name
        known = any(name.endswith(f".{annotation.__qualname__}") for name in trusted)
    else:
        known = not family.isdisjoint(trusted) or allowed(dotted(annotation))
    if not known:
        yield annotation


_BASES: Final = frozenset({("sklearn", "BaseEstimator"), ("catboost", "CatBoost")})


def dotted(class_: type) -> str:
    """Return a class's name as model files have it."""
    return f"{class_.__module__}.{class_.__qualname__}"
