"""What is sent to Google is what Google's own clients send for the very same request."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.logging_v2.types import ListLogEntriesRequest
from google.protobuf import json_format
from obstore.store import MemoryStore
from requests import Response
from requests.adapters import HTTPAdapter
from waterflow_vertex.answers import TaskRun
from waterflow_vertex.connections import Connections
from waterflow_vertex.logs import JobLogs
from waterflow_vertex.schedules import VertexSchedules, native_cron
from waterflow_vertex.service import VertexService, run_labels, run_of

from waterflow.cloud.objects import Bucket
from waterflow.cloud.service import Start
from waterflow.errors import DefinitionError
from waterflow.provider.state import Status

PARENT = "projects/p/locations/europe-west4"
SETTINGS = SimpleNamespace(project="p", region="europe-west4", bucket="b", prefix="w")
SPEC = {
    "schemaVersion": "2.1.0",
    "sdkVersion": "waterflow",
    "pipelineInfo": {"name": "w-fraud"},
    "root": {
        "dag": {"tasks": {}},
        "inputDefinitions": {
            "parameters": {
                "text": {"parameterType": "STRING"},
                "trees": {"parameterType": "NUMBER_INTEGER", "defaultValue": 5},
                "rate": {"parameterType": "NUMBER_DOUBLE"},
                "flag": {"parameterType": "BOOLEAN"},
                "names": {"parameterType": "LIST"},
            }
        },
    },
}
DEFINITION = {
    "displayName": "w-fraud",
    "labels": {"team": "risk"},
    "pipelineSpec": SPEC,
    "runtimeConfig": {
        "gcsOutputDirectory": "gs://b/w/runs",
        "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_SLOW",
    },
    "serviceAccount": "jobs@p.iam.gserviceaccount.com",
    "network": "projects/1/global/networks/n",
    "encryptionSpec": {"kmsKeyName": f"{PARENT}/keyRings/r/cryptoKeys/k"},
}
TEXTS = {"text": "a b", "trees": "7", "rate": "0.5", "flag": "true", "names": '["ü", 1]'}
VALUES = {"text": "a b", "trees": 7, "rate": 0.5, "flag": True, "names": ["ü", 1]}
CRON = "0 3 * * 1"


class Heard:
    """A transport that keeps what it is sent, and answers as it is told."""

    def __init__(self):
        self.requests, self.answers = [], {}

    def __call__(self, adapter, request, **_):
        address = urlsplit(request.url)
        query = [(name, value) for name, value in parse_qsl(address.query) if name != "$alt"]
        body = json.loads(request.body) if request.body else None
        path = unquote(address.path)
        self.requests.append((request.method, address.hostname, path, sorted(query), body))
        status, answer = self.answers.get((request.method, path), (200, {}))
        reply = Response()
        reply.status_code, reply._content, reply.url = status, json.dumps(answer).encode(), ""
        reply.request = request
        return reply


@pytest.fixture
def heard(monkeypatch):
    heard = Heard()
    monkeypatch.setattr(HTTPAdapter, "send", lambda *args, **how: heard(*args, **how))
    monkeypatch.setattr(
        "waterflow_vertex.connections.make_credentials", lambda *_: AnonymousCredentials()
    )
    return heard


@pytest.fixture
def service():
    return VertexService(Connections(SETTINGS), Bucket(MemoryStore, "gs://b/w", _raised))


def deployed(service):
    return service.deploy(SimpleNamespace(definition=DEFINITION), None, cache=True).version


def _raised(operation, error):
    raise error


def gapic(kind):
    """Return the vendor's client, over REST."""
    host = "https://europe-west4-aiplatform.googleapis.com"
    options = {"api_endpoint": host}
    return kind(credentials=AnonymousCredentials(), transport="rest", client_options=options)


def told(requests, message):
    """Return requests with their bodies as messages: the vendor's client writes enums as numbers.

    Args:
        requests: What was sent.
        message: The message of the bodies; None for those that are empty.
    """
    return [
        (*request, json_format.ParseDict(body, message()._pb) if message and body else body or None)
        for *request, body in requests
    ]


def test_a_start_is_the_vendors_create_request(heard, service):
    version = deployed(service)
    name = service.job_id("R.1_a")
    path = f"/v1/{PARENT}/pipelineJobs/{name}"
    heard.answers["GET", path] = 404, {"error": {"code": 404, "status": "NOT_FOUND"}}
    assert service.start(Start("R.1_a", "w-fraud", version, TEXTS, "token")) == name
    ours = told(heard.requests[1:], aiplatform_v1.PipelineJob)
    heard.requests.clear()
    labels = {"team": "risk", **run_labels("R.1_a")}
    labels |= {"waterflow-document": version, "waterflow-place": service.place}
    config = {**DEFINITION["runtimeConfig"], "parameterValues": VALUES}
    message = aiplatform_v1.PipelineJob()
    whole = {**DEFINITION, "labels": labels, "runtimeConfig": config}
    json_format.ParseDict(whole, message._pb)
    client = gapic(aiplatform_v1.PipelineServiceClient)
    client.create_pipeline_job(parent=PARENT, pipeline_job=message, pipeline_job_id=name)
    assert ours == told(heard.requests, aiplatform_v1.PipelineJob)


