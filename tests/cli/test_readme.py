"""The README's pipeline, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import write

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from click.testing import Result

README = Path(__file__).parents[2] / "README.md"
LISTING = re.compile(r"```(?:python|yaml)\n(# (pipelines/flowers\.\w+)\n.*?)```", re.DOTALL)


def test_python_and_yaml_give_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    files = {name: text for text, name in LISTING.findall(README.read_text())}
    assert sorted(files) == ["pipelines/flowers.py", "pipelines/flowers.yaml"]
    monkeypatch.chdir(write(tmp_path, files))
    python, yaml = (invoke("compile", name) for name in sorted(files))
    assert python.exit_code == 0, python.output
    assert yaml.stdout == python.stdout
