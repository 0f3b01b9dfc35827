"""A cloud of another package, on the middle storey: installed, found, and held to all suites."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from tests.third_party.installing import installed
from waterflow.provider import discovery
from waterflow.testing import (
    CloudProviderConformance,
    EmulatorConformance,
    OutsideStore,
    Refusal,
    Refused,
    RemoteCloud,
    RemoteConformance,
    StoreConformance,
)

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory):
    with installed("waterflow_toycloud", tmp_path_factory.mktemp("installed")) as place:
        yield place


def _put(path: str, body: bytes) -> None:
    from waterflow_toycloud.connections import request

    status, _, answer = request("PUT", quote(f"/objects/{path}"), body)
    assert status == 200, answer


class ToyCloud(RemoteCloud):
    name = "toycloud"
    requests: ClassVar = {
        "record": "/submissions/",
        "start": "StartExecution",
        "resume": "/retry",
        "stop": "/stop",
    }
    console = "https://console.toy.example"
    image, bare_image = "python:3.11", "bare"
    words: ClassVar = {"capacity": "NoMachine", "limit": "NoQuota", "image": "NoImage"}

    def request_name(self, method, path, headers):
        if (method, path) == ("POST", "/executions"):  # which begins other paths, too
            return "StartExecution"
        return super().request_name(method, path, headers)

    def through(self, url):
        return {"TOY_ENDPOINT": url}

    def refused(self, moment):
        assert moment == "start"
        answer = json.dumps({"code": "NotAllowed"}).encode()
        return Refused(Refusal(403, "application/json", answer), "StartExecution", "NotAllowed")

    def make_bucket(self, bucket):
        _put(bucket, b"")

    def profile(self, bucket, prefix) -> dict[str, Any]:
        return {
            "provider": "toycloud", "bucket": bucket, "prefix": prefix, "libraries": "image",
            "image": self.image, "python": "3.11", "poll": 0.1,
        }  # fmt: skip

    def uri(self, bucket, name):
        return f"toy://{bucket}/{name}"

    def write(self, uri, content):
        _put(uri.removeprefix("toy://"), content)

    def executions(self, prefix, pipeline):
        from waterflow_toycloud.connections import call

        listed = call("List", "GET", "/executions", query={"pipeline": f"{prefix}-{pipeline}"})
        return [one["id"] for one in listed["executions"]]


CLOUD = ToyCloud()


def test_it_is_an_installed_package(site):
    assert importlib.metadata.version("waterflow-toycloud") == "0.1.0"
    assert "toycloud" in discovery.providers()


class TestRemote(RemoteConformance):
    cloud = CLOUD

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, server):
        return server  # the session's


class TestProvider(CloudProviderConformance):
    cloud = CLOUD


class TestEmulator(EmulatorConformance):
    name = "toycloud"
    operation = "CreateJob"
    _send = (
        "import json, os, sys, urllib.request\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "def send(body=None):\n"
        "    data = None if body is None else json.dumps(body).encode()\n"
        "    return json.load(opener.open(os.environ['TOY_ENDPOINT'] + '/jobs', data))\n"
    )
    make = f"{_send}send({{'name': sys.argv[1], 'command': 'true'}})"
    show = f"{_send}print(*send()['jobs'], sep='\\n')"
    throttled, unavailable = "HTTP Error 429", "HTTP Error 503"


class Bucket(OutsideStore):
    schemes = ("toy",)
    missing_bucket = "there is no bucket 'no-such-bucket'"

    def __init__(self, endpoint):
        self.endpoint, self.name = endpoint, f"store-{os.getpid()}-{next(_NUMBERS)}"
        CLOUD.make_bucket(self.name)

    def put(self, key, body=b"1"):
        CLOUD.write(self.uri(key), body)

    def _ask(self, method, key):
        from waterflow_toycloud.connections import request

        return request(method, quote(f"/objects/{self.name}/{key}"))

    def delete(self, key):
        self._ask("DELETE", key)

    def tag(self, key):
        return self._ask("HEAD", key)[1]["etag"].strip('"')

    def through(self, url):
        return {"TOY_ENDPOINT": url}

    def request(self, key):
        return f"GET /objects/{self.name}/{key}"


class TestStore(StoreConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def running(cls):
        with CLOUD.start() as emulator, CLOUD.pointing(emulator):
            yield emulator

    @pytest.fixture
    def store(self, running):
        return Bucket(running.endpoint)
