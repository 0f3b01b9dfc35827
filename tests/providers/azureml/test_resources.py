"""A workspace's resources on the emulator: made and read by the vendor's SDK, and as documents."""

import contextlib
import datetime as dt
import enum
import importlib
import json
import os
import time
import types
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import BlobClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waterflow_azureml.emulator import Emulator, models
from waterflow_azureml.emulator.calls import RECORD
from waterflow_azureml.emulator.preparing import DEFAULT

from tests.providers.azureml.wire import API, Wire, path, pointed, wired
from waterflow.project.profile import Profile

SCOPE = (DEFAULT.subscription, DEFAULT.group, DEFAULT.workspace)
GROUP = DEFAULT.id.partition("/providers/")[0]


@pytest.fixture(scope="module")
def wire():
    """An emulator to which this process's SDKs are pointed."""
    with wired() as connection, pointed(connection.emulator):
        yield connection


@pytest.fixture(scope="module")
def ml(wire):
    """The vendor's SDK: to import it takes seconds."""
    return importlib.import_module("azure.ai.ml")


@pytest.fixture(scope="module")
def entities(ml):
    return importlib.import_module("azure.ai.ml.entities")


@pytest.fixture(scope="module")
def client(ml):
    return ml.MLClient(DefaultAzureCredential(), *SCOPE, show_progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("files")
    (place / "a.txt").write_text("hello")
    (place / "sub").mkdir()
    (place / "sub" / "b.txt").write_text("x" * 1000)
    return place


def test_workspaces_are_made_described_and_removed(wire, client, ml, entities):
    held = client.workspaces.get()
    assert held.name == DEFAULT.workspace
    assert held.mlflow_tracking_uri == f"azureml://{API}/mlflow/v1.0{DEFAULT.id}"
    where = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/second"
    wire.json("PUT", where, {"location": "westeurope", "properties": {"friendlyName": "Two"}})
    other = client.workspaces.get("second")
    assert (other.location, other.display_name) == ("westeurope", "Two")
    assert {one.name for one in client.workspaces.list()} == {DEFAULT.workspace, "second"}
    assert ml.MLClient(DefaultAzureCredential(), *SCOPE[:2], "second").datastores.get_default()
    wire.json("DELETE", where)
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        client.workspaces.get("second")
    with pytest.raises(HttpResponseError, match="deployments of templates"):
        client.workspaces.begin_create(entities.Workspace(name="third", location="eastus"))


def test_an_application_signs_in_by_its_secret(wire, ml):
    credential = ClientSecretCredential("11111111-1111-4111-8111-111111111111", "app", "secret")
    assert ml.MLClient(credential, *SCOPE).workspaces.get().name == DEFAULT.workspace


def test_datastores(wire, client, entities):
    stores = client.datastores
    assert {one.name for one in stores.list()} >= {"workspaceblobstore", "workspaceartifactstore"}
    secret = entities.AccountKeyConfiguration(account_key="a2V5")
    own = entities.AzureBlobDatastore(
        name="own", account_name="owndata", container_name="here", credentials=secret,
        tags={"a": "b"},
    )  # fmt: skip
    made = stores.create_or_update(own)
    assert (made.account_name, made.container_name, made.tags) == ("owndata", "here", {"a": "b"})
    assert stores.get("own", include_secrets=True).credentials.account_key == "a2V5"
    assert wire.json("GET", path("datastores/own"))["properties"]["credentials"] == {
        "credentialsType": "AccountKey"
    }
    stores.delete("own")
    with pytest.raises(ResourceNotFoundError):
        stores.get("own")
    assert stores.get_default().name == "workspaceblobstore"


# The SDK's own use of the storage client.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_data_is_uploaded_versioned_and_downloaded(client, folder, tmp_path, entities):
    made = client.data.create_or_update(
        entities.Data(name="d", path=str(folder), type="uri_folder")
    )
    assert made.version == "1"
    client.data.create_or_update(
        entities.Data(name="d", version="7", path=str(folder), type="uri_folder")
    )
    assert client.data.get("d", label="latest").version == "7"
    again = client.data.create_or_update(
        entities.Data(name="d", path=str(folder), type="uri_folder")
    )
    assert again.version == "8"
    assert [one.version for one in client.data.list("d")] == ["1", "7", "8"]
    client.data.archive("d", version="1")
    assert [one.version for one in client.data.list("d")] == ["7", "8"]
    with pytest.raises(HttpResponseError, match="immutable"):
        client.data.create_or_update(
            entities.Data(
                name="d", version="8", path="azureml://datastores/x/paths/y", type="uri_folder"
            )
        )
    from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri

    download_artifact_from_aml_uri(made.path, str(tmp_path), client.datastores)
    assert (tmp_path / "a.txt").read_text() == "hello"
    assert (tmp_path / "sub" / "b.txt").read_text() == "x" * 1000


def test_environments_components_and_models(client, folder, ml, entities):
    conda = {"name": "x", "dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    made = client.environments.create_or_update(
        entities.Environment(name="e", image="python:3.11", conda_file=conda, tags={"a": "b"})
    )
    held = client.environments.get("e", made.version)
    assert (held.image, held.conda_file, held.tags) == ("python:3.11", conda, {"a": "b"})
    node = ml.command(
        command="echo ${{inputs.n}}", environment=f"azureml:e:{made.version}", code=str(folder),
        inputs={"d": ml.Input(type="uri_folder"), "n": 3},
        outputs={"o": ml.Output(type="uri_folder")}, name="c", version="1",
    )  # fmt: skip
    client.components.create_or_update(node.component)
    held = client.components.get("c", "1")
    assert (held.command, sorted(held.inputs), sorted(held.outputs)) == (
        "echo ${{inputs.n}}", ["d", "n"], ["o"],
    )  # fmt: skip
    model = client.models.create_or_update(
        entities.Model(name="m", path=str(folder), type="custom_model", properties={"p": "q"})
    )
    assert (model.version, client.models.get("m", label="latest").properties) == ("1", {"p": "q"})
    assert [one.name for one in client.models.list()] == ["m"]


def test_code_of_one_content_is_uploaded_once(client, folder):
    from azure.ai.ml.entities._assets import Code

    first = client._code.create_or_update(Code(name="k1", version="1", path=str(folder)))
    second = client._code.create_or_update(Code(name="k2", version="1", path=str(folder)))
    assert second.id == first.id
    account = client.datastores.get_default().account_name
    assert first.path.startswith(f"https://{account}.blob.core.windows.net/")


def test_clusters_take_their_time_and_scale_from_none(wire, client, entities):
    identity = entities.IdentityConfiguration(
        type="user_assigned",
        user_assigned_identities=[
            entities.ManagedIdentityConfiguration(
                resource_id=f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a"
            )
        ],
    )
    cluster = entities.AmlCompute(
        name="cpu", size="STANDARD_D4S_V3", tier="low_priority", max_instances=4, identity=identity,
        idle_time_before_scale_down=60, tags={"a": "b"},
    )  # fmt: skip
    began = time.monotonic()
    made = client.compute.begin_create_or_update(cluster).result()
    assert time.monotonic() - began >= 0.3, "it was polled until the operation was over"
    assert (made.provisioning_state, made.tier, made.max_instances) == (
        "Succeeded", "low_priority", 4,
    )  # fmt: skip
    assert (made.min_instances, made.idle_time_before_scale_down) == (0, 60.0)
    made.max_instances = 2
    assert client.compute.begin_update(made).result().max_instances == 2
    made.size = "Standard_D8s_v3"
    with pytest.raises(HttpResponseError, match="vmSize of a compute cannot be changed"):
        client.compute.begin_update(made).result()
    with pytest.raises(HttpResponseError, match="has no size 'Standard_Nonsense'"):
        client.compute.begin_create_or_update(
            entities.AmlCompute(name="bad", size="Standard_Nonsense", max_instances=1)
        )
    body = {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 3}}}}
    wire.json("PATCH", path("computes/cpu"), body)
    assert [(one.name, one.max_instances) for one in client.compute.list()] == [("cpu", 3)]
    assert "Standard_D2ds_v5" in {one.name for one in client.compute.list_sizes()}
    assert {one.limit for one in client.compute.list_usage()} == {350}
    client.compute.begin_delete("cpu").result()
    assert list(client.compute.list()) == []


