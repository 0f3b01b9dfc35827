"""The machine on which the executor's jobs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.kfp.running import (
    Machine,
    walls,
)

if TYPE_CHECKING:
    from waterflow.emulation.isolation import Isolation


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    """How this machine walls jobs in."""
    return walls()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Machine:
    """An executor without faults."""
    return Machine(tmp_path_factory.mktemp("kfp"), isolation)
