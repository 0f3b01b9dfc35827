"""A project for the tests of reports: every kind of result, a gate, a failure on request."""

PIPELINE = '''
import os
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import waterflow as wf


class Parts(NamedTuple):
    table: pd.DataFrame
    picture: "Figure"
    word: str


from matplotlib.figure import Figure


@wf.step
def load(rows: int) -> pd.DataFrame:
    for number in range(3):
        wf.log_metrics({"seen": number / 2}, step=number)
    return pd.DataFrame({"<b>n</b>": range(rows), "w": ["</td>"] * rows})


@wf.step
def score(data: pd.DataFrame, c: float) -> wf.Metrics:
    return wf.Metrics(auc=1 - c / 10, size=len(data))


@wf.step
def draw(data: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2])
    return figure


@wf.step
def keep(metrics: wf.Metrics) -> str:
    return "kept"


@wf.step(cache=False)
def last(word: int, api_key: str) -> int:
    print("password=hunter2abc")
    print("step <script>prints</script>")
    gate = os.environ.get("REPORT_WAITS_FOR")
    while gate and not Path(gate).exists():
        time.sleep(0.05)
    if word > 1:
        raise ValueError("</script><b>no</b>")
    return word


@wf.pipeline
def shown(rows: int = 4, least: float = 0.95, word: int = 1, api_key: str = "sk-12345678") -> None:
    """A pipeline <b>to look at</b>."""
    data = load(rows)
    draw(data)
    scores = [score(data, c=float(c)) for c in range(1, 4)]
    with wf.when(scores[0]["auc"] >= least):
        keep(scores[0])
    last(word, api_key)
'''
