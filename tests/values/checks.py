"""What each table's tests ask of each of its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.values.conftest import run
from waterflow import artifacts

if TYPE_CHECKING:
    from pathlib import Path


def checks_of(table: Any) -> Any:
    """Return the test class of a table."""
    values = {value.id: value for value in table.VALUES}
    assert len(values) == len(table.VALUES), "two values have one name"

    class TestValues:
        @pytest.mark.parametrize("name", values)
        def test_arrives_as_it_was_or_is_refused_where_it_is_returned(
            self, outcomes: tuple[dict[str, str], dict[str, str], Path], name: str
        ):
            written, read, _ = outcomes
            refused = values[name].refused
            if refused is None:
                assert written[name] == "kept"
                assert read[name] == "same"
            else:
                assert re.search(refused, written[name]), written[name]
                assert "\n" not in written[name]
                assert name not in read

        def test_the_same_value_gives_the_same_bytes_in_another_process(
            self, outcomes: tuple[dict[str, str], dict[str, str], Path], tmp_path: Path
        ):
            _, read, folder = outcomes
            run("write", table.__name__, tmp_path, seed="7")
            assert {name: artifacts.read(tmp_path / name).sha256 for name in read} == {
                name: artifacts.read(folder / name).sha256 for name in read
            }

    return TestValues
