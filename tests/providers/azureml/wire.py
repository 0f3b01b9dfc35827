"""An emulator's wire without TLS and proxies, for tests that send many requests to it."""

import contextlib
import http.client
import json
from urllib.parse import quote, urlencode, urlsplit

import pytest
from waterflow_azureml.emulator import Emulator
from waterflow_azureml.emulator.preparing import DEFAULT
from waterflow_azureml.emulator.routes import Scope

ARM = "management.azure.com"
API = "eastus.api.azureml.ms"
RESOURCES = {
    ARM: "https://management.azure.com",
    API: "https://management.azure.com",
    "blob": "https://storage.azure.com",
    "dfs": "https://storage.azure.com",
    "vault": "https://vault.azure.net",
}


class Wire:
    """One connection to an emulator, at whichever of the cloud's hosts."""

    def __init__(self, emulator, scope=None):
        place = urlsplit(emulator.endpoint)
        self._connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        self.emulator, self._tokens = emulator, {}
        properties = self.json("GET", Scope(*scope).id if scope else DEFAULT.id)["properties"]
        self.account = properties["storageAccount"].rpartition("/")[2]
        self.vault = f"{properties['keyVault'].rpartition('/')[2]}.vault.azure.net"
        self.blob = f"{self.account}.blob.core.windows.net"
        self.dfs = f"{self.account}.dfs.core.windows.net"

    def close(self):
        """End the connection."""
        self._connection.close()

    def token(self, host):
        kind = host if host in RESOURCES else host.split(".")[1]
        if kind not in RESOURCES:
            return None
        if kind not in self._tokens:
            variables = self.emulator.environment
            place = urlsplit(variables["MSI_ENDPOINT"])
            query = urlencode({"resource": RESOURCES[kind], "api-version": "2017-09-01"})
            _, _, body = self.raw(
                "GET", place.netloc, f"{place.path}?{query}",
                headers={"secret": variables["MSI_SECRET"]},
            )  # fmt: skip
            self._tokens[kind] = json.loads(body)["access_token"]
        return self._tokens[kind]

    def raw(self, method, host, target, body=b"", headers=None):
        """Return the status, the headers and the body."""
        self._connection.request(method, target, body, {"Host": host, **(headers or {})})
        reply = self._connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def ask(self, method, host, path, /, body=b"", headers=None, **query):
        """Send a request with the user's token."""
        version = {"api-version": query.pop("api_version", "2024-01-01")}
        text = urlencode({**query, **version} if "?" not in path else query)
        target = f"{path}?{text}" if text else path
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        token = self.token(host)
        own = {"Authorization": f"Bearer {token}"} if token else {}
        return self.raw(method, host, target, body, {**own, **(headers or {})})

    def json(self, method, path, /, body=b"", host=ARM, **query):
        """Send a request that must succeed, and return its answer."""
        status, _, text = self.ask(method, host, path, body, **query)
        assert status < 300, f"{method} {path}: {status} {text[:500]}"
        return json.loads(text) if text else None

    def refusal(self, method, path, /, body=b"", host=ARM, **query):
        """Send a request that must be refused, and return the status, the code and the message."""
        status, _, text = self.ask(method, host, path, body, **query)
        assert status >= 400, f"{method} {path}: {status} {text[:500]}"
        error = json.loads(text)["error"]
        return status, error["code"], error["message"]


@contextlib.contextmanager
def wired(**options):
    """Give an emulator and its wire while the block runs."""
    with Emulator(grace=0.5, **options) as emulator, contextlib.closing(Wire(emulator)) as wire:
        yield wire


@contextlib.contextmanager
def pointed(emulator):
    """Point this process's SDKs at an emulator while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in emulator.unset:
            patch.delenv(name, raising=False)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield


def path(kind):
    """Return the path of a part of the usual workspace."""
    return f"{DEFAULT.id}/{quote(kind)}"
