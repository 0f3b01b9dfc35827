"""Whatever is asked of the emulator, its answer is the cloud's: in its shape, and no failure."""

import copy
import json
from xml.etree import ElementTree as ET

import pytest
from waterflow_azureml.emulator import routes
from waterflow_azureml.emulator.cloud import MODULES
from waterflow_azureml.emulator.preparing import DEFAULT

from tests.emulate_verb import without_a_way_out
from tests.providers.azureml.wire import API, ARM, path, wired

ENVIRONMENT = {"properties": {"image": "python:3.11", "description": "d", "tags": {"a": "b"}}}
SAMPLES = {
    "environments/e1/versions/1": ENVIRONMENT,
    "components/c1/versions/1": {"properties": {"componentSpec": {"type": "command", "name": "c"}}},
    "data/d1/versions/1": {
        "properties": {"dataType": "uri_folder", "dataUri": "azureml://datastores/x/paths/y"}
    },
    "codes/k1/versions/1": {
        "properties": {"codeUri": "https://a.blob.core.windows.net/b/c",
                       "properties": {"hash_sha256": "aa", "hash_version": 202208}}
    },
    "models/m1/versions/1": {
        "properties": {"modelType": "custom_model", "modelUri": "azureml://datastores/x/paths/y"}
    },
    "environments/e1": {"properties": {"description": "d", "tags": {"a": "b"}}},
    "datastores/own": {
        "properties": {
            "datastoreType": "AzureBlob", "accountName": "waterflowdata",
            "containerName": "data-1", "credentials": {"credentialsType": "None"},
        }
    },
    "computes/cpu": {
        "location": "eastus",
        "properties": {
            "computeType": "AmlCompute", "description": "d",
            "properties": {"vmSize": "Standard_D2ds_v5", "vmPriority": "Dedicated",
                           "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2,
                                             "nodeIdleTimeBeforeScaleDown": "PT120S"}},
        },
    },
    "onlineEndpoints/online": {"location": "eastus", "properties": {"authMode": "Key"}},
    "onlineEndpoints/online/deployments/blue": {
        "location": "eastus", "sku": {"name": "Default", "capacity": 1},
        "properties": {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2"},
    },
    "batchEndpoints/batch": {"location": "eastus", "properties": {"authMode": "AADToken"}},
    "batchEndpoints/batch/deployments/blue": {
        "location": "eastus", "properties": {"compute": "x", "miniBatchSize": 10}
    },
}  # fmt: skip
"""Part of a workspace -> a body that it takes."""
REFUSED = {"NotImplemented"}
STEPS = ({}, [], "text", 3, True, None)


@pytest.fixture(scope="module")
def wire():
    """A connection to an emulator in which the samples are."""
    with wired() as connection:
        for kind, body in SAMPLES.items():
            connection.json("PUT", path(kind), body)
        yield connection


def checked(request, reply):
    """Hold an answer to be the cloud's: a success, or a refusal in its host's shape."""
    status, headers, body = reply
    said = f"{request}: {status} {body[:400]!r}"
    assert status != 500, said
    if status < 400 or not body:
        return status, None
    kind = headers["Content-Type"]
    assert "html" not in kind, said
    if "xml" in kind:
        code = ET.fromstring(body).findtext("Code")
    else:
        answer = json.loads(body)
        code = answer.get("error_code") or answer["error"]
        code = code if isinstance(code, str) else code["code"]
    assert code, said
    assert status != 501 or code in REFUSED, said
    return status, code


def every_route():
    return [route for module in MODULES for route in module.ROUTES]


def host_of(wire, route):
    hosts = {
        routes.API: API, routes.BLOB: wire.blob, routes.DFS: wire.dfs, routes.VAULT: wire.vault,
        routes.INFERENCE: "online.eastus.inference.ml.azure.com",
    }  # fmt: skip
    return hosts.get(route.host, route.host)


def target(route, name):
    """Return a path that a route takes, with a name for all that has one."""
    own = {"subscription": DEFAULT.subscription, "group": DEFAULT.group}
    own["workspace"] = DEFAULT.workspace
    text = route.path
    for part in routes.NAME.finditer(route.path):
        value = own.get(part[1], f"subscriptions/{DEFAULT.subscription}" if part[1] == "scope"
                        else name)  # fmt: skip
        text = text.replace(part[0], value)
    return text


