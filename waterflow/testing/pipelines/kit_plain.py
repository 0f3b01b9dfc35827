"""Steps on plain data, which need nothing but the standard library."""

from pathlib import Path
from typing import Any, Literal

import waterflow as wf


@wf.step
def parameters(
    whole: int,
    real: float,
    yes: bool,
    text: str,
    nested: dict[str, Any],
    reals: list[float],
    nothing: str | None,
    choice: Literal["red", "green"],
    default: int = 1,
) -> dict[str, Any]:
    """Return what arrived, and of which type."""
    values: dict[str, Any] = {
        "whole": whole,
        "real": real,
        "yes": yes,
        "text": text,
        "nested": nested,
        "reals": reals,
        "nothing": nothing,
        "choice": choice,
        "default": default,
    }
    return values | {
        "types": {name: type(value).__name__ for name, value in values.items()},
        "exact": [value.hex() for value in [real, *reals]],
    }


@wf.step
def count(upto: int) -> list[int]:
    """Return a list whose length only the run knows."""
    return list(range(upto))


@wf.step
def square(item: int, plus: int = 0) -> int:
    """Return what one item of a map becomes."""
    return item * item + plus


@wf.step
def stumble(item: int, over: int, until: str) -> int:
    """Tell of an item, and fail at one until a file is there."""
    print("item is", item)
    wf.log_metrics({f"seen_{item}": item})
    if item == over and not Path(until).exists():
        raise ValueError(f"cannot take {item}")
    return item


@wf.step
def total(items: list[int]) -> int:
    """Add numbers up."""
    return sum(items)


@wf.step
def say(text: str) -> str:
    """Return a text and print it."""
    print("saying", text)
    return text


@wf.step
def scores() -> wf.Metrics:
    """Return metrics that conditions look at."""
    return wf.Metrics(auc=0.9, loss=0.1, count=3)


@wf.step
def flag(value: bool) -> bool:
    """Return a boolean."""
    return value


@wf.step
def word() -> str:
    """Return a word."""
    return "blue"


@wf.step
def answer() -> dict[str, Any]:
    """Return plain data with scalars in it."""
    return {"ok": True, "count": 3, "name": "blue"}


@wf.step
def nothing() -> None:
    """Do nothing."""


@wf.step
def read_text(folder: Path) -> str:
    """Read what a program wrote."""
    return next(p for p in [folder, *folder.rglob("repeated.txt")] if p.is_file()).read_text()
