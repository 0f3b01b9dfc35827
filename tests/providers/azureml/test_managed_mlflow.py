"""The workspace's own MLflow: a run is tracked there, and a model registered, from its job too."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from waterflow_azureml.managed_mlflow import MLFLOW

from tests.providers.azureml.cloud import CLOUD, azure
from tests.providers.registering import PIPELINE
from waterflow.errors import ConfigurationError
from waterflow.provider.state import Status
from waterflow.testing.remote_project import RemoteProject
from waterflow.tracking.managed import managed
from waterflow.tracking.store import artifact_location, resolve_uri

URI = (
    "azureml://eastus.api.azureml.ms/mlflow/v1.0/subscriptions/s/resourceGroups/g/"
    "providers/Microsoft.MachineLearningServices/workspaces/w"
)


@pytest.mark.parametrize("uri", ["azureml://x", "azureml:model:1", f"{URI}/models/a", URI[:-2]])
def test_what_is_no_address_of_a_workspaces_mlflow_is_told(uri, tmp_path):
    with pytest.raises(ConfigurationError, match="not the address of a workspace's MLflow"):
        resolve_uri(uri, {}, tmp_path)


def test_the_server_decides_where_files_go(tmp_path):
    assert resolve_uri(URI, {}, tmp_path) == URI
    assert managed(URI) is MLFLOW
    assert artifact_location(URI, tmp_path) is None


def test_a_run_is_tracked_and_a_model_registered_in_the_workspace(tmp_path):
    with CLOUD.start() as running, CLOUD.pointing(running):
        uri = azure().described["properties"]["mlFlowTrackingUri"]
        modules = {"kit_runs": PIPELINE}
        project = RemoteProject(CLOUD, tmp_path / "project", modules=modules, tracking=uri)
        run = project.submit("managed")
        state = project.finish(run)
        assert state.status is Status.SUCCEEDED, state
        assert project.sync(run).left == 0
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        (version,) = client.search_model_versions("name='managed'")
        assert version.tags["waterflow.step"] == "register"
        kept = client.get_run(version.run_id)
        assert kept.data.tags["waterflow.execution"] == state.execution
        names = [one.path for one in client.list_artifacts(version.run_id)]
        assert names
        experiment = client.get_experiment_by_name("managed")
        runs = client.search_runs([experiment.experiment_id])
        (fitted,) = (one for one in runs if one.data.tags.get("waterflow.step") == "fit")
        assert fitted.data.metrics["loss"] == 0.25