def test_every_route_says_what_stands_behind_its_success():
    held = every_route()
    assert len(held) > 300
    assert all(isinstance(route.how, routes.How) for route in held)
    # What is answered by a document must be let go again by its own operation.
    assert {route.how for route in held} == set(routes.How)


# MLflow's own server answers its requests: test_resources.py asks it.
PLAIN = [route for route in every_route() if route.operation != "mlflow"]


def test_no_request_makes_the_emulator_fail(wire):
    for route in PLAIN:
        if route.operation in ("groups.delete", "workspaces.delete", "containers.delete"):
            continue
        host = host_of(wire, route)
        query = {name: value or "x" for name, value in route.query.items()}
        bodies = (b"", b"{", b"[]", {"properties": 3})
        if route.method in ("GET", "HEAD") or route.operation.endswith("refused"):
            bodies = (b"",)
        for name in ("absent", "%20%C3%A4%22'" + "x" * 300):
            for body in bodies:
                where = target(route, name)
                reply = wire.ask(route.method, host, where, body, **query)
                checked(f"{route.method} {host}{where} {body!r}", reply)


def variants(body, where=()):
    """Yield bodies that have one member less, one of another type, or one too many."""
    held = body
    for step in where:
        held = held[step]
    for name in list(held):
        for value in ("-", *STEPS):
            changed = copy.deepcopy(body)
            inner = changed
            for step in where:
                inner = inner[step]
            if value == "-":
                del inner[name]
            else:
                inner[name] = value
            yield changed
        if isinstance(held[name], dict):
            yield from variants(body, (*where, name))
    more = copy.deepcopy(body)
    inner = more
    for step in where:
        inner = inner[step]
    inner["thereIsNoSuchMember"] = 1
    yield more


@pytest.mark.parametrize("kind", SAMPLES)
def test_whatever_a_body_lacks_the_answer_is_the_clouds(wire, kind):
    for body in variants(SAMPLES[kind]):
        reply = wire.ask("PUT", ARM, path(f"{kind}x"), body)
        checked(f"PUT {kind} {body}", reply)


@pytest.mark.parametrize(
    ("kind", "member", "value", "message"),
    [
        ("environments/e9/versions/1", "nothing", 1, "nothing is no member of"),
        ("environments/e9/versions/1", "image", 3, "image must be a string"),
        ("environments/e9/versions/1", "osType", "Plan9", "osType must be one of Linux, Windows"),
        ("data/d9/versions/1", "dataType", "table", "dataType must be one of"),
        ("data/d9/versions/1", "dataUri", None, "dataUri is required"),
        ("datastores/bad", "datastoreType", "Hdfs", "datastoreType must be one of"),
        ("datastores/bad", "datastoreType", "AzureFile", "fileShareName is required"),
        ("datastores/bad", "containerName", None, "needs accountName and containerName"),
        ("computes/x", "computeType", "AmlCompute", "name 'x' must have 2 to 32"),
        ("onlineEndpoints/a", "authMode", "Key", "name 'a' must have 3 to 32"),
        ("onlineEndpoints/bad", "authMode", "Open", "authMode must be one of"),
        ("onlineEndpoints/bad", "traffic", {"blue": 100}, "names deployment 'blue'"),
        ("onlineEndpoints/online/deployments/red", "instanceType", 3, "instanceType must be a"),
    ],
)
def test_what_the_models_do_not_allow_is_refused_in_the_clouds_shape(
    wire, kind, member, value, message
):
    stem = kind.partition("/")[0]
    family = f"{stem}/online/deployments" if "deployments" in kind else stem
    sample = next(body for name, body in SAMPLES.items()
                  if name.startswith(family) and name.count("/") == kind.count("/"))  # fmt: skip
    body = copy.deepcopy(sample)
    body["properties"][member] = value
    status, code, text = wire.refusal("PUT", path(kind), body)
    assert (status, code) in ((400, "UserError"), (501, "NotImplemented")), text
    assert message in text
    assert wire.ask("GET", ARM, path(kind))[0] == 404, "it was made all the same"


