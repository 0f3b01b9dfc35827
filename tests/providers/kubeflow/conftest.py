"""What all tests of Kubeflow Pipelines need."""

from __future__ import annotations

import pytest

from tests.providers.kubeflow.cloud import CLOUD


@pytest.fixture(scope="session")
def emulator():
    """An emulator without faults, for all that need no other."""
    with CLOUD.start() as running:
        yield running
