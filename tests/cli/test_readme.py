"""The README's pipeline, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests import capability_table
from tests.cli.conftest import write
from waterflow.provider import discovery

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


def test_the_table_of_what_providers_can_do_is_theirs() -> None:
    built_in = {
        name
        for name, point in discovery.providers().items()
        if point.value.startswith(f"waterflow_{name}.")
    }
    assert built_in <= set(capability_table.PROFILES) | {"sequential", "toycloud"}
    assert capability_table.untold() == set()
    assert capability_table.written() == capability_table.table(), (
        "write it anew: python -m tests.capability_table"
    )
