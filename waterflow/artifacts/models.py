"""Models as artifacts: which library's format keeps which, and the one handle for them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import boosting
from waterflow.artifacts.base import Context, Serializer, payload_file, wrong_type
from waterflow.artifacts.estimators import dump_estimator, load_estimator
from waterflow.artifacts.trust import dotted
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FORMAT: Final = "model"
"""The format of every model: its files say whose it is, so each type reads the others'."""

SKOPS: Final = "model.skops"

_SAVERS: Final[tuple[tuple[str, frozenset[str], Callable[..., None]], ...]] = (
    ("lightgbm", frozenset({"Booster", "LGBMModel"}), boosting.save_lightgbm),
    ("xgboost", frozenset({"Booster", "XGBModel"}), boosting.save_xgboost),
    ("catboost", frozenset({"CatBoost"}), boosting.save_catboost),
)
_LOADERS: Final[dict[str, Callable[[Path, Sequence[str]], Any]]] = {
    boosting.LIGHTGBM: boosting.load_lightgbm,
    boosting.XGBOOST: boosting.load_xgboost,
    boosting.CATBOOST: boosting.load_catboost,
}


class EstimatorSerializer(Serializer):
    """A scikit-learn estimator: anything derived from `sklearn.base.BaseEstimator`."""

    name = "estimator"
    format = FORMAT
    requires: tuple[str, ...] = ("scikit-learn", "skops")
    classes: tuple[tuple[str, str], ...] = (("sklearn", "BaseEstimator"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write the model in its library's format."""
        save_model(value, folder, context.trusted_types)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the model, and see that it is what the signature says."""
        model = load_model(folder, context.trusted_types)
        if isinstance(annotation, type) and annotation not in (*type(model).__mro__, Any):
            raise ArtifactError(
                f"A {annotation.__name__} is expected, and the model is a "
                f"{dotted(type(model))}. Annotate the argument with what its step returns, or "
                "with wf.Model."
            )
        return model


class LightGBMSerializer(EstimatorSerializer):
    """A model of LightGBM: a `Booster`, or one of its estimators."""

    name = "lightgbm"
    requires = ("lightgbm", "scikit-learn", "skops")
    classes = (("lightgbm", "Booster"), ("lightgbm", "LGBMModel"))


class XGBoostSerializer(EstimatorSerializer):
    """A model of XGBoost: a `Booster`, or one of its estimators."""

    name = "xgboost"
    requires = ("xgboost", "xgboost-cpu", "scikit-learn", "skops")
    classes = (("xgboost", "Booster"), ("xgboost", "XGBModel"))


class CatBoostSerializer(EstimatorSerializer):
    """A model of CatBoost."""

    name = "catboost"
    requires = ("catboost", "scikit-learn", "skops")
    classes = (("catboost", "CatBoost"),)


class ModelSerializer(EstimatorSerializer):
    """`wf.Model`: the handle around a fitted model, whichever library made it."""

    name = "model"
    classes = (("waterflow", "Model"),)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the model into a `wf.Model`."""
        del annotation
        from waterflow.artifacts.types import Model

        return Model(load_model(folder, context.trusted_types), folder)


def save_model(value: Any, folder: Path, trusted: Sequence[str] = ()) -> None:
    """Write a model in its library's own format, or as a skops file.

    Args:
        value: The model, or a `wf.Model` around it.
        folder: An empty folder.
        trusted: Dotted names of classes that it may hold beyond the allow-list.

    Raises:
        ArtifactError: It is no model, or holds what its format cannot.
    """
    from waterflow.artifacts.types import Model

    model = value.estimator if isinstance(value, Model) else value
    bases = [(base.__module__.partition(".")[0], base.__name__) for base in type(model).__mro__]
    for library, names, save in _SAVERS:
        if any(top == library and name in names for top, name in bases):
            if _is_fitted(model):
                save(model, folder, trusted)
                return
            break
    if not any(name == "BaseEstimator" for _, name in bases) and not _is_catboost(bases):
        raise wrong_type(value, "A model (a scikit-learn estimator, or one of a boosting library)")
    dump_estimator(model, folder / SKOPS, trusted)


def _is_fitted(model: Any) -> bool:
    """Say whether there are trees to write; parameters alone are a matter for skops."""
    if hasattr(model, "is_fitted"):  # CatBoost's
        return bool(model.is_fitted())
    if type(model).__name__ == "Booster":
        return True
    return getattr(model, "_Booster", None) is not None


def _is_catboost(bases: list[tuple[str, str]]) -> bool:
    return ("catboost", "CatBoost") in bases


def load_model(folder: Path, trusted: Sequence[str] = ()) -> Any:
    """Read a model of whichever library.

    Args:
        folder: The artifact's folder.
        trusted: Dotted names of classes that it may hold beyond the allow-list.

    Raises:
        ArtifactError: The folder holds no model, or one that is not to be trusted.
    """
    for name, load in _LOADERS.items():
        if (folder / name).is_file():
            return load(folder, trusted)
    return load_estimator(payload_file(folder, SKOPS, "model"), trusted)
