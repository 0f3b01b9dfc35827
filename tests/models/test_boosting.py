"""LightGBM, XGBoost and CatBoost: what comes back is the model, and its file the library's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from waterflow import artifacts
from waterflow.artifacts import load_model, save_model
from waterflow.artifacts.types import Model
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.random((200, 4)), columns=list("abcd"))
Y = (X["a"] + X["b"] > 1).astype(int)
WORDS = np.where(Y, "yes", "no")
MIXED = X.assign(kind=pd.Categorical(RANDOM.choice(["x", "y", "z"], 200)))
TEXT = MIXED.astype({"kind": str})
TRAIN, TEST = slice(None, 150), slice(150, None)
QUIET: dict[str, Any] = {"verbose": 0, "allow_writing_files": False}


def lightgbm_classifier() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=5, verbose=-1).fit(MIXED, WORDS)


def lightgbm_stopped_early() -> Any:
    from lightgbm import LGBMClassifier, early_stopping

    return LGBMClassifier(n_estimators=60, verbose=-1).fit(
        X[TRAIN],
        Y[TRAIN],
        eval_set=[(X[TEST], Y[TEST])],
        callbacks=[early_stopping(2, verbose=False)],
    )


def lightgbm_regressor() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=5, verbose=-1, monotone_constraints=[1, 0, 0, 0]).fit(X, Y)


def lightgbm_ranker() -> Any:
    from lightgbm import LGBMRanker

    return LGBMRanker(n_estimators=5, verbose=-1).fit(X, Y, group=[100, 100])


def lightgbm_booster() -> Any:
    import lightgbm

    sets = [lightgbm.Dataset(MIXED[part], Y[part]) for part in (TRAIN, TEST)]
    return lightgbm.train(
        {"verbose": -1, "objective": "binary"}, sets[0], num_boost_round=60, valid_sets=[sets[1]],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )  # fmt: skip


def xgboost_classifier() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=5, enable_categorical=True).fit(MIXED, Y)


def xgboost_stopped_early() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=60, early_stopping_rounds=2, eval_metric="auc").fit(
        X[TRAIN], Y[TRAIN], eval_set=[(X[TEST], Y[TEST])], verbose=False
    )


def xgboost_with_a_callback() -> Any:
    from xgboost import XGBRegressor
    from xgboost.callback import EarlyStopping

    return XGBRegressor(n_estimators=60, callbacks=[EarlyStopping(2)]).fit(
        X[TRAIN], Y[TRAIN], eval_set=[(X[TEST], Y[TEST])], verbose=False
    )


def xgboost_darts() -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=5, booster="dart").fit(X, Y)


def xgboost_forest() -> Any:
    from xgboost import XGBRFClassifier

    return XGBRFClassifier(n_estimators=5).fit(X, Y)


def xgboost_ranker() -> Any:
    from xgboost import XGBRanker

    return XGBRanker(n_estimators=5).fit(X, Y, group=[100, 100])


def xgboost_booster() -> Any:
    import xgboost

    return xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, Y), 5)


def catboost_classifier() -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(iterations=5, cat_features=["kind"], **QUIET).fit(TEXT, WORDS)


def catboost_regressor() -> Any:
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(iterations=40, early_stopping_rounds=2, **QUIET)
    return model.fit(X[TRAIN], Y[TRAIN], eval_set=(X[TEST], Y[TEST]))


def catboost_ranker() -> Any:
    from catboost import CatBoostRanker

    return CatBoostRanker(iterations=5, **QUIET).fit(X, Y, group_id=[0] * 100 + [1] * 100)


def catboost_itself() -> Any:
    from catboost import CatBoost

    return CatBoost({"iterations": 5, "loss_function": "RMSE", **QUIET}).fit(X, Y)


def piped(make: Callable[[], Any]) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = make_pipeline(StandardScaler(), make())
    return steps.set_output(transform="pandas").fit(X, Y)


def lightgbm_in_a_pipeline() -> Any:
    from lightgbm import LGBMClassifier

    return piped(lambda: LGBMClassifier(n_estimators=5, verbose=-1))


def xgboost_in_a_search() -> Any:
    from sklearn.model_selection import GridSearchCV
    from xgboost import XGBClassifier

    search = GridSearchCV(XGBClassifier(n_estimators=3), {"max_depth": [2, 3]}, cv=2).fit(X, Y)
    # How long its fits took is part of a search.
    times = [name for name in search.cv_results_ if name.endswith("_time")]
    search.cv_results_ = {k: v for k, v in search.cv_results_.items() if k not in times}
    search.refit_time_ = 0.0
    return search


def catboost_in_a_pipeline() -> Any:
    from catboost import CatBoostRegressor

    return piped(lambda: CatBoostRegressor(iterations=5, **QUIET))


CASES: dict[str, tuple[Callable[[], Any], pd.DataFrame, str]] = {
    "lightgbm_classifier": (lightgbm_classifier, MIXED, "lightgbm.txt"),
    "lightgbm_stopped_early": (lightgbm_stopped_early, X, "lightgbm.txt"),
    "lightgbm_regressor": (lightgbm_regressor, X, "lightgbm.txt"),
    "lightgbm_ranker": (lightgbm_ranker, X, "lightgbm.txt"),
    "lightgbm_booster": (lightgbm_booster, MIXED, "lightgbm.txt"),
    "lightgbm_in_a_pipeline": (lightgbm_in_a_pipeline, X, "model.skops"),
    "xgboost_classifier": (xgboost_classifier, MIXED, "xgboost.ubj"),
    "xgboost_stopped_early": (xgboost_stopped_early, X, "xgboost.ubj"),
    "xgboost_with_a_callback": (xgboost_with_a_callback, X, "xgboost.ubj"),
    "xgboost_darts": (xgboost_darts, X, "xgboost.ubj"),
    "xgboost_forest": (xgboost_forest, X, "xgboost.ubj"),
    "xgboost_ranker": (xgboost_ranker, X, "xgboost.ubj"),
    "xgboost_booster": (xgboost_booster, X, "xgboost.ubj"),
    "xgboost_in_a_search": (xgboost_in_a_search, X, "model.skops"),
    "catboost_classifier": (catboost_classifier, TEXT, "catboost.cbm"),
    "catboost_regressor": (catboost_regressor, X, "catboost.cbm"),
    "catboost_ranker": (catboost_ranker, X, "catboost.cbm"),
    "catboost_itself": (catboost_itself, X, "catboost.cbm"),
    "catboost_in_a_pipeline": (catboost_in_a_pipeline, X, "model.skops"),
}


def predictions(model: Any, data: pd.DataFrame) -> list[bytes]:
    if type(model).__module__ == "xgboost.core":
        import xgboost

        return [model.predict(xgboost.DMatrix(data)).tobytes()]
    methods = [getattr(model, name, None) for name in ("predict", "predict_proba")]
    results = [np.asarray(method(data)) for method in methods if method is not None]
    return [(one.astype(str) if one.dtype == object else one).tobytes() for one in results]


def parameters(model: Any) -> str:
    return re.sub(" at 0x[0-9a-f]+", "", str(model.get_params()))


def saved(model: Any, folder: Path) -> str | None:
    folder.mkdir()
    save_model(model, folder)
    return artifacts.seal(folder, "model").sha256


def main(folder: Path) -> None:
    """Fit and save every case, for a process of another hash seed; print what was saved."""
    report: dict[str, Any] = {}
    for name, (make, data, _) in CASES.items():
        model = make()
        digest = saved(model, folder / name)
        report[name] = [digest, [one.hex() for one in predictions(model, data)]]
    print(json.dumps(report))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The models of another process: its folder, and each one's digest and predictions."""
    folder = tmp_path_factory.mktemp("elsewhere")
    root = str(Path(artifacts.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, str(folder)],
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": root},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.filterwarnings("ignore")  # the libraries' own, of pandas and scikit-learn
@pytest.mark.parametrize("case", CASES)
def test_a_model_of_another_process_is_the_same(
    case: str, elsewhere: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    make, data, file = CASES[case]
    folder, report = elsewhere
    digest, answers = report[case]
    model = make()
    assert saved(model, tmp_path / "anew") == digest, "equal models, equal bytes"
    read = load_model(folder / case)
    files = {file, "manifest.json"} | ({"state.skops"} if file != "model.skops" else set())
    assert {one.name for one in (folder / case).iterdir()} == files
    assert type(read) is type(model)
    if hasattr(model, "get_params"):
        assert parameters(read) == parameters(model)
    assert [one.hex() for one in predictions(read, data)] == answers
    assert saved(read, tmp_path / "again") == digest
    assert predictions(model, data) == predictions(read, data), "saving leaves a model as it was"


def test_each_library_reads_its_own_file(elsewhere: tuple[Path, dict[str, Any]]) -> None:
    import catboost
    import lightgbm
    import xgboost

    folder, _ = elsewhere
    booster = lightgbm.Booster(model_file=folder / "lightgbm_regressor" / "lightgbm.txt")
    assert booster.num_trees() == 5
    trees = xgboost.Booster(model_file=folder / "xgboost_forest" / "xgboost.ubj")
    assert trees.feature_names == list("abcd")
    model = catboost.CatBoostClassifier().load_model(
        folder / "catboost_classifier" / "catboost.cbm"
    )
    assert list(model.classes_) == ["no", "yes"]


@pytest.mark.parametrize("module", ["lightgbm", "xgboost", "catboost"])
def test_parameters_alone_are_kept_too(module: str, tmp_path: Path) -> None:
    kinds = {
        "lightgbm": "LGBMClassifier",
        "xgboost": "XGBClassifier",
        "catboost": "CatBoostClassifier",
    }
    model = getattr(__import__(module), kinds[module])(random_state=3, learning_rate=0.5)
    save_model(Model(model), tmp_path)
    read = load_model(tmp_path)
    assert type(read) is type(model)
    assert parameters(read) == parameters(model)


def test_a_reader_of_another_class_is_told(elsewhere: tuple[Path, dict[str, Any]]) -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.base import BaseEstimator, ClassifierMixin

    folder = elsewhere[0] / "lightgbm_classifier"
    context = artifacts.Context()
    for annotation in (LGBMClassifier, ClassifierMixin, BaseEstimator, Any):
        serializer = artifacts.by_name("estimator")
        assert isinstance(serializer.load(folder, annotation, context), LGBMClassifier)
    with pytest.raises(
        ArtifactError, match="A LGBMRegressor is expected, and the model is a lightgbm"
    ):
        artifacts.by_name("lightgbm").load(folder, LGBMRegressor, context)


def objective(truth: Any, predicted: Any) -> tuple[Any, Any]:
    return predicted - truth, np.ones_like(truth, dtype=float)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_an_objective_of_ones_own_is_a_matter_of_trust(library: str, tmp_path: Path) -> None:
    import lightgbm
    import xgboost

    kind: Any = {"lightgbm": lightgbm.LGBMRegressor, "xgboost": xgboost.XGBRegressor}[library]
    model = kind(n_estimators=3, objective=objective).fit(X.to_numpy(), Y.to_numpy())
    with pytest.raises(ArtifactError, match=r"trusted_types=\[.*objective"):
        save_model(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
