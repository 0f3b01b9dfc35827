"""Whether somebody listens at a server's address is seen before MLflow is imported to ask it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.servers import free_port
from waterflow.errors import TrackingError
from waterflow.tracking.client import knock
from waterflow.tracking.waits import short_waits

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

NOBODY = """
import sys
from pathlib import Path
from waterflow.errors import TrackingError
from waterflow.tracking import lean
from waterflow.tracking.replay import Replayer

event = {"kind": "run.start", "execution": "one", "time": 1, "parameters": {}}
with lean.sparing():
    try:
        Replayer(sys.argv[1], "experiment").apply([event], Path())
    except TrackingError as error:
        print(error)
print("mlflow" in sys.modules)
"""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (RETRIES, *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


def test_nobody_is_told_without_mlflow() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, uri], capture_output=True, text=True, check=True
    )
    said, imported = done.stdout.splitlines()
    assert said.startswith(f"MLflow at {uri} could not be used: Connection refused. Nothing is")
    assert imported == "False"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_listens(scheme: str) -> None:
    with short_waits(), pytest.raises(TrackingError, match="could not be used: Connection refused"):
        knock(f"{scheme}://127.0.0.1:{free_port()}/of/mlflow")


def test_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        knock(f"http://127.0.0.1:{server.getsockname()[1]}")


LEFT: dict[str, tuple[dict[str, str], str]] = {
    "a proxy": ({"http_proxy": "http://127.0.0.1:1"}, "http://mlflow.invalid"),
    "a proxy for all": ({"all_proxy": "http://127.0.0.1:1"}, "https://mlflow.invalid"),
    "the user's own patience": ({RETRIES: "7"}, "http://127.0.0.1:1"),
    "a database": ({}, "sqlite:///127.0.0.1:1"),
    "a plug-in's": ({}, "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/one"),
    "no host": ({}, "http://"),
    "no port": ({}, "http://127.0.0.1:port"),
}


@pytest.mark.parametrize(("environment", "uri"), LEFT.values(), ids=LEFT.keys())
def test_the_rest_is_left_to_mlflow(
    environment: dict[str, str], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    knock(uri)
    with short_waits():
        knock(uri)


def test_a_host_that_needs_no_proxy_is_knocked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(TrackingError, match="Connection refused"):
        knock(f"http://127.0.0.1:{free_port()}")
