"""Whatever is asked of the emulator, its answer is Google's: in its shape, and no failure."""

import http.client
import json
import re
from xml.etree import ElementTree as ET

import grpc
import pytest
from waterflow_vertex.emulator import routes
from waterflow_vertex.emulator.cloud import SERVICES, every_route
from waterflow_vertex.emulator.routes import NAME, How

from tests.emulate_verb import without_a_way_out
from tests.providers.vertex.emulated import (
    BUCKET,
    HOST,
    PARENT,
    PROJECT,
    container,
    entered,
    pipeline,
)

HOST_OF = {routes.VERTEX: "us-central1-aiplatform.googleapis.com"}


@pytest.fixture(scope="module")
def ask(emulator):
    """What asks the emulator, with a token."""
    import google.auth
    from google.auth.transport.requests import Request

    with entered(emulator):
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        credentials, _ = google.auth.default(scopes=scopes)
        credentials.refresh(Request())
    place = emulator.endpoint.partition("://")[2]

    def ask(method, host, path, body=b"", headers=()):
        connection = http.client.HTTPConnection(place, timeout=60)
        more = {"Host": host, "Authorization": f"Bearer {credentials.token}", **dict(headers)}
        connection.request(method, path, body=body, headers=more)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, reply.headers.get("Content-Type", ""), data

    ask.token = credentials.token
    return ask


def checked(request, reply):
    """Hold an answer to be Google's: a success, or a refusal in its host's shape."""
    status, kind, body = reply
    said = f"{request}: {status} {body[:400]!r}"
    assert status != 500, said
    if status < 400 or not body:
        return status
    if "xml" in kind:
        assert ET.fromstring(body).findtext("Code"), said
        return status
    error = json.loads(body)["error"]
    if isinstance(error, str):
        return status
    assert error["code"] == status, said
    assert error["message"], said
    assert "status" in error or error["errors"][0]["reason"], said
    return status


def target(route, name):
    """Return a path that a route takes, with a name for all that has one."""

    def value(match):
        template = match[2] or "*"
        if match[1] in ("parent", "name") and template.startswith("projects/*/locations/*"):
            template = template.replace("projects/*/locations/*", PARENT, 1)
        template = template.replace("projects/*", f"projects/{PROJECT}", 1)
        template = PROJECT if match[1] == "project" else template
        return template.replace("**", name).replace("*", name)

    path = NAME.sub(value, route.path)
    query = "&".join(f"{key}={wish or 'x'}" for key, wish in route.query.items())
    return f"{path}?{query}" if query else path


ROUTES = every_route()


def test_every_route_says_what_stands_behind_its_success():
    assert len(ROUTES) > 250
    assert {route.how for route in ROUTES} == set(How)
    named = {route.operation for route in ROUTES}
    assert {"CreatePipelineJob", "CreateCustomJob", "CreateSchedule", "objects.insert"} <= named
    # What changes something needs a permission, by which roles are held against the calls.
    for route in ROUTES:
        if route.how in (How.RUN, How.RECORD) and not route.open:
            assert re.fullmatch(r"[a-z]+\.\w+\.\w+", route.permission), route.operation


def test_no_request_makes_the_emulator_fail(ask):
    bodies = (b"", b"{", b"[]", b'{"noSuchMember": 1}', b'{"name": {"a": [3]}, "policy": 3}')
    for route in ROUTES:
        host = HOST_OF.get(route.host, route.host)
        for name in ("absent", "%20%C3%A4%22'" + "x" * 300):
            for body in bodies if route.method in ("POST", "PUT", "PATCH") else (b"",):
                path = target(route, name)
                reply = ask(route.method, host, path, body)
                status = checked(f"{route.method} {host}{path} {body!r}", reply)
                assert route.how is not How.REFUSED or status in (400, 501)


WRONG = ([], {}, "text", 3, -1, True, None, {"a": 1}, ["x"])


def variants(body, where=()):
    """Yield bodies that have one member less, one of another type, or one too many."""
    held = body
    for step in where:
        held = held[step]
    for name in list(held):
        for value in ("-", *WRONG):
            changed = json.loads(json.dumps(body))
            inner = changed
            for step in where:
                inner = inner[step]
            if value == "-":
                del inner[name]
            else:
                inner[name] = value
            yield changed
        if isinstance(held[name], dict) and len(where) < 2:
            yield from variants(body, (*where, name))