def test_endpoints_are_kept_as_records(client, entities):
    endpoint = entities.ManagedOnlineEndpoint(name="online", auth_mode="key", tags={"a": "b"})
    made = client.online_endpoints.begin_create_or_update(endpoint).result()
    assert made.scoring_uri == "https://online.eastus.inference.ml.azure.com/score"
    keys = client.online_endpoints.get_keys("online")
    assert keys.primary_key != keys.secondary_key
    client.online_endpoints.begin_regenerate_keys("online", key_type="primary").result()
    assert client.online_endpoints.get_keys("online").primary_key != keys.primary_key
    model = client.models.create_or_update(
        entities.Model(name="served", version="1", path="azureml://datastores/workspaceblobstore/paths/m",
              type="mlflow_model")
    )  # fmt: skip
    blue = entities.ManagedOnlineDeployment(
        name="blue", endpoint_name="online", model=model, instance_type="Standard_DS3_v2",
        instance_count=1,
    )  # fmt: skip
    assert client.online_deployments.begin_create_or_update(blue).result().instance_count == 1
    made.traffic = {"blue": 100}
    assert client.online_endpoints.begin_create_or_update(made).result().traffic == {"blue": 100}
    with pytest.raises(HttpResponseError, match="starts no container"):
        client.online_deployments.get_logs("blue", "online", 10)
    assert [one.name for one in client.online_deployments.list("online")] == ["blue"]
    client.online_endpoints.begin_delete("online").result()
    with pytest.raises(ResourceNotFoundError):
        client.online_deployments.get("blue", "online")
    batch = client.batch_endpoints.begin_create_or_update(
        entities.BatchEndpoint(name="batch")
    ).result()
    assert batch.scoring_uri == "https://batch.eastus.inference.ml.azure.com/jobs"


