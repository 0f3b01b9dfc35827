"""Writes every value of a table, or reads and compares them: `python -m tests.values.process`.

Writer and reader are two processes that share a folder and nothing else, as two steps do. The
reader makes each value anew from the table's own expression, and compares what it read with that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import sys
import typing
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

from tests.values.sameness import difference
from waterflow import artifacts
from waterflow.errors import ArtifactError


@dataclasses.dataclass(frozen=True)
class Value:
    """A row of a table.

    Attributes:
        id: Its name in the test's.
        declared: What the step's signature says, as source.
        source: An expression that makes the value.
        refused: What the refusal says, where the value is refused.
        reader: What the next step's signature says, where that is something else.
    """

    id: str
    declared: str
    source: str
    refused: str | None = None
    reader: str | None = None


@contextlib.contextmanager
def strict() -> Generator[None]:
    """Take a warning for a failure: a user could do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def write(module: Any, folder: Path) -> dict[str, str]:
    """Write each value as a step does; return what became of it, "kept" or what was said."""
    outcomes: dict[str, str] = {}
    for value in module.VALUES:
        place = folder / value.id
        place.mkdir()
        declared = eval(value.declared, vars(module))
        kind = artifacts.type_name(declared)
        if kind is None:
            outcomes[value.id] = f"at definition: {value.declared} is no artifact"
            continue
        context = artifacts.Context(declared=declared)
        original = eval(value.source, vars(module))
        try:
            with strict():
                artifacts.by_name(kind).save(original, place, context)
            artifacts.seal(place, kind)
            outcomes[value.id] = "kept"
        except ArtifactError as error:
            outcomes[value.id] = f"refused: {error}"
        # Anything else is a fault of ours, and ends the writer: no user should see it.
    return outcomes


def read(module: Any, folder: Path) -> dict[str, str]:
    """Read each value as the next step does; return how it differs from what it was."""
    outcomes: dict[str, str] = {}
    for value in module.VALUES:
        place = folder / value.id
        if not (place / artifacts.MANIFEST).is_file():
            continue
        annotation: Any = eval(value.reader or value.declared, vars(module))
        kind = artifacts.type_name(annotation)
        if kind in (None, "any"):
            kind = artifacts.read(place).type
        artifacts.verify(place)
        try:
            with strict():
                back = artifacts.by_name(str(kind)).load(place, annotation, artifacts.Context())
            again = eval(value.source, vars(module))
            outcomes[value.id] = difference(again, back) or "same"
        except ArtifactError as error:
            outcomes[value.id] = f"unreadable: {error}"
        except Exception as error:  # noqa: BLE001 - the table is to be told as a whole
            outcomes[value.id] = f"unreadable: {type(error).__name__}: {error}"
    return outcomes


def main(verb: str, name: str, folder: str) -> None:
    """Write or read the values of a module's table, and print what became of each as JSON."""
    module = importlib.import_module(name)
    outcomes = typing.cast("Any", {"write": write, "read": read})[verb](module, Path(folder))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
