"""What all tests of Azure ML need."""

from __future__ import annotations

from pathlib import Path

import pytest
from waterflow_azureml.emulator import Emulator

from tests.providers.azureml.cloud import CLOUD
from tests.providers.azureml.workspace import Workspace

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


@pytest.fixture(scope="module")
def azure():
    """The workspace of an emulator of the module's own, asked over HTTP alone."""
    with Emulator(grace=3) as running:
        yield Workspace(running)