CALLS = {
    "get": (
        lambda service: service.outcome("j"),
        lambda client: client.get_pipeline_job(name=f"{PARENT}/pipelineJobs/j"),
    ),
    "list": (
        lambda service: list(service.executions("w-fraud")),
        lambda client: client.list_pipeline_jobs({
            "parent": PARENT,
            "filter": 'labels.waterflow-place="83dbb1e8cf3a0b8b" AND display_name="w-fraud"',
            "order_by": "create_time desc",
            "page_size": 100,
            "read_mask": "name,displayName,labels,createTime",
        }),
    ),
    "cancel": (
        lambda service: service.stop("j"),
        lambda client: client.cancel_pipeline_job(name=f"{PARENT}/pipelineJobs/j"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_what_is_asked_of_jobs_is_asked_as_the_vendor_asks(heard, service, name):
    ours, theirs = CALLS[name]
    ours(service)
    sent = told(heard.requests, None)
    heard.requests.clear()
    theirs(gapic(aiplatform_v1.PipelineServiceClient))
    place = service.place
    expected = json.loads(json.dumps(told(heard.requests, None)).replace("83dbb1e8cf3a0b8b", place))
    assert json.loads(json.dumps(sent)) == expected


def schedules(service):
    return VertexSchedules(service._connections, service, None, None)


def test_schedules_are_made_changed_paused_and_deleted_as_the_vendor_does(heard, service):
    version = deployed(service)
    job = service.job(DEFINITION, TEXTS, version, None)
    wish = schedules(service).wish("w-fraud", CRON, job)
    kept = {**wish, "name": f"{PARENT}/schedules/7", "state": "ACTIVE"}
    listed = f"/v1/{PARENT}/schedules"
    heard.answers["GET", listed] = 200, {"schedules": [kept]}
    heard.answers["DELETE", f"{listed}/7"] = 200, {"name": "o", "done": True}
    ours = schedules(service)
    ours._create("w-fraud", wish)
    ours._update(kept, wish)
    ours.pause("w-fraud")
    heard.answers["GET", listed] = 200, {"schedules": [{**kept, "state": "PAUSED"}]}
    ours.resume("w-fraud")
    ours.delete("w-fraud")
    sent = [one for one in heard.requests if one[0] != "GET"]
    heard.requests.clear()
    message = json_format.ParseDict(wish, aiplatform_v1.Schedule()._pb)
    mask = "cron,createPipelineJobRequest,maxConcurrentRunCount"
    client = gapic(aiplatform_v1.ScheduleServiceClient)
    client.create_schedule(parent=PARENT, schedule=aiplatform_v1.Schedule.wrap(message))
    changed = json_format.ParseDict({**wish, "name": kept["name"]}, aiplatform_v1.Schedule()._pb)
    client.update_schedule(
        schedule=aiplatform_v1.Schedule.wrap(changed),
        update_mask=json_format.Parse(json.dumps(mask), _mask()),
    )
    client.pause_schedule(name=kept["name"])
    client.resume_schedule(name=kept["name"], catch_up=False)
    client.delete_schedule(name=kept["name"])
    theirs = heard.requests
    for number in (0, 1):
        assert sent[number][:4] == theirs[number][:4]
        pair = (sent[number][4], theirs[number][4])
        one, other = (json_format.ParseDict(body, aiplatform_v1.Schedule()._pb) for body in pair)
        other.name = one.name = ""
        assert one == other
    named = [
        (method, host, path, query, {k: v for k, v in (body or {}).items() if v and k != "name"})
        for method, host, path, query, body in (*sent[2:], *theirs[2:])
    ]
    assert named[:3] == named[3:]


def _mask():
    from google.protobuf.field_mask_pb2 import FieldMask

    return FieldMask()


def test_logs_are_asked_for_in_the_vendors_words(heard):
    run = TaskRun("a", Status.RUNNING, started=1_700_000_000_000, machines=("1", "2"))
    logs = JobLogs(Connections(SETTINGS))
    path = "/v2/entries:list"
    entry = {
        "insertId": "i",
        "timestamp": "2023-11-14T22:13:20.123456789Z",
        "jsonPayload": {"message": "one\ntwo"},
    }
    heard.answers["POST", path] = 200, {"entries": [entry]}
    cursor = {}
    lines = list(logs.lines(run, cursor, first_machine=True))
    assert lines == [(1_700_000_000_123, "one"), (1_700_000_000_123, "two")]
    assert list(logs.lines(run, cursor)) == []  # the same entry is no new one
    bodies = [request[4] for request in heard.requests]
    for body in bodies:
        json_format.ParseDict(body, ListLogEntriesRequest()._pb)
    assert 'job_id=("1" OR "2")' in bodies[0]["filter"]
    assert 'task_name="workerpool0-0"' in bodies[0]["filter"]
    assert 'timestamp>="2023-11-14T22:12:50.123456+00:00"' in bodies[1]["filter"]


@pytest.mark.parametrize("run_id", ["a", "Quick.start_1", "_", "A" * 127, "a_b-c.D" * 18])
def test_a_runs_id_comes_back_from_labels(run_id):
    labels = run_labels(run_id)
    assert run_of({**labels, "waterflow-place": "x"}) == run_id
    assert all(len(value) <= 63 for value in labels.values())
    assert all(value == value.lower() and value.isascii() for value in labels.values())


@pytest.mark.parametrize(
    ("schedule", "native"),
    [
        (CRON, "TZ=UTC 0 3 * * 1"),
        ("*/5 0 1,15 JAN *", "TZ=UTC */5 0 1,15 JAN *"),
        ("0 0 * * 7", "TZ=UTC 0 0 * * 0"),
        ("0 0 * * 5-7", "TZ=UTC 0 0 * * 0,5,6"),
        ("0 0 1 * MON", "TZ=UTC 0 0 1 * MON"),
    ],
)
def test_cron_is_as_vertex_reads_it(schedule, native):
    assert native_cron(schedule) == native


def test_what_is_no_cron_is_refused():
    with pytest.raises(DefinitionError):
        native_cron("now")
