"""A local profile's settings: values that make no sense are told with where they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from waterflow_local.profile import LocalSettings

from waterflow.errors import ConfigurationError
from waterflow.project import profile

if TYPE_CHECKING:
    from pathlib import Path

CPU = "is not a positive number of CPUs"
MEMORY = 'is not a size above 0, such as "16GiB"'
GRACE = "is not a number of seconds from 0 up"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cpu = 0", f"cpu = 0 {CPU}"),
        ("cpu = -1", f"cpu = -1 {CPU}"),
        ("cpu = inf", f"cpu = inf {CPU}"),
        ("cpu = nan", f"cpu = nan {CPU}"),
        ('memory = "0"', f'memory = "0" {MEMORY}'),
        ('memory = "lots"', f'memory = "lots" {MEMORY}'),
        ("grace = -1", f"grace = -1 {GRACE}"),
        ("grace = inf", f"grace = inf {GRACE}"),
    ],
)
def test_a_senseless_value_in_the_file_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "waterflow.toml").write_text(f"[profiles.local]\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        profile.load(tmp_path, environ={}).convert(LocalSettings)
    assert str(caught.value) == (
        f"waterflow.toml, profile 'local': {said}. Correct it, then: waterflow profile show local"
    )


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("WATERFLOW_CPU", "0", f"cpu = 0 {CPU}"),
        ("WATERFLOW_CPU", "-1", f"cpu = -1 {CPU}"),
        ("WATERFLOW_MEMORY", "0", f'memory = "0" {MEMORY}'),
        ("WATERFLOW_GRACE", "-1", f"grace = -1 {GRACE}"),
    ],
)
def test_a_senseless_value_in_the_environment_is_refused(
    tmp_path: Path, variable: str, text: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        profile.load(tmp_path, environ={variable: text}).convert(LocalSettings)
    assert str(caught.value) == (
        f"built in, profile 'local', with {variable} of the environment: {said}. Correct it, then: "
        "waterflow profile show local"
    )


def test_the_least_values_are_taken(tmp_path: Path) -> None:
    (tmp_path / "waterflow.toml").write_text(
        "[profiles.local]\ncpu = 0.5\nmemory = '1'\ngrace = 0\n"
    )
    settings = profile.load(tmp_path, environ={}).convert(LocalSettings)
    assert (settings.cpu, settings.memory, settings.grace) == (0.5, "1", 0)
