"""What is sent to Azure ML is what azure-ai-ml sends for the very same document."""

from __future__ import annotations

import base64
import copy
import io
import json
import re
import time

import pytest
import requests
import yaml
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest._requests_basic import RestRequestsTransportResponse
from waterflow_azureml import wire

pytestmark = pytest.mark.filterwarnings("ignore")

SUBSCRIPTION, GROUP, WORKSPACE = "s", "g", "w"
ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/"
    f"Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
)
CLUSTER = {
    "computeType": "AmlCompute",
    "properties": {
        "vmSize": "Standard_D2ds_v5",
        "subnet": {"id": "x"},
        "scaleSettings": {
            "minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT2M",
        },
    },
}  # fmt: skip
_GUID = re.compile(
    r"(components/azureml_anonymous|environments/CliV2AnonymousEnvironment)/versions/[^\"]+"
)
"""What the SDK and Waterflow each make of the content in a way of their own."""

CONTROL = {"type": "uri_folder", "path": "azureml://datastores/d/paths/p/control/1/"}
OUTPUT = {
    "type": "uri_folder",
    "mode": "upload",
    "path": "azureml://datastores/d/paths/p/${{name}}/",
}


def component(**more):
    return {
        "type": "command",
        "is_deterministic": True,
        "command": "python ${{inputs.control}}/launch.py $[[--x=${{inputs.text}}]]",
        "environment": {"image": "mcr.microsoft.com/azureml/base:1"},
        "inputs": {
            "control": {"type": "uri_folder", "mode": "ro_mount"},
            "text": {"type": "string", "optional": True},
        },
        "outputs": {"out": {"type": "uri_folder"}},
        **more,
    }


def document(node, **more):
    return {
        "$schema": "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json",
        "type": "pipeline",
        "display_name": "waterflow-fraud",
        "experiment_name": "fraud",
        "settings": {
            "default_compute": "azureml:serverless",
            "default_datastore": "azureml:d",
            "continue_on_step_failure": True,
            "force_rerun": False,
        },
        **more,
        "jobs": {"a": {"type": "command", "component": component(), **node}},
    }


PLAIN = {
    "inputs": {"control": CONTROL, "text": "${{parent.inputs.text}}"},
    "outputs": {"out": OUTPUT},
}
DOCUMENTS = {
    "plain": document(PLAIN, inputs={"text": '"a b"', "number": 5, "flag": True, "rate": 0.5}),
    "tags and words": document(
        {**PLAIN, "display_name": "a"},
        tags={"waterflow.build": "x", "team": "ü"},
        description="What it is for",
        inputs={"text": "x", "data": {"type": "uri_folder", "path": "azureml:raw:3"}},
    ),
    "empty text": document(PLAIN, inputs={"text": "", "data": {**CONTROL, "mode": "download"}}),
    "machines": document(
        {
            **PLAIN,
            "compute": "azureml:cpu",
            "resources": {
                "instance_count": 2,
                "instance_type": "Standard_D2ds_v5",
                "shm_size": "2g",
            },
            "distribution": {"type": "pytorch", "process_count_per_instance": 1},
            "queue_settings": {"job_tier": "spot"},
            "limits": {"timeout": 90_061},
            "identity": {"type": "managed", "client_id": "11111111-1111-4111-8111-111111111111"},
            "environment_variables": {"A": "1"},
            "properties": {"waterflow.step": "a"},
        },
        inputs={"text": "x"},
        identity={"type": "user_identity"},
    ),
    "mpi, conda": document(
        {
            **PLAIN,
            "component": component(
                is_deterministic=False,
                distribution={"type": "mpi", "process_count_per_instance": 2},
                resources={"instance_count": 2},
                environment={
                    "image": "i:1",
                    "conda_file": {"name": "x", "dependencies": ["python=3.11", {"pip": ["a==1"]}]},
                },
                tags={"t": "u"},
            ),
        },
        inputs={"text": "x"},
    ),
    "a named environment": document(
        {**PLAIN, "component": component(environment="azureml:own:4")}, inputs={"text": "x"}
    ),
    "nothing goes in or out": document(
        {"component": component(inputs={}, outputs={}, command="true")}, inputs={}
    ),
}


