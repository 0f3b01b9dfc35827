"""What the tests of all clouds' adapters need."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session")
def random_pipeline():
    """The kit's pipelines by chance, from the file that projects get."""
    from waterflow.testing.random_pipelines import SOURCE

    spec = importlib.util.spec_from_file_location(SOURCE.stem, SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.random_pipeline
