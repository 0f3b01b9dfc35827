"""The registry and endpoints by Google's own clients: records, and rules that hold for them."""

import json

import google.auth
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform, aiplatform_v1
from google.cloud import resourcemanager_v3 as manager
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_vertex.emulator.calls import Calls

from tests.providers.vertex.emulated import BUCKET, HOST, PARENT, PROJECT, REGION, entered


@pytest.fixture(scope="module", autouse=True)
def _entered(emulator):
    with entered(emulator):
        aiplatform.init(project=PROJECT, location=REGION, staging_bucket=f"gs://{BUCKET}")
        yield


def client(kind, transport=None):
    return kind(transport=transport, client_options={"api_endpoint": HOST})


def upload(name, parent=None, **more):
    return aiplatform.Model.upload(
        display_name=name,
        serving_container_image_uri="us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest",
        artifact_uri=f"gs://{BUCKET}/models/{name}",
        parent_model=parent,
        **more,
    )


def test_models_have_versions_and_aliases():
    first = upload("churn", labels={"a": "b"})
    second = upload("churn", first.resource_name, is_default_version=False,
                    version_aliases=["challenger"])  # fmt: skip
    assert (first.version_id, second.version_id) == ("1", "2")
    registry = first.versioning_registry
    assert {one.version_id: one.version_aliases for one in registry.list_versions()} == {
        "1": ["default"], "2": ["challenger"],
    }  # fmt: skip
    registry.add_version_aliases(["default"], version="2")
    assert aiplatform.Model(first.resource_name).version_id == "2"
    assert aiplatform.Model(f"{first.resource_name}@challenger").version_id == "2"
    assert [one.display_name for one in aiplatform.Model.list(filter='labels.a="b"')] == []
    with pytest.raises(exceptions.FailedPrecondition):
        registry.delete_version("2")
    registry.delete_version("1")
    with pytest.raises(exceptions.InvalidArgument):
        registry.add_version_aliases(["1bad"], version="2")
    first.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.Model(first.resource_name)


def test_endpoints_split_their_traffic_between_models():
    endpoint = aiplatform.Endpoint.create(display_name="online", labels={"suite": "resources"})
    models = [upload(f"model-{number}") for number in range(2)]
    machine = {"machine_type": "n1-standard-2", "min_replica_count": 1, "max_replica_count": 1}
    models[0].deploy(endpoint=endpoint, deployed_model_display_name="blue", **machine)
    models[1].deploy(endpoint=endpoint, deployed_model_display_name="green",
                     traffic_percentage=20, **machine)  # fmt: skip
    held = {one.display_name: one.id for one in endpoint.list_models()}
    assert endpoint.traffic_split == {held["blue"]: 80, held["green"]: 20}
    with pytest.raises(exceptions.MethodNotImplemented, match="no model is served here"):
        endpoint.predict(instances=[[1.0]])
    with pytest.raises(exceptions.FailedPrecondition):
        models[0].delete()
    with pytest.raises(exceptions.FailedPrecondition):
        endpoint.delete()
    low = client(aiplatform_v1.EndpointServiceClient)
    with pytest.raises(exceptions.InvalidArgument, match="100"):
        low.update_endpoint(
            endpoint={"name": endpoint.resource_name, "traffic_split": {held["blue"]: 30}},
            update_mask={"paths": ["traffic_split"]},
        )
    endpoint.undeploy(held["green"], traffic_split={held["blue"]: 100})
    endpoint.undeploy_all()
    endpoint.delete()
    for model in models:
        model.delete()


def test_who_and_where_is_answered():
    projects = manager.ProjectsClient()
    held = projects.get_project(name=f"projects/{PROJECT}")
    again = projects.get_project(name=held.name)
    assert (again.project_id, held.name.removeprefix("projects/").isdigit()) == (PROJECT, True)
    with pytest.raises(exceptions.PermissionDenied, match="may not exist"):
        projects.get_project(name="projects/someone-elses")
    asked = ["aiplatform.pipelineJobs.create"]
    assert projects.test_iam_permissions(resource=held.name, permissions=asked).permissions == asked
    with pytest.raises(exceptions.InvalidArgument, match="europe-west4"):
        client(aiplatform_v1.ModelServiceClient).list_models(
            parent=f"projects/{PROJECT}/locations/europe-west4/x"
        )


def test_calls_are_recorded_by_the_permission_that_they_need(tmp_path):
    calls = Calls(tmp_path / "calls")
    submitter = f"submitter@{PROJECT}.iam.gserviceaccount.com"
    for caller in (submitter, submitter, "jobs@p.iam.gserviceaccount.com", ""):
        calls.note(caller, "aiplatform.pipelineJobs.create", "CreatePipelineJob", PARENT)
    calls.note(submitter, "", "token", "/token")
    entries = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert [one["principal"] for one in entries] == ["submitter", "jobs"]
    assert {one["action"] for one in entries} == {"aiplatform.pipelineJobs.create"}


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True),
    st.from_regex(r"[a-z0-9_-]{0,10}", fullmatch=True), max_size=3,
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=8, deadline=None)
@given(
    transport=st.sampled_from(["rest", "grpc"]), description=TEXTS, labels=LABELS,
    metadata=st.dictionaries(TEXTS, VALUES, max_size=3),
)  # fmt: skip
def test_what_is_kept_is_given_back_as_it_was(transport, description, labels, metadata):
    registry = metadata_client(transport)
    artifact = {"display_name": "x", "description": description, "labels": labels,
                "uri": "gs://b/x", "schema_title": "system.Artifact",
                "metadata": metadata}  # fmt: skip
    made = registry.create_artifact(parent=f"{PARENT}/metadataStores/default", artifact=artifact)
    held = registry.get_artifact(name=made.name)
    assert held == made
    wished = aiplatform_v1.Artifact(artifact)
    for name in ("description", "labels", "uri", "schema_title"):
        assert getattr(held, name) == getattr(wished, name)
    assert held._pb.metadata == wished._pb.metadata
    held.description = "changed"
    registry.update_artifact(artifact=held, update_mask={"paths": ["description"]})
    assert registry.get_artifact(name=made.name).description == "changed"
    registry.delete_artifact(name=made.name).result()
    with pytest.raises(exceptions.NotFound):
        registry.get_artifact(name=made.name)


CLIENTS = {}


def metadata_client(transport):
    """Return one client for each transport."""
    if transport not in CLIENTS:
        CLIENTS[transport] = client(aiplatform_v1.MetadataServiceClient, transport)
    return CLIENTS[transport]


def test_services_and_quotas_are_answered():
    """What `waterflow doctor` asks; Google has no client of these two in the environment."""
    credentials, _ = google.auth.default()
    session = AuthorizedSession(credentials)
    names = [f"projects/{PROJECT}/services/{one}.googleapis.com" for one in ("storage", "sheets")]
    url = f"https://serviceusage.googleapis.com/v1/projects/{PROJECT}/services:batchGet"
    answer = session.get(url, params={"names": names}).json()
    assert [one["state"] for one in answer["services"]] == ["ENABLED", "DISABLED"]
    assert session.get(url, params={"names": ["storage"]}).status_code == 400
    assert session.get(url).status_code == 400
    at = f"projects/{PROJECT}/locations/global/services/aiplatform.googleapis.com/quotaInfos"
    quota = session.get(f"https://cloudquotas.googleapis.com/v1/{at}/CustomModelTrainingCPUs")
    assert quota.json()["quotaId"] == "CustomModelTrainingCPUs"
    assert "dimensionsInfos" not in quota.json()