def test_mlflow_is_a_real_server_without_logged_models(wire):
    base = f"/mlflow/v2.0{DEFAULT.id}/api/2.0/mlflow"
    made = wire.json("POST", f"{base}/experiments/create", {"name": "e"}, host=API)
    wish = {"experiment_id": made["experiment_id"], "start_time": 1}
    run = wire.json("POST", f"{base}/runs/create", wish, host=API)["run"]["info"]
    place = f"experiments/{made['experiment_id']}/runs/{run['run_id']}/artifacts"
    assert run["artifact_uri"] == f"azureml://{API}/mlflow/v2.0{DEFAULT.id}/{place}"
    metric = {"run_id": run["run_id"], "key": "a", "value": 1.5, "timestamp": 1, "step": 0}
    wire.json("POST", f"{base}/runs/log-metric", metric, host=API)
    older = base.replace("v2.0", "v1.0", 1)
    held = wire.json("GET", f"{older}/runs/get", host=API, run_id=run["run_id"])
    assert [one["value"] for one in held["run"]["data"]["metrics"]] == [1.5]
    files = f"/history/v1.0{DEFAULT.id}/experiments/e/runs/{run['run_id']}/artifacts"
    wish = {"paths": [{"path": "d/a.txt"}]}
    announced = wire.json("POST", f"{files}/batch/metadata", wish, host=API)
    target = announced["artifactContentInformation"]["d/a.txt"]["contentUri"]
    host, _, rest = target.removeprefix("https://").partition("/")
    headers = {"x-ms-blob-type": "BlockBlob"}
    assert wire.raw("PUT", host, f"/{rest}", b"hi", headers)[0] == 201
    assert [one["path"] for one in wire.json("GET", files, host=API)["value"]] == ["d/a.txt"]
    info = wire.json("GET", f"{files}/contentinfo", host=API, path="d/a.txt")["contentUri"]
    assert wire.raw("GET", host, f"/{info.removeprefix('https://').partition('/')[2]}")[2] == b"hi"
    listed = wire.ask("GET", API, f"{base}/artifacts/list", run_id=run["run_id"])
    assert b'"path": "d", "is_dir": true' in listed[2]
    for kind in ("logged-models", "traces", "../nothing"):
        status, _, text = wire.ask("POST", API, f"{base}/{kind}", {})
        assert (status, b"ENDPOINT_NOT_FOUND" in text) == (404, True)


