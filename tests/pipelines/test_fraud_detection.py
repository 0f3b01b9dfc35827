"""The fraud pipeline's steps, called as the plain functions that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import waterflow as wf
from pipelines.fraud_detection import steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return steps.simulate(rows=200, fraud_rate=0.1, seed=1)


def written(data: pd.DataFrame) -> pd.DataFrame:
    """Make one of its cells a word."""
    data = data.astype({"V5": object})
    data.loc[3, "V5"] = "lots"
    return data


@pytest.mark.parametrize(
    ("spoil", "texts"),
    [
        (lambda data: data.drop(columns=["V1", "Amount"]), ["missing columns: V1, Amount"]),
        (written, ["V5: coerce_dtype('float64') fails in a row (row 3: lots)"]),
        (
            lambda data: data.assign(Amount=-data["Amount"] - 1, V7=float("nan")),
            ["Amount: in_range(0, 1000000) fails in 200 rows", "V7: not_nullable fails in 200"],
        ),
        (lambda data: data.head(0), ["Class: 5 rows or more of each class does not hold"]),
        (lambda data: data.assign(Class=0), ["Class: 5 rows or more of each class does not hold"]),
    ],
    ids=["columns", "a word", "numbers", "no rows", "one class"],
)
def test_all_that_is_wrong_is_listed(
    simulated: pd.DataFrame, spoil: Callable[[pd.DataFrame], pd.DataFrame], texts: list[str]
) -> None:
    with pytest.raises(ValueError, match="The transactions fail") as caught:
        steps.validate(spoil(simulated))
    head, *lines = str(caught.value).splitlines()
    assert len(lines) == len(texts), lines
    assert all(line.strip().startswith(text) for line, text in zip(lines, texts, strict=True))
    assert head.endswith("fail a check:" if len(texts) == 1 else f"fail {len(texts)} checks:")


def test_the_fewest_rows_of_a_class_reach_every_part(simulated: pd.DataFrame) -> None:
    frauds = simulated[simulated["Class"] == 1].head(steps.LEAST)
    data = steps.validate(simulated[simulated["Class"] == 0].merge(frauds, how="outer"))
    sets = steps.split(data, seed=0)
    counts = [int(part["Class"].sum()) for part in (sets.train, sets.validation, sets.test)]
    assert min(counts) >= 1
    assert sum(counts) == steps.LEAST


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match=r"empty\.csv is no CSV file"):
        steps.ingest(wf.Data(str(tmp_path / "empty.csv")), rows=1, fraud_rate=0.5, seed=0)