JOB = {
    "displayName": "wire",
    "pipelineSpec": pipeline({"step": container("true")}),
    "runtimeConfig": {"gcsOutputDirectory": "gs://no-such-bucket/wire"},
}
SAMPLES = {
    f"/v1/{PARENT}/pipelineJobs": JOB,
    f"/v1/{PARENT}/schedules": {
        "displayName": "wire", "cron": "0 3 * * *", "maxConcurrentRunCount": "1",
        "createPipelineJobRequest": {"parent": PARENT, "pipelineJob": JOB},
    },
    f"/v1/{PARENT}/customJobs": {
        "displayName": "wire", "jobSpec": {"workerPoolSpecs": [{"machineSpec": {}}]},
    },
    f"/v1/{PARENT}/models:upload": {"model": {"displayName": "m", "labels": {"A": "b"}}},
    f"/v1/{PARENT}/endpoints": {"displayName": "e", "labels": {"A": "b"}},
}  # fmt: skip


@pytest.mark.parametrize("path", SAMPLES)
def test_bodies_that_are_nearly_right_are_refused_as_google_does(ask, path):
    for body in variants(SAMPLES[path]):
        reply = ask("POST", HOST_OF[routes.VERTEX], path, json.dumps(body).encode())
        checked(f"{path} {body}", reply)
    status, _, body = ask(
        "POST", HOST_OF[routes.VERTEX], path, json.dumps({**SAMPLES[path], "other": 1}).encode()
    )
    assert (status, json.loads(body)["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert b"other" in body


def outcome(call, data, told):
    """Return the code and the details of a call's end."""
    try:
        call(data, metadata=told, timeout=30)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def test_no_call_over_grpc_makes_the_emulator_fail(ask, emulator):
    """Every method, with an empty request and with one that is none of its messages."""
    with entered(emulator):
        channel = grpc.secure_channel(f"{HOST}:443", grpc.ssl_channel_credentials())
        told = (("authorization", f"Bearer {ask.token}"),)
        seen = set()
        for service in SERVICES:
            for name in service.methods:
                for data in (b"", b"\xff\xff\xff"):
                    call = channel.unary_unary(f"/{service.name}/{name}")
                    code, details = outcome(call, data, told)
                    seen.add(code)
                    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), (
                        name,
                        details,
                    )
        with pytest.raises(grpc.RpcError) as unknown:
            channel.unary_unary("/google.cloud.aiplatform.v1.NoSuch/Thing")(b"", metadata=told)
        with pytest.raises(grpc.RpcError) as nobody:
            channel.unary_unary(f"/{SERVICES[0].name}/GetPipelineJob")(b"")
        channel.close()
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert nobody.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED} <= seen


_CLIENT = f"""
import requests
from google.cloud import aiplatform, storage

aiplatform.init(project="{PROJECT}", location="us-central1")
job = aiplatform.PipelineJob(
    "walled", "pipeline.json", job_id="walled", pipeline_root="gs://{BUCKET}/walled"
)
job.submit()  # asks Resource Manager, whose address nothing overrides
aiplatform.pipeline_jobs._JOB_WAIT_TIME = 0.1
job.wait()
print(job.state.name)
print(len(list(storage.Client().list_blobs("{BUCKET}", prefix="walled/"))))
try:
    requests.get("https://elsewhere.example/")
except requests.exceptions.ProxyError:
    print("refused")
"""


def test_google_s_sdk_runs_a_pipeline_where_there_is_no_way_out(tmp_path):
    script = 'mkdir -p "$0"; echo x > "$0/x"'
    executors = {"make": container(script, "{{$.outputs.artifacts['out'].path}}")}
    (tmp_path / "pipeline.json").write_text(json.dumps(pipeline(executors, outputs=("make",))))
    done = without_a_way_out("vertex", _CLIENT, tmp_path)
    lines = done.stdout.splitlines()[-3:]
    assert lines == ["PIPELINE_STATE_SUCCEEDED", "1", "refused"], done.stdout
