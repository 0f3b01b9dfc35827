"""Steps that make a model to register."""

import pandas as pd
from kit_helpers import wait_for
from kit_line import Line

import waterflow as wf


@wf.step
def learn(rows: pd.DataFrame, slope: float, hold: str) -> Line:
    """Fit a line once a file is there."""
    wait_for(hold)
    return Line().fit(rows, rows["x"] * slope)


@wf.step
def measure(model: wf.Model, rows: pd.DataFrame) -> wf.Metrics:
    """Return how well it fits."""
    return wf.Metrics(highest=float(model.predict(rows).max()))
