"""The steps of the fraud pipeline: plain functions, which a test may call as they are."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import waterflow as wf

LABEL = "Class"
COMPONENTS = [f"V{number}" for number in range(1, 29)]
FEATURES = ["Time", *COMPONENTS, "Amount"]
DAY = 86_400
LEAST = 5
"""Rows of a class that a split 60 : 20 : 20 needs."""


class Split(NamedTuple):
    """Rows to learn from, to choose the threshold by, to judge by; and five without the label."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    example: pd.DataFrame


class Evaluation(NamedTuple):
    """How the model does on rows that it has not seen."""

    metrics: wf.Metrics
    roc: Figure
    precision_recall: Figure


@wf.step
def ingest(source: wf.Data | None, rows: int, fraud_rate: float, seed: int) -> pd.DataFrame:
    """Return transactions: those of a CSV file, or simulated ones where there is no file.

    Args:
        source: A CSV file with the columns Time, V1 to V28, Amount and Class.
        rows: How many transactions to simulate.
        fraud_rate: The share of frauds among these.
        seed: Decides the simulated values.

    Raises:
        ValueError: The file is no CSV file.
    """
    if source is None:
        print(f"No source given: SIMULATING {rows} transactions from seed {seed}.")
        data = simulate(rows, fraud_rate, seed)
    else:
        try:
            data = pd.read_csv(source.path)
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise ValueError(f"{source.uri} is no CSV file: {error}") from None
        print(f"Read {len(data)} transactions from {source.uri}.")
    return data


def simulate(rows: int, fraud_rate: float, seed: int) -> pd.DataFrame:
    """Return made-up transactions in the form of the public card-fraud data.

    Two days of them. Honest ones follow the hours of the day and have log-normal amounts; frauds
    come at any hour, as many small amounts to try a card out and some large ones, and their
    components are shifted, some frauds' hardly at all.
    """
    rng = np.random.default_rng(seed)
    frauds = max(1, round(rows * fraud_rate))
    label = np.zeros(rows, dtype=np.int64)
    label[rng.choice(rows, frauds, replace=False)] = 1
    fraud = label == 1

    # Principal components: less and less variance, heavy tails.
    spread = np.linspace(1.9, 0.35, len(COMPONENTS))
    components = rng.standard_t(6, size=(rows, len(COMPONENTS))) * spread
    direction = rng.normal(0, 1, len(COMPONENTS))
    direction *= spread / np.linalg.norm(direction)
    strength = 0.5 + rng.gamma(3.0, 1.4, frauds)
    components[fraud] += strength[:, None] * direction
    components[fraud] *= rng.uniform(1.0, 1.5, (frauds, 1))

    by_day = rng.normal(14.5, 4.0, rows) % 24 * 3600
    by_night = rng.uniform(0, DAY, rows)
    time = np.where(fraud, by_night, by_day) + DAY * rng.integers(0, 2, rows)

    honest_amount = rng.lognormal(3.2, 1.3, rows)
    trial = rng.random(rows) < 0.4
    fraud_amount = np.where(trial, rng.exponential(2.0, rows), rng.lognormal(4.6, 1.2, rows))
    amount = np.clip(np.where(fraud, fraud_amount, honest_amount), 0, 25_000)

    data = pd.DataFrame(components, columns=COMPONENTS)
    data.insert(0, "Time", np.floor(time))
    data["Amount"] = amount.round(2)
    data[LABEL] = label
    return data.sort_values("Time", kind="stable", ignore_index=True)


