"""Quickstart: a classifier for scikit-learn's breast-cancer data, evaluated and registered."""

from typing import NamedTuple

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import waterflow as wf

LABEL = "benign"


class Split(NamedTuple):
    """Rows to learn from, rows to judge by, and a few of them without the label."""

    train: pd.DataFrame
    test: pd.DataFrame
    example: pd.DataFrame


@wf.step
def load() -> pd.DataFrame:
    """Return the measurements of 569 tumours; `benign` is 1 or 0."""
    return load_breast_cancer(as_frame=True).frame.rename(columns={"target": LABEL})


@wf.step
def split(data: pd.DataFrame, test_size: float = 0.25, seed: int = 0) -> Split:
    """Hold part of the rows back, with the same share of both classes."""
    train, test = train_test_split(
        data, test_size=test_size, random_state=seed, stratify=data[LABEL]
    )
    return Split(train, test, test.drop(columns=LABEL).head(5))


@wf.step
def train(data: pd.DataFrame, strength: float = 1.0) -> Pipeline:
    """Fit a logistic regression; `strength` is the inverse of the regularisation."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return model.fit(data.drop(columns=LABEL), data[LABEL])


@wf.step
def evaluate(model: wf.Model, test: pd.DataFrame) -> wf.Metrics:
    """Judge the model on rows that it has not seen."""
    features, label = test.drop(columns=LABEL), test[LABEL]
    score = model.predict_proba(features)[:, 1]
    return wf.Metrics(
        accuracy=accuracy_score(label, score >= 0.5),
        roc_auc=roc_auc_score(label, score),
    )


@wf.pipeline
def quickstart(strength: float = 1.0, test_size: float = 0.25, seed: int = 0) -> None:
    """Tell benign tumours from malignant ones."""
    sets = split(load(), test_size, seed)
    model = train(sets.train, strength)
    metrics = evaluate(model, sets.test)
    wf.register(model, name="quickstart", example=sets.example, metrics=metrics, alias="challenger")
