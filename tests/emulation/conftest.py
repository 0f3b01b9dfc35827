"""The toy cloud, found as an installed package is, and a plain client of it."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FINAL = {"completed", "failed", "stopped"}


@pytest.fixture(autouse=True, scope="module")
def _installed():
    """Let this process and those that it starts find the toy's package and its entry point."""
    folder = str(Path(__file__).parent / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        before = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, before])))
        yield


class Client:
    """Requests in JSON, by the standard library; no proxy of this machine's comes between."""

    def __init__(self, emulator):
        self.emulator = emulator
        environment = emulator.environment
        handlers = [urllib.request.ProxyHandler({"https": environment.get("HTTPS_PROXY", "")})]
        if "HTTPS_PROXY" not in environment:
            handlers = [urllib.request.ProxyHandler({})]
        if emulator.authorities:
            context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self.endpoint = environment["TOY_ENDPOINT"]
        self._opener = urllib.request.build_opener(*handlers)

    def __call__(self, method, path, body=None, timeout=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/{path}", data, method=method)
        try:
            with self._opener.open(request, timeout=timeout) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def start(self, name, command="true", **more):
        return self("POST", "jobs", {"name": name, "command": command, **more})

    def wait(self, name):
        return self.until(
            lambda: (job := self("GET", f"jobs/{name}")[1]).get("state") in FINAL and job
        )

    def until(self, condition, seconds=300):
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, "it does not come about"
            time.sleep(0.02)
        return value


@pytest.fixture
def client():
    return Client
