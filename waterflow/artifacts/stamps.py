"""What CatBoost notes in each model of the training, and no two trainings have alike."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_PARAMETERS: Final = "params"
_STAMPS: Final = ("model_guid", "train_finish_time")


def is_stamped(value: object) -> bool:
    """Say whether a value is a fitted model of CatBoost; its library is not imported to ask."""
    bases = ((base.__module__.partition(".")[0], base.__name__) for base in type(value).__mro__)
    model: Any = value
    return ("catboost", "CatBoost") in bases and bool(model.is_fitted())


@contextlib.contextmanager
def unstamped(model: Any) -> Generator[None]:
    """Leave out of a CatBoost model what two equal ones differ in, while the block runs."""
    metadata = model.get_metadata()
    before = {name: metadata[name] for name in (*_STAMPS, _PARAMETERS) if name in metadata}
    for name in _STAMPS:
        if name in before:
            del metadata[name]
    if _PARAMETERS in before:
        metadata[_PARAMETERS] = _rounded(before[_PARAMETERS])
    try:
        yield
    finally:
        for name, text in before.items():
            metadata[name] = text


def _rounded(text: str) -> str:
    """Return the parameters of a training as CatBoost itself has them once it has read a file."""
    parameters = json.loads(text, parse_float=lambda number: float(f"{float(number):.10g}"))
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"))
