"""Tokens and secrets of a job's own service account, and MLflow's requests that bear them."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import google.auth
import pytest
from google.auth import impersonated_credentials
from google.oauth2.credentials import Credentials
from mlflow.tracking.request_auth.registry import fetch_auth
from requests import Request
from waterflow_vertex.job import mlflow_auth, secrets
from waterflow_vertex.managed_mlflow import MLFLOW

from waterflow.errors import ConfigurationError
from waterflow.tracking import client
from waterflow.tracking.managed import managed
from waterflow.tracking.store import resolve_uri

SERVER = "https://mlflow-x1-ew.a.run.app"


def token(audience, seconds=3600):
    """Return a token as Google's are: nobody here asks whether it is signed."""
    claims = {"aud": audience, "exp": int(time.time()) + seconds}
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=")
                    for one in parts) + ".x"  # fmt: skip


class Metadata(ThreadingHTTPServer):
    """A machine's metadata server, which counts what it is asked."""

    def __init__(self):
        self.asked, self.life, self.refusing = [], 3600, []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urlsplit(self.path)
        what, server = address.path.rpartition("/")[2], self.server
        server.asked.append(what)
        assert self.headers["Metadata-Flavor"] == "Google"
        if server.refusing:
            self.send_error(server.refusing.pop())
            return
        if what == "identity":
            (audience,) = parse_qs(address.query)["audience"]
            body = token(audience, server.life)
        else:
            body = json.dumps({"access_token": "t", "expires_in": server.life})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server(monkeypatch):
    with Metadata() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CLOUD_ML_JOB_ID", "1")
        monkeypatch.setattr(secrets, "_tokens", {})
        monkeypatch.setattr(mlflow_auth, "_tokens", {})
        monkeypatch.setattr(time, "sleep", lambda _: None)
        yield server
        server.shutdown()
        thread.join()


def signed(url):
    """Return the Authorization that MLflow's plug-in gives a request."""
    auth = fetch_auth("waterflow-google")
    return Request("GET", url, auth=auth).prepare().headers.get("Authorization")


def test_each_request_bears_a_token_that_is_good(server):
    first = signed(f"{SERVER}/api/2.0/mlflow/runs/search")
    assert first.startswith("Bearer ")
    assert signed(f"{SERVER}/health") == first
    assert server.asked == ["identity"]
    server.life = 30  # too little to be taken for the next
    secrets._tokens.clear()
    signed(SERVER)
    signed(SERVER)
    assert server.asked == ["identity"] * 3


@pytest.mark.parametrize(
    "url",
    ["https://mlflow.example.com/", "http://mlflow-x1-ew.a.run.app/", "https://run.app.evil.com/"],
)
def test_no_other_server_is_sent_a_token(server, url):
    assert signed(url) is None
    assert server.asked == []


def test_a_server_at_an_address_of_its_own_is_named(server, monkeypatch):
    monkeypatch.setenv(mlflow_auth.AUDIENCE, "other=x, mlflow.example.com=12.apps.example")
    bearer = signed("https://mlflow.example.com/api")
    claims = json.loads(base64.urlsafe_b64decode(bearer.split(".")[1] + "=="))
    assert claims["aud"] == "12.apps.example"


def test_the_metadata_server_may_be_slow_to_answer(server):
    server.refusing = [503, 429]
    assert secrets.token() == "t"
    assert secrets.token() == "t"
    assert server.asked == ["token"] * 3


def test_a_job_without_a_service_account_is_told(server):
    server.refusing = [404]
    with pytest.raises(RuntimeError, match="a token of its service account: HTTP 404"):
        secrets.token()


def test_a_person_is_known_by_who_signed_in(monkeypatch):
    monkeypatch.delenv("CLOUD_ML_JOB_ID", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(mlflow_auth, "_tokens", {})
    person = Credentials("t", id_token=token("google"))
    monkeypatch.setattr(person, "refresh", lambda _: None)
    monkeypatch.setattr(google.auth, "default", lambda: (person, None))
    assert signed(SERVER) == f"Bearer {person.id_token}"
    acting = impersonated_credentials.Credentials(person, "a@p.iam.gserviceaccount.com", [])
    monkeypatch.setattr(google.auth, "default", lambda: (acting, None))
    monkeypatch.setattr(mlflow_auth, "_tokens", {})
    own = impersonated_credentials.IDTokenCredentials
    monkeypatch.setattr(own, "refresh", lambda self, _: setattr(self, "token", token("acting")))
    claims = json.loads(base64.urlsafe_b64decode(signed(SERVER).split(".")[1] + "=="))
    assert claims["aud"] == "acting"


def test_who_has_not_signed_in_is_told_how(monkeypatch):
    monkeypatch.delenv("CLOUD_ML_JOB_ID", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(mlflow_auth, "_tokens", {})
    person = Credentials("t")
    monkeypatch.setattr(person, "refresh", lambda _: None)
    monkeypatch.setattr(google.auth, "default", lambda: (person, None))
    with pytest.raises(RuntimeError, match="gcloud auth application-default login"):
        signed(SERVER)


# --- how Waterflow knows such a server ------------------------------------------------------------


def test_a_server_on_cloud_run_is_known_by_its_address(tmp_path):
    assert managed(SERVER) is MLFLOW
    assert managed(f"{SERVER}:443/") is MLFLOW
    assert managed("https://mlflow.example.com") is None
    assert resolve_uri(SERVER, {}, tmp_path) == SERVER
    with pytest.raises(ConfigurationError, match="the address of a service on Cloud Run"):
        resolve_uri(f"{SERVER}/more/", {}, tmp_path)


@pytest.mark.parametrize(("before", "after"), [(None, "waterflow-google"), ("own", "own")])
def test_requests_to_it_are_signed_unless_the_user_signs_them(monkeypatch, before, after):
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", before or "")
    if before is None:
        monkeypatch.delenv("MLFLOW_TRACKING_AUTH")
    monkeypatch.setattr(client, "knock", lambda _: None)
    client.connect(SERVER)
    assert os.environ["MLFLOW_TRACKING_AUTH"] == after
