"""Serializers: estimators as skops files: canonical, and closed to what is not trusted."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from waterflow import artifacts
from waterflow.artifacts.types import Model
from waterflow.errors import ArtifactError

CONTEXT = artifacts.Context()


def save(name: str, value: object, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    artifacts.by_name(name).save(value, folder, CONTEXT)
    artifacts.seal(folder, name)
    return folder


def load(name: str, folder: Path, annotation: object = Any) -> Any:
    artifacts.verify(folder)
    return artifacts.by_name(name).load(folder, annotation, CONTEXT)


def trip(name: str, value: object, folder: Path, annotation: object = Any) -> Any:
    return load(name, save(name, value, folder), annotation)


class Custom(BaseEstimator):
    def __init__(self, power: int = 2) -> None:
        self.power = power


FIT = """
import hashlib, json, sys, warnings
from pathlib import Path
order = sys.argv[2]
# The order of imports differs between the two processes, as the hash seed does.
if order == "1":
    import scipy.special, scipy.stats
    from sklearn.gaussian_process import GaussianProcessRegressor
import numpy as np, pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (GradientBoostingClassifier, HistGradientBoostingClassifier,
    IsolationForest, RandomForestClassifier, StackingClassifier)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (FunctionTransformer, OneHotEncoder, SplineTransformer,
    StandardScaler)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
import scipy.special
from waterflow.artifacts import dump_estimator, load_estimator

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.random((120, 4)), columns=list("abcd"))
X["kind"] = rng.choice(["x", "y", "z"], 120)
y = (X.a + X.b + rng.normal(0, .2, 120) > 1).astype(int)
N = X.drop(columns="kind")
mixed = ColumnTransformer([("n", StandardScaler(), list("abcd")), ("k", OneHotEncoder(), ["kind"])])
models = {
    "logistic": (LogisticRegression(), N),
    "gradient": (GradientBoostingClassifier(n_estimators=8, random_state=0), N),
    "forest": (RandomForestClassifier(n_estimators=8, random_state=0), N),
    "hist": (HistGradientBoostingClassifier(max_iter=8, random_state=0,
             categorical_features=["kind"]), X.astype({"kind": "category"})),
    "mixed": (make_pipeline(mixed, LogisticRegression()), X),
    "kmeans": (KMeans(3, random_state=0, n_init=2), N),
    "svc": (SVC(), N),
    "ufuncs": (make_pipeline(FunctionTransformer(np.log1p),
               FunctionTransformer(scipy.special.expit),
               DecisionTreeClassifier(random_state=0)), N),
    "neighbours": (KNeighborsClassifier(), N),
    "network": (MLPClassifier((4,), max_iter=5, random_state=0), N),
    "stack": (StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2), N),
    "calibrated": (CalibratedClassifierCV(LogisticRegression(), cv=2), N),
    "isolation": (IsolationForest(n_estimators=5, random_state=0), N),
    "spline": (make_pipeline(SplineTransformer(n_knots=3), SGDClassifier(random_state=0)), N),
}
warnings.simplefilter("ignore")
digests = {}
folder = Path(sys.argv[1])
for name, (model, data) in models.items():
    model.fit(data, y)
    path = folder / f"{name}.skops"
    dump_estimator(model, path)
    loaded = load_estimator(path)
    assert (loaded.predict(data) == model.predict(data)).all(), name
    if hasattr(model, "predict_proba"):
        assert (loaded.predict_proba(data) == model.predict_proba(data)).all(), name
    again = folder / f"{name}.again"
    dump_estimator(loaded, again)
    assert type(loaded) is type(model)
    digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(digests))
"""


def test_the_same_estimator_is_the_same_file_in_every_process(tmp_path: Path):
    digests: list[dict[str, str]] = []
    (tmp_path / "fit.py").write_text(FIT)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, str(tmp_path / "fit.py"), str(folder), str(number)],
            env=os.environ
            | {
                "PYTHONHASHSEED": str(number),
                "PYTHONPATH": str(Path(artifacts.__file__).parents[2]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.append(json.loads(done.stdout))
    assert len(digests[0]) == 14
    assert digests[0] == digests[1]


def test_a_skops_file_is_an_ordinary_one(tmp_path: Path):
    import skops.io

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    artifacts.dump_estimator(model, tmp_path / "m.skops")
    assert skops.io.load(tmp_path / "m.skops").predict([[0.9]]) == [1]
    with zipfile.ZipFile(tmp_path / "m.skops") as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    loaded = artifacts.load_estimator(tmp_path / "m.skops")
    artifacts.dump_estimator(loaded, tmp_path / "again.skops")
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.glob("*.skops")}
    assert len(digests) == 1


def test_model_and_estimator_read_each_other(tmp_path: Path):
    estimator = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    one = save("estimator", estimator, tmp_path / "1")
    two = save("model", Model(estimator), tmp_path / "2")
    three = save("estimator", Model(estimator), tmp_path / "3")
    digests = {artifacts.verify(folder).sha256 for folder in (one, two, three)}
    assert len(digests) == 1
    model = load("model", one)
    assert isinstance(model, Model)
    assert model.path == one
    assert model.predict([[0.9]]) == [1]
    assert isinstance(load("estimator", two), LogisticRegression)


def test_an_untrusted_type_is_named_where_the_model_is_made(tmp_path: Path):
    name = f"{Custom.__module__}.Custom"
    with pytest.raises(ArtifactError, match="not on the allow-list") as caught:
        save("estimator", Custom(), tmp_path)
    assert f'@wf.pipeline(trusted_types=["{name}"])' in str(caught.value)
    assert not (tmp_path / "model.skops").exists()


def test_an_untrusted_type_is_refused_by_the_reader_and_admitted_by_name(tmp_path: Path):
    code = f"""