class Heard:
    """A transport that answers as Azure would, and keeps what it is sent."""

    def __init__(self):
        self.bodies = {}

    def send(self, transport, request, **_):
        del transport
        path = request.url.partition("azure.com")[2].partition("?")[0]
        answer = {
            "id": path,
            "name": path.rpartition("/")[2],
            "location": "eastus",
            "properties": {},
        }
        if request.method == "PUT":
            body = json.loads(request.content)
            self.bodies[path.removeprefix(f"{ID}/")] = body
            answer |= copy.deepcopy(body)
        elif "/computes/" in path:
            answer["properties"] = CLUSTER
        inner = requests.Response()
        inner.status_code, inner._content = 200, json.dumps(answer).encode()
        inner.headers["content-type"] = "application/json"
        inner.raw = io.BytesIO(inner._content)
        reply = RestRequestsTransportResponse(request=request, internal_response=inner)
        reply._content = inner._content
        return reply


class Somebody:
    def get_token(self, *_, **__):
        claims = {"aud": "https://ml.azure.com", "exp": int(time.time()) + 3600}
        parts = ({"alg": "none"}, claims, {"x": 1})
        token = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        )
        return AccessToken(token, claims["exp"])


@pytest.fixture(scope="module")
def sdk():
    """What the vendor's SDK sends for a document."""
    from azure.ai.ml import MLClient, load_job

    client = MLClient(Somebody(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False)

    def sent(definition):
        job = load_job(io.StringIO(yaml.safe_dump(definition)))
        job.name = "run"
        heard = Heard()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RequestsTransport, "send", lambda *args, **how: heard.send(*args, **how))
            patch.setattr("azure.ai.ml.operations._job_operations.get_git_properties", dict)
            client.jobs.create_or_update(job)
        return heard.bodies

    return sent


def ours(definition):
    wired = wire.wired(definition, ID)
    bodies = {f"environments/{where}": body for where, body in wired.environments.items()}
    for version, body in wired.components.items():
        bodies[f"components/azureml_anonymous/versions/{version}"] = body
    return bodies | {"jobs/run": {"properties": wire.started(wired.properties, {}, {})}}


def told(bodies):
    """Return bodies without versions that are made of their content, and conda as YAML reads."""
    plain = json.loads(_GUID.sub(r"\1/versions/_", json.dumps(bodies)))
    for body in plain.values():
        if "condaFile" in body["properties"]:
            body["properties"]["condaFile"] = yaml.safe_load(body["properties"]["condaFile"])
    return plain


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_same_is_sent_as_the_vendors_sdk_sends(sdk, name):
    assert told(ours(DOCUMENTS[name])) == told(sdk(DOCUMENTS[name]))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (59, "PT59S"), (3600, "PT1H"), (90_061, "P1DT1H1M1S"), (172_800, "P2D")],
)
def test_durations_are_as_azure_writes_them(seconds, text):
    node = {**PLAIN, "limits": {"timeout": seconds}}
    wired = wire.wired(document(node), ID)
    assert wired.properties["jobs"]["a"]["limits"]["timeout"] == text


def test_a_start_changes_inputs_and_notes_alone():
    properties = wire.wired(DOCUMENTS["plain"], ID).properties
    begun = wire.started(properties, {"text": "new", "more": "1"}, {"waterflow.run": "r"})
    assert begun["inputs"]["text"] == {"value": "new", "jobInputType": "literal"}
    assert begun["inputs"]["more"] == {"value": "1", "jobInputType": "literal"}
    assert begun["properties"] == {"waterflow.run": "r"}
    same = {key: value for key, value in begun.items() if key not in ("inputs", "properties")}
    assert same == {key: properties[key] for key in same}
    assert properties["properties"] == {}