def test_a_long_list_comes_in_pages_by_its_next_link(wire):
    names = [f"page-{number:03}" for number in range(205)]
    for name in names:
        wire.json("PUT", path(f"environments/{name}/versions/1"), ENVIRONMENT)
    answer = wire.json("GET", path("environments"))
    seen, pages = [one["name"] for one in answer["value"]], 1
    while "nextLink" in answer:
        place = answer["nextLink"].removeprefix(f"https://{ARM}")
        status, _, text = wire.ask("GET", ARM, place)
        assert status == 200
        answer, pages = json.loads(text), pages + 1
        seen += [one["name"] for one in answer["value"]]
    assert pages == 3
    assert [name for name in seen if name.startswith("page-")] == names
    assert wire.refusal("GET", f"{path('environments')}?$skip=nonsense")[0] == 400


def test_what_is_not_answered_says_what_to_do_instead(wire):
    cases = {
        f"{DEFAULT.id}/featuresets/x": "data assets",
        f"{DEFAULT.id.partition('/workspaces/')[0]}/registries/r": "workspace",
        f"{DEFAULT.id}/serverlessEndpoints": "nothing serves a model here",
        f"{DEFAULT.id}/surelyNothing": "test it against Azure",
    }
    for where, hint in cases.items():
        status, code, text = wire.refusal("GET", where)
        assert (status, code) == (501, "NotImplemented")
        assert hint in text
    cluster = {"properties": {"computeType": "Kubernetes", "properties": {"namespace": "n"}}}
    status, _, text = wire.refusal("PUT", path("computes/attached"), cluster)
    assert status == 501
    assert "computes of type Kubernetes" in text
    host = "online.eastus.inference.ml.azure.com"
    status, _, text = wire.refusal("POST", "/score", {"input_data": []}, host=host)
    assert status == 501
    assert "endpoint online" in text


def test_without_a_token_for_it_nothing_is_answered(wire):
    for host, where in ((ARM, DEFAULT.id), (wire.vault, "/secrets/a"), (wire.blob, "/azureml/a")):
        assert wire.raw("GET", host, where)[0] == 401
        other = {"Authorization": f"Bearer {wire.token(ARM if host != ARM else wire.vault)}"}
        assert wire.raw("GET", host, where, headers=other)[0] == 401
    status, _, body = wire.raw("GET", ARM, "/metadata/endpoints")
    assert (status, json.loads(body)[0]["name"]) == (200, "AzureCloud"), "it is for everybody"
    challenge = wire.raw("GET", wire.vault, "/secrets/a")[1]["WWW-Authenticate"]
    assert 'resource="https://vault.azure.net"' in challenge


def test_if_match_holds_off_who_saw_another_version(wire):
    where, body = path("computes/tagged"), SAMPLES["computes/cpu"]
    wire.json("PUT", where, body)
    status, _, _ = wire.ask("PUT", ARM, where, body, {"If-Match": '"another"'})
    assert status == 412


_CLIENT = """
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Environment
from azure.identity import DefaultAzureCredential

scope = ("00000000-0000-4000-8000-000000000000", "waterflow", "waterflow")
client = MLClient(DefaultAzureCredential(), *scope)
print(client.workspaces.get().name, client.datastores.get_default().name)
environment = client.environments.create_or_update(Environment(name="plain", image="python:3.11"))
print(environment.name, environment.version)
try:
    requests.get("https://elsewhere.example/")
except requests.exceptions.ProxyError:
    print("refused")
"""


def test_the_vendors_sdk_is_answered_where_there_is_no_way_out(tmp_path):
    done = without_a_way_out("azureml", _CLIENT, tmp_path)
    lines = done.stdout.splitlines()
    assert lines == ["waterflow workspaceblobstore", "plain 1", "refused"]
    # The SDK's own telemetry knows no way but this one.
    assert "visualstudio" not in done.stderr, done.stderr
    assert "monitor.azure" not in done.stderr, done.stderr
