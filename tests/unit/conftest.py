"""Fixtures that several unit tests share."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waterflow.yaml_pipeline import YamlPipeline, load

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
HEAD = "tests.unit.example_steps"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], YamlPipeline]:
    """Return a function that loads a pipeline from its text; `@f` stands for a step function."""

    def write(text: str) -> YamlPipeline:
        path = tmp_path / "pipeline.yaml"
        path.write_text(textwrap.dedent(text).replace("@", f"{HEAD}:"))
        return load(path, ROOT)

    return write
