"""What all tests of Vertex AI need."""

from __future__ import annotations

import pytest

from tests.providers.vertex.cloud import CLOUD


@pytest.fixture(scope="session")
def emulator():
    """An emulator without faults, for all that need no other."""
    with CLOUD.start() as running:
        yield running
