"""A plug-in's tracking URI is in force while MLflow is called, and no longer."""

import os

import mlflow
import pytest

from waterflow.tracking.client import call

PLUGIN = "waterflow-spool:///tmp/spool"
VARIABLE = "MLFLOW_TRACKING_URI"


@pytest.fixture
def _unset(monkeypatch):
    """Nothing is in force before, and nothing after."""
    monkeypatch.setenv(VARIABLE, "")  # so that it is put back in the end
    mlflow.set_tracking_uri(None)
    del os.environ[VARIABLE]
    yield
    mlflow.set_tracking_uri(None)


BEFORE = {
    "nothing": (None, None),
    "the variable": ("http://variable", None),
    "the process": (None, "http://process"),
    "both": ("http://variable", "http://process"),
}


@pytest.mark.parametrize(("variable", "process"), BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("uri", [PLUGIN, "http://other"])
@pytest.mark.usefixtures("_unset")
def test_what_was_in_force_is_again(variable, process, uri):
    if process:
        mlflow.set_tracking_uri(process)
    if variable:
        os.environ[VARIABLE] = variable
    before = mlflow.get_tracking_uri(), os.environ.get(VARIABLE)
    in_force = uri if uri == PLUGIN else before[0]
    assert call(uri, mlflow.get_tracking_uri) == in_force
    assert (mlflow.get_tracking_uri(), os.environ.get(VARIABLE)) == before


@pytest.mark.usefixtures("_unset")
def test_it_is_again_after_a_failure():
    before = mlflow.get_tracking_uri()
    with pytest.raises(Exception, match="could not be used"):
        call(PLUGIN, lambda: 1 // 0)
    assert mlflow.get_tracking_uri() == before
    assert VARIABLE not in os.environ
