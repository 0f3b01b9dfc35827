"""What a model file may hold: told before training if a signature says it, else with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import waterflow as wf
from tests.models.projects import Project
from waterflow.artifacts import dump_estimator, load_estimator
from waterflow.errors import ArtifactError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = np.random.default_rng(0).random((80, 3))
Y = (X.sum(axis=1) > 1.5).astype(int)


class Mine(BaseEstimator):
    pass


class Child(Mine):
    pass


class Line(LogisticRegression):
    pass


@wf.step
def mine() -> Mine:
    return Mine()


@wf.step
def lines() -> list[Line]:
    return []


@wf.step
def judge(models: list[Line], handle: wf.Model) -> float:
    return 0.0


NAMES = {kind: f"{__name__}.{kind.__name__}" for kind in (Mine, Child, Line)}


def pipeline(trusted: list[str]) -> Any:
    @wf.pipeline(trusted_types=trusted)
    def example() -> None:
        judge(lines(), mine())

    return example


def test_classes_that_nobody_trusts_are_told_before_training_and_all_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        pipeline(["some.Other"])()
    told = str(caught.value)
    listed = f'trusted_types=["some.Other", "{NAMES[Line]}", "{NAMES[Mine]}"]'
    assert listed in told
    assert f"{NAMES[Mine]} (step 'mine', output 'output')" in told
    assert "test_trust.py" in str(caught.value.location)


@pytest.mark.parametrize("kind", [Mine, Child])
def test_a_class_or_one_derived_from_it_is_trusted_by_name(kind: type) -> None:
    call = pipeline([NAMES[kind], NAMES[Line]])()
    assert call.spec.trusted_types == (NAMES[kind], NAMES[Line])


def test_the_command_line_says_the_line_to_add(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("shop.py", """
        from sklearn.base import BaseEstimator

        class Steady(BaseEstimator):
            pass
        """)  # fmt: skip
    project.write("flow.py", """
        import waterflow as wf
        from shop import Steady

        @wf.step
        def train() -> Steady:
            return Steady()

        @wf.pipeline
        def flow():
            train()
        """)  # fmt: skip
    done = project.waterflow("validate", "flow.py")
    assert done.returncode == 2
    assert '@wf.pipeline(trusted_types=["shop.Steady"])' in done.stderr
    assert "Traceback" not in done.stderr


# --- models that hold themselves -----------------------------------------------------------------


def stopped(kind: Any, scoring: str | None) -> Any:
    return kind(max_iter=5, early_stopping=True, scoring=scoring, random_state=0).fit(X, Y)


def holding_itself() -> Any:
    model = LogisticRegression().fit(X, Y)
    inner = Mine()
    model.helper_, inner.owner_, inner.ask_ = inner, model, model.predict
    return model


CIRCLES: dict[str, Callable[[], Any]] = {
    "classifier_by_auc": lambda: stopped(HistGradientBoostingClassifier, "roc_auc"),
    "classifier_by_its_own_score": lambda: stopped(HistGradientBoostingClassifier, None),
    "regressor_by_r2": lambda: stopped(HistGradientBoostingRegressor, "r2"),
    "in_a_pipeline": lambda: make_pipeline(
        StandardScaler(), HistGradientBoostingClassifier(early_stopping=True, scoring="accuracy")
    ).fit(X, Y),
    "through_another_object": holding_itself,
}


@pytest.mark.parametrize("case", CIRCLES)
def test_a_model_that_holds_itself_is_kept(case: str, tmp_path: Path) -> None:
    model = CIRCLES[case]()
    before = list(vars(model))
    dump_estimator(model, tmp_path / "one", [NAMES[Mine]])
    read = load_estimator(tmp_path / "one", [NAMES[Mine]])
    assert np.array_equal(model.predict(X.copy()), read.predict(X.copy()))
    dump_estimator(read, tmp_path / "two", [NAMES[Mine]])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert list(vars(model)) == before, "writing leaves it as it was"
    if case == "through_another_object":
        assert read.helper_.owner_ is read
        assert read.helper_.ask_.__self__ is read
        assert model.helper_.owner_ is model


# --- parts that no file can hold ----------------------------------------------------------------


def held(part: object, path: str = "part_") -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    setattr(model[1], path, part)
    return model


def looped() -> Any:
    model = LogisticRegression().fit(X, Y)
    model.parts_ = [model]
    return model


PARTS: dict[str, tuple[Callable[[], Any], str]] = {
    "frame": (
        lambda: held(pd.DataFrame({"a": [1]})),
        r"holds a pandas\.DataFrame in steps\[1\]\[1\]\.part_",
    ),
    "series": (lambda: held(pd.Series([1])), r"holds a pandas\.Series in"),
    "index_in_a_dict": (
        lambda: held({"names": pd.Index(["a"])}),
        r"pandas\.Index in steps\[1\]\[1\]\.part_\['names'\]",
    ),
    "columns_of_a_transformer": (
        lambda: held(pd.RangeIndex(3)),
        r"no tables\. Keep the values as a NumPy array or a list",
    ),
    "generator": (lambda: held(iter(range(3))), "range_iterator"),
    "complex_number": (
        lambda: held({"deep": [1j]}),
        r"skops file: steps\[1\]\[1\]\.part_\['deep'\]\[0\] \(builtins\.complex\)",
    ),
    "tuple_for_a_key": (lambda: held({(1, 2): 3}), r"part_ \(builtins\.dict\): keys must be str"),
    "itself_in_a_list": (looped, r"holds itself in parts_\[0\]"),
    "unknown_class": (lambda: held(Mine()), r"trusted_types=\[.*\.Mine"),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_that_no_file_holds_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    make, message = PARTS[case]
    with pytest.raises(ArtifactError, match=message) as caught:
        dump_estimator(make(), tmp_path / "model.skops")
    assert "recursion" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