def test_roles_and_identities_are_kept(wire):
    one = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/jobs"
    principal = wire.json("PUT", one, {"location": "eastus"})["properties"]["principalId"]
    role = "8b3f0f0c-0000-4000-8000-000000000001"
    definition = f"/subscriptions/{DEFAULT.subscription}/providers/Microsoft.Authorization"
    definition += f"/roleDefinitions/{role}"
    permissions = [{"actions": ["Microsoft.Resources/*/read"], "dataActions": []}]
    wish = {"properties": {"roleName": "jobs", "permissions": permissions}}
    assert wire.json("PUT", definition, wish)["properties"]["permissions"] == permissions
    name = "8b3f0f0c-0000-4000-8000-000000000002"
    assignments = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
    body = {"properties": {"roleDefinitionId": definition, "principalId": principal}}
    wire.json("PUT", f"{assignments}/{name}", body)
    other = f"{assignments}/8b3f0f0c-0000-4000-8000-000000000003"
    assert wire.refusal("PUT", other, body)[:2] == (409, "RoleAssignmentExists")
    where = f"{DEFAULT.id}/providers/Microsoft.Authorization/roleAssignments"
    query = {"$filter": f"principalId eq '{principal}'"}
    assert [held["name"] for held in wire.json("GET", where, **query)["value"]] == [name]
    assert wire.refusal("DELETE", definition)[0] == 409
    wire.json("DELETE", f"{assignments}/{name}")
    wire.json("DELETE", definition)


def test_what_a_profile_names_is_there_at_the_start(tmp_path, ml, entities):
    scope = ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "group", "workspace-1")
    named = {
        "subscription": scope[0], "resource_group": scope[1], "workspace": scope[2],
        "region": "westeurope", "account": "profiledata", "vault": "profile-vault",
        "clusters": {"cpu": {"machine": "Standard_D4ds_v5", "nodes": 3, "spot": True}},
    }  # fmt: skip
    profile = Profile("azure", "azureml", named, None, None, "waterflow.toml")
    wrong = Profile("bad", "azureml", {"subscription": "?"}, None, None, "waterflow.toml")
    with Emulator(grace=0.5, profiles=[profile, wrong], state=tmp_path / "s") as emulator:
        assert any("Nothing is made for profile 'bad'" in line for line in emulator.prepared)
        with pointed(emulator):
            client = ml.MLClient(DefaultAzureCredential(), *scope)
            assert client.workspaces.get().location == "westeurope"
            held = client.datastores.get("waterflow")
            assert (held.account_name, held.container_name) == ("profiledata", "waterflow")
            cluster = client.compute.get("cpu")
            assert (cluster.size, cluster.max_instances, cluster.tier) == (
                "Standard_D4ds_v5", 3, "low_priority",
            )  # fmt: skip
            client.environments.create_or_update(
                entities.Environment(name="kept", image="python:3.11")
            )
        secrets = "profile-vault.vault.azure.net"
        with contextlib.closing(Wire(emulator, scope)) as wire:
            for value in ("one", "two"):
                wire.json("PUT", "/secrets/kept", {"value": value}, host=secrets)
    with (
        Emulator(grace=0.5, profiles=[profile], state=tmp_path / "s") as emulator,
        pointed(emulator),
    ):
        assert emulator.prepared == ()
        client = ml.MLClient(DefaultAzureCredential(), *scope)
        assert client.environments.get("kept", "1").image == "python:3.11"
        with contextlib.closing(Wire(emulator, scope)) as wire:
            assert wire.json("GET", "/secrets/kept", host=secrets)["value"] == "two"
            assert len(wire.json("GET", "/secrets/kept/versions", host=secrets)["value"]) == 2


def test_throttled_requests_are_tried_again_and_each_permission_is_noted(ml, monkeypatch, tmp_path):
    monkeypatch.setenv(RECORD, str(tmp_path / "calls"))
    faults = "throttle=0.5,seed=3"
    with Emulator(grace=0.5, faults=faults) as emulator, pointed(emulator):
        client = ml.MLClient(DefaultAzureCredential(), *SCOPE)
        assert client.workspaces.get().name == DEFAULT.workspace, "the SDK tries again"
        account = client.datastores.get_default().account_name
        url = f"https://{account}.blob.core.windows.net"
        blob = BlobClient(url, "azureml", "a", credential=DefaultAzureCredential())
        blob.upload_blob(b"x")
    noted = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert {one["principal"] for one in noted} == {"submitter"}
    data = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
    assert {one["action"]: one["data"] for one in noted} == {
        "Microsoft.MachineLearningServices/workspaces/read": False,
        "Microsoft.MachineLearningServices/workspaces/datastores/read": False,
        data: True,
    }


# --- what is given is held ------------------------------------------------------------------------

_TEXT = st.text("abcXYZ019 -_/.ä", max_size=12)
_DURATIONS = st.sampled_from(["PT5M", "P1D", "PT1H30M", "PT0.5S"])


