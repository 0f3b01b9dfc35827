"""Tracing pipelines that tests write inline, and reading the refusals."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow import spec
from waterflow.errors import DefinitionError

if typing.TYPE_CHECKING:
    from collections.abc import Callable


def traced(function: Callable[..., None], **values: object) -> spec.Pipeline:
    """Return the spec of a pipeline written inline."""
    return wf.pipeline(function).with_arguments(values).spec


def refusal(function: Callable[..., None], marked: str = "# here", **values: object) -> str:
    """Return the message of a pipeline that cannot be defined; it names the marked line."""
    with pytest.raises(DefinitionError) as caught:
        traced(function, **values)
    lines, first = inspect.getsourcelines(function)
    line = first + next(at for at, text in enumerate(lines) if marked in text)
    path = Path(inspect.getfile(function))
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    assert str(caught.value).startswith(f"{shown}:{line}: "), str(caught.value)
    assert caught.value.location == f"{shown}:{line}"
    return str(caught.value)


def model_and_test() -> tuple[Any, Any]:
    sets = steps.split(steps.ingest(wf.Data("a.csv")))
    return steps.train(sets.train), sets.test