import sys
from pathlib import Path
from sklearn.base import BaseEstimator
from waterflow.errors import ArtifactError
from waterflow.artifacts import dump_estimator, load_estimator
import mine
path = Path({str(tmp_path / "m.skops")!r})
dump_estimator(mine.Mine(3), path, trusted=["mine.Mine"])
assert load_estimator(path, trusted=["mine.Mine"]).power == 3
try: load_estimator(path, trusted=["mine.Other"])
except ArtifactError as error: print(error)
"""
    (tmp_path / "mine.py").write_text(
        "from sklearn.base import BaseEstimator\n"
        "class Mine(BaseEstimator):\n"
        "    def __init__(self, power=2): self.power = power\n"
    )
    said = run_python(code, PYTHONPATH=str(tmp_path))
    assert (
        'mine.Mine. If you trust their code, say so: @wf.pipeline(trusted_types=["mine.Mine"])'
        in (said)
    )


def test_a_lambda_in_a_model_says_what_to_do(tmp_path: Path):
    with pytest.raises(ArtifactError, match="top level of a module instead of as a lambda"):
        save("estimator", FunctionTransformer(lambda x: x), tmp_path)


def test_what_skops_cannot_write_says_so(tmp_path: Path):
    from sklearn.cluster import Birch

    with pytest.raises(ArtifactError, match=r"Birch\) cannot be written as a skops file"):
        save("estimator", Birch(), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval", "os.system", "posix.system", "subprocess.Popen",
        "numpy.testing._private.utils.runstring", "numpy.savetxt", "numpy.load", "numpy.memmap",
        "numpy.save", "numpy.fromfile", "scipy.stats._distn_infrastructure.rv_frozen",
        "scipy.stats._continuous_distns.norm_gen", "scipy.io.savemat",
        "sklearn.utils._testing.set_random_state", "sklearn.utils.fixes.subprocess",
        "sklearn.datasets._openml.fetch_openml", "sklearn.externals._packaging.version.Version",
        "sklearn.model_selection._split.numbers", "sklearn.ensemble._forest.threading.Thread",
        "sklearn.metrics._scorer.partial", "sklearn.utils.parallel.Parallel", "sklearn.no.such",
        "numpy", "numpy.no_such", "sklearn_evil.Model", "sklearn..x", "", ".",
    ],
)  # fmt: skip
def test_the_allow_list_is_closed(name: str):
    from waterflow.artifacts.trust import allowed

    assert not allowed(name)


def test_a_crafted_file_runs_nothing(tmp_path: Path):
    """With all of numpy trusted this file would execute its text while it is read."""
    target = tmp_path / "owned"
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    schema = {
        "__class__": "runstring",
        "__module__": "numpy.testing._private.utils",
        "__loader__": "ConstructorFromReduceNode",
        "content": {
            "__class__": "tuple",
            "__module__": "builtins",
            "__loader__": "TupleNode",
            "content": [
                text | {"content": json.dumps(f"open({str(target)!r}, 'w').close()")},
                {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode",
                 "content": {}, "key_types": {"__class__": "list", "__module__": "builtins",
                 "__loader__": "ListNode", "content": []}},
            ],
        },
        "protocol": 2,
    }  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    (tmp_path / "model.skops").write_bytes(buffer.getvalue())
    import skops.io

    skops.io.loads(buffer.getvalue(), trusted=["numpy.testing._private.utils.runstring"])
    assert target.exists()  # the file is dangerous indeed
    target.unlink()
    with pytest.raises(ArtifactError, match=r"allow-list.*runstring"):
        artifacts.by_name("estimator").load(tmp_path, Any, CONTEXT)
    assert not target.exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_skops_file_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(ArtifactError, match="not a readable skops file"):
        artifacts.by_name("estimator").load(tmp_path, Any, CONTEXT)


def run_python(code: str, **environment: str) -> str:
    paths = [environment.pop("PYTHONPATH", ""), str(Path(artifacts.__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