def values(hint, depth=0):
    """Return a strategy for what a type of the SDK's models allows."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return st.one_of(_TEXT, st.integers(-9, 9), st.booleans())
    if origin is Union or origin is types.UnionType:
        options = [one for one in arguments if one is not type(None)]
        enums = [one for one in options if isinstance(one, type) and issubclass(one, enum.Enum)]
        return values((enums or options)[0], depth)
    if origin is list:
        return st.lists(values(arguments[0], depth), max_size=2)
    if origin is dict:
        return st.dictionaries(st.text("abcdef", min_size=1, max_size=6),
                               values(arguments[1], depth), max_size=2)  # fmt: skip
    if origin is Literal:
        return st.sampled_from([getattr(one, "value", one) for one in arguments])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from([one.value for one in hint])
    plain = {
        str: _TEXT, int: st.integers(0, 9), float: st.floats(0, 9), bool: st.booleans(),
        dt.timedelta: _DURATIONS, dt.datetime: st.just("2026-01-02T03:04:05+00:00"),
    }  # fmt: skip
    return plain[hint] if hint in plain else bodies(hint, depth + 1)


def bodies(kind, depth=0):
    """Return a strategy for bodies that a model allows: all that is required, and of the rest."""
    name, mapping = models.discriminator(kind), getattr(kind, "__mapping__", {})
    if name is not None and mapping and depth:
        kinds = [one for key, one in mapping.items() if key and one is not kind]
        if kinds and kind not in kinds:
            return st.sampled_from(kinds).flatmap(lambda one: _members(one, depth))
    return _members(kind, depth)


def _members(kind, depth):
    required, more = {}, {}
    for member, (hint, needed, read) in models.members(kind).items():
        if read or depth > 4:
            continue
        (required if needed else more)[member] = st.deferred(lambda hint=hint: values(hint, depth))
    return st.fixed_dictionaries(required, optional=more)


HELD = {
    "environments": ("environments/held-{}/versions/1", "EnvironmentVersion"),
    "environment": ("environments/held-{}", "EnvironmentContainer"),
    "components": ("components/held-{}/versions/1", "ComponentVersion"),
    "data": ("data/held-{}/versions/1", "DataVersionBase"),
    "codes": ("codes/held-{}/versions/1", "CodeVersion"),
    "models": ("models/held-{}/versions/1", "ModelVersion"),
    "deployments": ("onlineEndpoints/held/deployments/held-{}", "OnlineDeployment"),
    "batch": ("batchEndpoints/held-{}", "BatchEndpoint"),
}  # fmt: skip
_READ = {
    "keys",
    "latestVersion",
    "nextVersion",
    "provisioningState",
    "id",
    "name",
    "type",
    "systemData",
}


def lacking(answer, body, where=""):
    """Return what of a body an answer does not hold."""
    if isinstance(body, dict) and isinstance(answer, dict):
        return [
            one
            for name, value in body.items()
            if name not in _READ and value is not None
            for one in lacking(answer.get(name), value, f"{where}.{name}")
        ]
    same = answer == body or (isinstance(body, int | float) and answer == str(body))
    return [] if same else [f"{where}: {body!r} became {answer!r}"]


@pytest.mark.parametrize("kind", HELD)
def test_all_that_is_put_is_got(wire, kind):
    where, model = HELD[kind]
    wire.json("PUT", path("onlineEndpoints/held"), {"location": "eastus",
              "properties": {"authMode": "Key"}})  # fmt: skip
    numbers = iter(range(10**6))
    taken = []

    @settings(max_examples=25, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(bodies(getattr(models.models(), model)))
    def hold(body):
        place = path(where.format(next(numbers)))
        status, _, text = wire.ask("PUT", "management.azure.com", place, body)
        if status >= 400:
            # What the model allows the service may still refuse, for what it names is not there.
            assert status in (400, 404, 501), text
            assert b"is no member" not in text, text
            assert b"must be" not in text, text
            return
        taken.append(body)
        assert lacking(wire.json("GET", place), body) == []

    hold()
    assert len(taken) > 5, "most bodies are refused: this test shows nothing"


def test_the_state_of_the_service_is_no_one_elses(wire):
    """Two workspaces share no names."""
    where = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/apart"
    wire.json("PUT", where, {"location": "eastus", "properties": {}})
    wire.json("PUT", path("environments/mine/versions/1"), {"properties": {"image": "a"}})
    assert wire.refusal("GET", f"{where}/environments/mine/versions/1")[0] == 404
    assert os.environ["MSI_ENDPOINT"].startswith("http://127.0.0.1:")
