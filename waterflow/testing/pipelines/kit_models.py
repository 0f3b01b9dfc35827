"""Steps that make and use models, and one that reads every type."""

from pathlib import Path
from typing import Any

import pandas as pd
from kit_files import Record
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import waterflow as wf


@wf.step
def fit(data: pd.DataFrame, strength: float = 1.0) -> Pipeline:
    """Return a fitted estimator."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    return model.fit(data[["x", "y"]], data["label"])


@wf.step
def judge(model: wf.Model, data: pd.DataFrame) -> wf.Metrics:
    """Return metrics of a model that is read as a handle."""
    predicted = model.predict(data[["x", "y"]])
    return wf.Metrics(accuracy=float((predicted == data["label"]).mean()), rows=len(data))


@wf.step
def read_back(
    note: Path,
    folder: Path,
    blob: bytes,
    picture: Path,
    model: Pipeline,
    known: Record,
    frames: list[pd.DataFrame],
) -> dict[str, Any]:
    """Tell what arrived here, in plain data."""
    return {
        "note": _only(note).read_text(encoding="utf-8"),
        "folder": sorted(
            p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
        ),
        "blob": list(blob[:3]),
        "picture": _only(picture).read_bytes()[1:4].decode(),
        "model": type(model).__name__,
        "known": type(known).__name__,
        "frames": [float(frame["x"].sum()) for frame in frames],
    }


def _only(path: Path) -> Path:
    """Return a file: the path itself, or the one that the folder holds."""
    return next(p for p in [path, *sorted(path.rglob("*"))] if p.is_file())