@wf.step
def validate(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the transactions as they are, if they are what the model needs.

    Raises:
        ValueError: A column is missing, or a check of the schema fails: all of them are listed.
    """
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    number = {"dtype": float, "nullable": False, "coerce": True}
    schema = pa.DataFrameSchema(
        {
            "Time": pa.Column(checks=pa.Check.ge(0), **number),
            **{
                name: pa.Column(checks=pa.Check.in_range(-500, 500), **number)
                for name in COMPONENTS
            },
            "Amount": pa.Column(checks=pa.Check.in_range(0, 1_000_000), **number),
            LABEL: pa.Column(
                int,
                checks=[
                    pa.Check.isin([0, 1]),
                    pa.Check(enough_of_each, name=f"{LEAST} rows or more of each class"),
                ],
                nullable=False,
                coerce=True,
            ),
        },
        strict="filter",
    )
    try:
        checked = schema.validate(raw, lazy=True)
    except SchemaErrors as error:
        raise ValueError(explain(error.failure_cases)) from None
    wf.log_metrics({"rows": len(checked), "fraud_share": checked[LABEL].mean()})
    return checked[[*FEATURES, LABEL]]


def enough_of_each(label: pd.Series) -> bool:
    """Say whether each part of the split can have rows of both classes."""
    return bool(all((label == value).sum() >= LEAST for value in (0, 1)))


def explain(failures: pd.DataFrame) -> str:
    """Return the checks that failed, one a line, with how many rows and one of them."""
    absent = failures["check"] == "column_in_dataframe"
    lines: list[str] = []
    if absent.any():
        lines.append(f"missing columns: {', '.join(failures.loc[absent, 'failure_case'])}")
    # What is no number fails all other checks of its column as well.
    wrong = failures["check"].str.startswith("coerce_dtype")
    said = wrong | ~failures["column"].isin(failures.loc[wrong, "column"])
    for (column, check), cases in failures[said & ~absent].groupby(["column", "check"], sort=True):
        in_rows = cases[cases["index"].notna()]
        if in_rows.empty:
            lines.append(f"{column}: {check} does not hold")
        else:
            value, row = in_rows["failure_case"].iloc[0], int(in_rows["index"].iloc[0])
            rows = "a row" if len(in_rows) == 1 else f"{len(in_rows)} rows"
            lines.append(f"{column}: {check} fails in {rows} (row {row}: {value})")
    checks = "a check" if len(lines) == 1 else f"{len(lines)} checks"
    return f"The transactions fail {checks}:\n  " + "\n  ".join(lines)


@wf.step
def split(data: pd.DataFrame, seed: int) -> Split:
    """Divide the transactions 60 : 20 : 20, with the same share of frauds in each part."""
    train, rest = train_test_split(data, test_size=0.4, random_state=seed, stratify=data[LABEL])
    validation, test = train_test_split(
        rest, test_size=0.5, random_state=seed, stratify=rest[LABEL]
    )
    parts = [part.reset_index(drop=True) for part in (train, validation, test)]
    return Split(*parts, example=parts[2][FEATURES].head(5))


@wf.step(memory="2GiB", retries=1, timeout="10m")
def train(data: pd.DataFrame, trees: int, learning_rate: float, seed: int) -> Pipeline:
    """Fit gradient-boosted trees on the components and the logarithm of the amount."""
    columns = ColumnTransformer(
        [
            ("amount", FunctionTransformer(np.log1p, feature_names_out="one-to-one"), ["Amount"]),
            ("others", "passthrough", ["Time", *COMPONENTS]),
        ]
    )
    trees_ = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=learning_rate,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    model = Pipeline([("columns", columns), ("trees", trees_)])
    model.fit(data[FEATURES], data[LABEL])
    log_progress(model, data.head(1000))
    return model


def log_progress(model: Pipeline, data: pd.DataFrame) -> None:
    """Log the loss on some of the training rows after every tenth tree."""
    features = model["columns"].transform(data[FEATURES])
    for number, score in enumerate(model["trees"].staged_predict_proba(features), start=1):
        if number % 10 == 0:
            loss = log_loss(data[LABEL], score, labels=[0, 1])
            wf.log_metrics({"train_loss": loss}, step=number)


@wf.step
def evaluate(model: wf.Model, validation: pd.DataFrame, test: pd.DataFrame) -> Evaluation:
    """Choose the threshold on the validation rows, and judge the model with it on the test rows."""
    threshold = best_threshold(validation[LABEL], score_of(model, validation))
    label, score = test[LABEL], score_of(model, test)
    flagged = score >= threshold
    metrics = wf.Metrics(
        precision=precision_score(label, flagged, zero_division=0.0),
        recall=recall_score(label, flagged),
        roc_auc=roc_auc_score(label, score),
        pr_auc=average_precision_score(label, score),
        threshold=threshold,
    )
    print(", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))

    false_alarms, recall, _ = roc_curve(label, score)
    roc = curve(false_alarms, recall, "False alarm rate", "Recall", f"AUC {metrics['roc_auc']:.3f}")
    precision, recall, _ = precision_recall_curve(label, score)
    title = f"Average precision {metrics['pr_auc']:.3f}"
    precision_recall = curve(recall, precision, "Recall", "Precision", title)
    return Evaluation(metrics, roc, precision_recall)


def score_of(model: wf.Model, data: pd.DataFrame) -> np.ndarray:
    """Return the probability of fraud for each transaction."""
    return model.predict_proba(data[FEATURES])[:, 1]


def best_threshold(label: pd.Series, score: np.ndarray) -> float:
    """Return the score from which flagging gives the highest F1."""
    precision, recall, thresholds = precision_recall_curve(label, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def curve(x: np.ndarray, y: np.ndarray, x_name: str, y_name: str, title: str) -> Figure:
    """Return a picture of one curve in the unit square."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.step(x, y, where="post")
    axes.set(xlabel=x_name, ylabel=y_name, title=title, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return figure


@wf.step
def report_rejection(metrics: wf.Metrics, min_auc: float) -> str:
    """Say why the model was not registered."""
    message = f"Not registered: ROC-AUC {metrics['roc_auc']:.4f} is below {min_auc}."
    print(message)
    return message
