"""What holds of every cloud's settings: a class to derive, and a cloud's part as a module."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi
import pytest
import yaml

from suites.zones import INFRA

sys.path.insert(0, str(INFRA / "common"))

from waterflow_infra.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = "landing_zone"
"""The package of every cloud's stack."""


_PARTS: dict[str, dict[str, ModuleType]] = {}


@contextlib.contextmanager
def present(cloud: str) -> Iterator[None]:
    """Let a cloud's package be the one that is imported: all clouds' have one name."""
    aside = _taken()
    sys.modules.update(_PARTS.get(cloud, {}))
    sys.path.insert(0, str(INFRA / cloud))
    try:
        yield
    finally:
        sys.path.remove(str(INFRA / cloud))
        _PARTS[cloud] = _taken()
        sys.modules.update(aside)


def _taken() -> dict[str, ModuleType]:
    """Take the package that is imported out of what is."""
    return {one: sys.modules.pop(one) for one in [*sys.modules] if one.split(".")[0] == ZONE}


def part(cloud: str, name: str) -> ModuleType:
    """Return a module of a cloud's zone."""
    with present(cloud):
        return importlib.import_module(f"{ZONE}.{name}")


class SettingsSuite:
    """A stack's settings: every mistake is told at once, by name, before anything is made.

    Attributes:
        CLOUD: The folder in infra/.
        LIKELY: A mistake in writing, and the setting that is meant.
        SEVERAL: Settings that are wrong together.
    """

    CLOUD: ClassVar[str]
    LIKELY: ClassVar[tuple[str, str]] = ("retentoin_days", "retention_days")
    SEVERAL: ClassVar[dict[str, Any]]

    def declared(self) -> dict[str, Any]:
        """Return the settings as Pulumi.yaml declares them."""
        return yaml.safe_load((INFRA / self.CLOUD / "Pulumi.yaml").read_text())["config"]

    def read(self, **changes: Any) -> Any:
        """Return the settings, the defaults but for some."""
        namespace = f"waterflow-{self.CLOUD}"
        values = {name: one["default"] for name, one in self.declared().items()} | changes
        pulumi.runtime.set_all_config(
            {
                f"{namespace}:{name}": value if isinstance(value, str) else json.dumps(value)
                for name, value in values.items()
                if value is not None
            }
        )
        kind = part(self.CLOUD, "settings").Settings
        with present(self.CLOUD):
            return read_settings(kind, pulumi.Config(namespace))

    def refused(self, changes: dict[str, Any], named: str) -> None:
        """See that settings are refused, by name."""
        with pytest.raises(SettingsError) as caught:
            self.read(**changes)
        assert named in str(caught.value)

    def test_the_defaults_can_be(self) -> None:
        fields = part(self.CLOUD, "settings").Settings.__dataclass_fields__
        assert self.declared().keys() == fields.keys()
        settings = self.read()
        assert settings.names.of("jobs") == "waterflow-dev-jobs"
        assert not settings.private_network

    @pytest.mark.parametrize("stack", ["dev", "prod"])
    def test_the_stacks_settings_can_be(self, stack: str) -> None:
        file = INFRA / self.CLOUD / f"Pulumi.{stack}.yaml"
        config = yaml.safe_load(file.read_text())["config"]
        start = f"waterflow-{self.CLOUD}:"
        settings = self.read(**{key.removeprefix(start): one for key, one in config.items()})
        assert settings.environment == stack

    def test_a_setting_that_is_none_is_told_with_the_nearest(self) -> None:
        wrong, right = self.LIKELY
        with pytest.raises(SettingsError, match=rf"{wrong} is no setting.*{right}\?"):
            self.read(**{wrong: 7})

    def test_all_mistakes_are_told_at_once(self) -> None:
        with pytest.raises(SettingsError) as caught:
            self.read(**self.SEVERAL)
        for name in self.SEVERAL:
            assert f"\n- {name}" in str(caught.value)
