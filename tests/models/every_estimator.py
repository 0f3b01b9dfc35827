"""A program: fits every estimator of scikit-learn, writes it, and reads what another process wrote.

    python every_estimator.py FOLDER [OTHER]

FOLDER gets a file an estimator and `report.json`: name -> what became of it. With OTHER, the folder
of a process before, its files are read too: what they predict, and their bytes when written again.
"""

import hashlib
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from waterflow.artifacts import dump_estimator, load_estimator
from waterflow.errors import ArtifactError

RANDOM = np.random.default_rng(0)
X = np.abs(RANDOM.random((40, 5)))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
TEXTS = ["the cat sat", "a dog ran far", "cats and dogs", "run dog run"] * 10
SQUARE = X @ X.T
HALF = np.column_stack([Y, 1 - Y])
REALS = np.column_stack([X[:, 0], X[:, 1]])
PARTIAL = np.where(np.arange(40) % 5 == 0, -1, Y)
CLASSIFIERS = [("a", LogisticRegression()), ("b", LogisticRegression(C=2))]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "ColumnTransformer": {"transformers": [("a", StandardScaler(), [0, 1]), ("b", "drop", [2])]},
    "FeatureUnion": {"transformer_list": [("a", StandardScaler()), ("b", PCA(2))]},
    "Pipeline": {"steps": [("a", StandardScaler()), ("b", LogisticRegression())]},
    "StackingClassifier": {"estimators": CLASSIFIERS},
    "VotingClassifier": {"estimators": CLASSIFIERS},
    "StackingRegressor": {"estimators": [("a", Ridge()), ("b", Ridge(2))]},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", Ridge(2))]},
    "GridSearchCV": {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1]}},
    "RandomizedSearchCV": {
        "estimator": LogisticRegression(), "param_distributions": {"C": [0.1, 1]}, "n_iter": 2,
    },
    "SparseCoder": {"dictionary": X[:8]},
    "FrozenEstimator": {"estimator": LogisticRegression().fit(X, Y)},
    "SelfTrainingClassifier": {"estimator": LogisticRegression()},
    "RegressorChain": {"estimator": Ridge()},
    "MultiOutputRegressor": {"estimator": Ridge()},
    "GaussianRandomProjection": {"n_components": 2},
    "SparseRandomProjection": {"n_components": 2},
    "OrthogonalMatchingPursuitCV": {"cv": 2, "max_iter": 2},
    "HistGradientBoostingClassifier": {"early_stopping": True, "scoring": "roc_auc"},
    "HistGradientBoostingRegressor": {"early_stopping": True, "scoring": "r2"},
}  # fmt: skip
DATA: dict[str, tuple[Any, ...]] = {
    "CountVectorizer": (TEXTS,), "TfidfVectorizer": (TEXTS,), "HashingVectorizer": (TEXTS,),
    "DictVectorizer": ([{"a": 1, "b": "x"}] * 4,), "FeatureHasher": ([{"a": 1}] * 4,),
    "LabelEncoder": (Y,), "LabelBinarizer": (Y,), "MultiLabelBinarizer": ([["a", "b"], ["c"]],),
    "IsotonicRegression": (X[:, 0], Y), "SelfTrainingClassifier": (X, PARTIAL),
    "PatchExtractor": (RANDOM.random((2, 8, 8)),), "KernelCenterer": (SQUARE,),
    "GammaRegressor": (X, X[:, 0] + 1), "MultiOutputClassifier": (X, HALF),
    "ClassifierChain": (X, HALF),
    **dict.fromkeys((
        "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "CCA",
        "PLSCanonical", "PLSRegression", "PLSSVD", "MultiOutputRegressor", "RegressorChain",
    ), (X, REALS)),
}  # fmt: skip
QUICK = {"random_state": 0, "n_estimators": 3, "max_iter": 20, "n_init": 1}
METHODS = ("predict", "predict_proba", "decision_function", "transform")


def make(name: str, kind: Any) -> Any:
    """Return an estimator, small."""
    arguments = dict(ARGUMENTS.get(name, {}))
    known = inspect.signature(kind).parameters
    if "estimator" in known and known["estimator"].default is inspect.Parameter.empty:
        arguments.setdefault("estimator", LogisticRegression())
    model = kind(**arguments)
    parameters = {k: v for k, v in QUICK.items() if k in model.get_params(deep=False)}
    if name in ("TSNE", "OrthogonalMatchingPursuitCV"):
        parameters.pop("max_iter")
    model.set_params(**parameters)
    return model


def answers(model: Any, data: Any) -> list[np.ndarray]:
    """Return what a model says of data; a copy, because sums differ where both are one array."""
    seen = data.copy() if isinstance(data, np.ndarray) else data
    results: list[np.ndarray] = []
    for method in METHODS:
        if hasattr(model, method):
            try:
                result = getattr(model, method)(seen)
            except ValueError:  # takes another shape than fit does
                continue
            results.append(np.asarray(result.toarray() if hasattr(result, "toarray") else result))
    return results


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Say whether two models answer the same, to the bit."""
    return len(one) == len(other) and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True)
    )


def digest(path: Path) -> str:
    """Return a file's digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(folder: Path, other: Path | None) -> None:
    """Write the report."""
    report: dict[str, dict[str, Any]] = {}
    for name, kind in all_estimators():
        entry = report[name] = {}
        data = DATA.get(name, (X, Y))
        model = make(name, kind).fit(*data)
        path = folder / f"{name}.skops"
        try:
            dump_estimator(model, path)
        except ArtifactError as error:
            entry["refused"] = str(error)
            continue
        said = answers(model, data[0])
        dump_estimator(model, folder / "again")
        entry["digest"], entry["asked"] = digest(path), digest(folder / "again")
        if other is not None:
            read = load_estimator(other / path.name)
            dump_estimator(read, folder / "again")
            entry["rewritten"] = digest(folder / "again")
            entry["class"] = type(read) is type(model)
            entry["parameters"] = str(read.get_params()) == str(model.get_params())
            entry["answers"] = equal(said, answers(read, data[0]))
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
