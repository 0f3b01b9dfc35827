"""The suite: one class that a provider's tests subclass, made of the parts beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from waterflow.testing.caching import Caching
from waterflow.testing.contract import Contract
from waterflow.testing.failure import Failure
from waterflow.testing.fanning import Fanning
from waterflow.testing.processes import Processes
from waterflow.testing.sweeps import Sweeps
from waterflow.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


class ProviderConformance(Contract, Caching, Failure, Fanning, Processes, Sweeps):
    """What every provider must do.

    Subclass it, and give the fixture `profile`. Everything else follows from the provider's
    capabilities: what it can do is run, what it cannot do must be refused while compiling.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls) -> dict[str, Any]:
        """Return the profile's table: `provider`, and its settings."""
        raise RuntimeError(f"{cls.__name__} must define the fixture `profile`")

    @pytest.fixture(scope="class")
    @classmethod
    def world(
        cls, profile: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[World]:
        """A project with the provider in it, shared by all tests of the class."""
        world = World(tmp_path_factory.mktemp("conformance"), profile)
        try:
            yield world
        finally:
            world.close()
