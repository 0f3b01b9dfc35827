"""A whole run: models of each library and a class of the project's own, from step to registry."""

from __future__ import annotations

import json

import pytest

import waterflow as wf
from tests.models.projects import Project, run
from waterflow.errors import ArtifactError

FILES = {
    "shop/__init__.py": "",
    "shop/levels.py": """
        def level(values):
            return sum(values) / len(values)
        """,
    "shop/steady.py": """
        import numpy as np
        from sklearn.base import BaseEstimator, RegressorMixin


        class Steady(RegressorMixin, BaseEstimator):
            def __init__(self, shift=0.0):
                self.shift = shift

            def fit(self, X, y):
                self.seen_ = [float(value) for value in y]
                return self

            def predict(self, X):
                from shop import levels  # at the last moment

                return np.full(len(X), levels.level(self.seen_) + self.shift)
        """,
    "graphs.py": """
        import waterflow as wf


        @wf.serializer
        class Graph:
            def __init__(self, edges):
                self.edges = edges

            def save(self, path):
                path.mkdir()  # as a folder
                for number, edge in enumerate(self.edges):
                    (path / str(number)).write_text(" ".join(edge))

            @classmethod
            def load(cls, path):
                return cls([tuple(file.read_text().split()) for file in sorted(path.iterdir())])
        """,
    "kept.py": """
        from fractions import Fraction

        import waterflow as wf

        wf.serializer(
            Fraction,
            save=lambda value, path: path.write_text(str(value)),
            load=lambda path: Fraction(path.read_text()),
            file="fraction.txt",
        )
        """,
    # Imports neither the model's class nor the module that keeps fractions.
    "reading.py": """
        from fractions import Fraction
        from typing import Any

        import pandas as pd

        import waterflow as wf
        from graphs import Graph


        @wf.step
        def answers(model: wf.Model, data: pd.DataFrame) -> list[float]:
            return [float(value) for value in model.predict(data)]


        @wf.step
        def total(items: list[Fraction]) -> str:
            return str(sum(items))


        @wf.step
        def edges(graph: Graph) -> int:
            return len(graph.edges)
        """,
    "pipeline.py": """
        from fractions import Fraction
        from typing import NamedTuple

        import pandas as pd
        from catboost import CatBoostRegressor
        from lightgbm import LGBMClassifier
        from xgboost import Booster, XGBClassifier

        import kept
        import waterflow as wf
        from graphs import Graph
        from reading import answers, edges, total
        from shop.steady import Steady


        class Part(NamedTuple):
            share: Fraction
            graph: Graph
            name: str


        @wf.step
        def rows() -> pd.DataFrame:
            table = pd.DataFrame({"a": range(60), "b": [n % 7 for n in range(60)]}, dtype=float)
            return table.assign(label=(table["a"] + table["b"] > 33).astype(int))


        @wf.step
        def steady(data: pd.DataFrame) -> Steady:
            return Steady(1.0).fit(data, data["label"])


        @wf.step
        def lightgbm(data: pd.DataFrame) -> LGBMClassifier:
            model = LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=2)
            return model.fit(data[["a", "b"]], data["label"])


        @wf.step
        def xgboost(data: pd.DataFrame) -> XGBClassifier:
            return XGBClassifier(n_estimators=5).fit(data[["a", "b"]], data["label"])


        @wf.step
        def catboost(data: pd.DataFrame) -> CatBoostRegressor:
            model = CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False)
            return model.fit(data[["a", "b"]], data["label"])


        @wf.step
        def features(data: pd.DataFrame) -> pd.DataFrame:
            return data[["a", "b"]]


        @wf.step
        def part(number: int) -> Part:
            return Part(Fraction(1, number), Graph([("a", "b")] * number), f"part {number}")


        @wf.step
        def names(items: list[str]) -> str:
            return ", ".join(items)


        @wf.pipeline(trusted_types=["shop.steady.Steady"])
        def handed_on():
            data = rows()
            inputs = features(data)
            for train in (steady, lightgbm, xgboost, catboost):
                model = train(data)
                name = train.function.__name__
                answers.options(name=f"{name}-answers")(model, inputs)
                wf.register(model, name=name, example=inputs)
            parts = wf.map(part, [1, 2, 3])
            total(parts.share)
            names(parts.name)
            wf.map(edges, parts.graph)
        """,
}

LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
table = pd.DataFrame({"a": range(60), "b": [n % 7 for n in range(60)]}, dtype=float)
answers = {}
for name in sys.argv[2:]:
    model = mlflow.pyfunc.load_model(f"models:/{name}/1")
    answers[name] = [float(value) for value in model.predict(table)]
print(json.dumps(answers))
print(sys.modules["shop.steady"].__file__)
"""

MODELS = ("steady", "lightgbm", "xgboost", "catboost")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, wf.Run]:
    project = Project(tmp_path_factory.mktemp("handed-on"))
    for name, text in FILES.items():
        project.write(name, text)
    done = project.waterflow("run", "pipeline.py")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (project.folder / ".waterflow" / "runs").iterdir()
    return project, wf.open_run(folder.name, root=project.folder)


@pytest.fixture(scope="module")
def loaded(
    ran: tuple[Project, wf.Run], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[float]], str]:
    """What the registered models answer to a process in an empty folder, without the project."""
    done = run(tmp_path_factory.mktemp("empty"), "-c", LOAD, ran[0].tracking, *MODELS)
    assert done.returncode == 0, done.stderr
    answers, module = done.stdout.splitlines()
    return json.loads(answers), module


@pytest.mark.parametrize("name", MODELS)
def test_a_registered_model_answers_in_a_process_without_the_project(
    name: str, ran: tuple[Project, wf.Run], loaded: tuple[dict[str, list[float]], str]
) -> None:
    assert loaded[0][name] == ran[1].artifact(f"{name}-answers").load()
    assert len(loaded[0][name]) == 60


def test_the_version_carries_the_code_of_its_class_and_no_more(
    ran: tuple[Project, wf.Run], loaded: tuple[dict[str, list[float]], str]
) -> None:
    assert "/artifacts/model/code/shop/steady.py" in loaded[1]
    carried = {
        path.relative_to(code).as_posix()
        for code in (ran[0].folder / ".waterflow" / "mlartifacts").rglob("model/code")
        for path in code.rglob("*.py")
    }
    assert carried == {"shop/__init__.py", "shop/levels.py", "shop/steady.py"}


def test_a_class_of_the_projects_own_is_handed_on(ran: tuple[Project, wf.Run]) -> None:
    assert ran[1].artifact("total").load() == "11/6"
    assert ran[1].artifact("names").load() == "part 1, part 2, part 3"
    assert ran[1].artifact("edges").load() == [1, 2, 3]
    types = {(one.step, one.output): one.type for one in ran[1].artifacts()}
    assert types["part", "share"] == "list[kept:Fraction]"
    assert types["part", "graph"] == "list[graphs:Graph]"
    assert types["lightgbm", "output"] == "lightgbm"


def test_who_has_not_imported_the_serializer_is_told(ran: tuple[Project, wf.Run]) -> None:
    with pytest.raises(ArtifactError, match="in module 'graphs', which is not imported here"):
        ran[1].artifact("part.graph").load()
