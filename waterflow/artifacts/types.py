"""The types of artifacts that no other library has: metrics, and a model of any library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Metrics(dict[str, float]):
    """Named numbers of one evaluation: logged as metrics, and usable in `wf.when`."""

    def __init__(
        self, values: Mapping[str, float] | Iterable[tuple[str, float]] = (), **named: float
    ) -> None:
        super().__init__({str(k): float(v) for k, v in dict(values, **named).items()})


class Model:
    """A fitted model handed from step to step, whichever library made it.

    Args:
        estimator: The fitted object.
        path: The artifact's folder, when it was read from one.
    """

    def __init__(self, estimator: Any, path: Path | None = None) -> None:
        self.estimator = estimator
        self.path = path

    def predict(self, data: Any) -> Any:
        """Return the model's predictions for the rows of `data`."""
        return self.estimator.predict(data)

    def predict_proba(self, data: Any) -> Any:
        """Return the probability of each class, shape (rows, classes)."""
        return self.estimator.predict_proba(data)

    def __repr__(self) -> str:
        return f"wf.Model({type(self.estimator).__name__})"
