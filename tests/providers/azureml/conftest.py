"""What all tests of Azure ML need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.providers.azureml.cloud import CLOUD

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let azure-ai-ml make its schemas, at which marshmallow warns of its next release."""
    for item in items:
        if item.path.is_relative_to(HERE):
            category = "marshmallow.warnings.Marshmallow4Warning"
            item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))


@pytest.fixture(scope="session")
def emulator():
    """An emulator without faults, for all that need no other."""
    with CLOUD.start() as running:
        yield running
