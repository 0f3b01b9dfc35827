"""The emulator's key vaults: secrets and their versions, in the service's words."""

import json
import time

import pytest
from waterflow_azureml.emulator.preparing import DEFAULT

from tests.providers.azureml.wire import wired

GROUP = DEFAULT.id.partition("/providers/")[0]


@pytest.fixture(scope="module")
def wire():
    with wired() as connection:
        yield connection


def call(wire, method, path, body=b"", **query):
    return wire.json(method, path, body, host=wire.vault, api_version="7.4", **query)


def refusal(wire, method, path, body=b"", **query):
    return wire.refusal(method, path, body, host=wire.vault, **query)


def test_a_secret_is_set_read_changed_and_listed(wire):
    body = {"value": "one", "contentType": "text", "tags": {"a": "b"}}
    first = call(wire, "PUT", "/secrets/token", body)
    assert (first["value"], first["contentType"], first["tags"]) == ("one", "text", {"a": "b"})
    assert first["id"].startswith(f"https://{wire.vault}/secrets/token/")
    second = call(wire, "PUT", "/secrets/token", {"value": "two"})
    assert call(wire, "GET", "/secrets/token")["value"] == "two"
    assert call(wire, "GET", "/secrets/token/")["value"] == "two"
    version = first["id"].rpartition("/")[2]
    assert call(wire, "GET", f"/secrets/token/{version}")["value"] == "one"
    listed = call(wire, "GET", "/secrets/token/versions")["value"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert all("value" not in one for one in listed)
    assert [one["id"] for one in call(wire, "GET", "/secrets")["value"]] == [
        f"https://{wire.vault}/secrets/token"
    ]
    changed = call(wire, "PATCH", f"/secrets/token/{version}", {"attributes": {"enabled": False}})
    assert changed["attributes"]["enabled"] is False
    assert refusal(wire, "GET", f"/secrets/token/{version}")[:2] == (403, "Forbidden")


def test_a_secret_that_is_over_is_not_read(wire):
    attributes = {"exp": int(time.time()) - 10}
    call(wire, "PUT", "/secrets/over", {"value": "x", "attributes": attributes})
    assert refusal(wire, "GET", "/secrets/over")[0] == 403


def test_what_is_deleted_can_come_back_until_it_is_purged(wire):
    call(wire, "PUT", "/secrets/deleted", {"value": "x"})
    gone = call(wire, "DELETE", "/secrets/deleted")
    assert gone["recoveryId"].endswith("/deletedsecrets/deleted")
    assert refusal(wire, "GET", "/secrets/deleted")[:2] == (404, "SecretNotFound")
    assert refusal(wire, "PUT", "/secrets/deleted", {"value": "y"})[:2] == (409, "Conflict")
    call(wire, "POST", "/deletedsecrets/deleted/recover")
    assert call(wire, "GET", "/secrets/deleted")["value"] == "x"
    call(wire, "DELETE", "/secrets/deleted")
    call(wire, "DELETE", "/deletedsecrets/deleted")
    assert call(wire, "PUT", "/secrets/deleted", {"value": "y"})["value"] == "y"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/secrets/bad_name", {"value": "x"}, 400),
        ("PUT", "/secrets/a", {}, 400),
        ("PUT", "/secrets/a", {"value": 3}, 400),
        ("PUT", "/secrets/a", {"value": "x", "more": 1}, 400),
        ("PUT", "/secrets/a", {"value": "x", "attributes": {"exp": True}}, 400),
        ("PUT", "/secrets/a", {"value": "x" * 25_601}, 400),
        ("GET", "/secrets/none", b"", 404),
        ("GET", "/secrets/none/versions", b"", 404),
        ("DELETE", "/secrets/none", b"", 404),
        ("GET", "/secrets?maxresults=100", b"", 400),
        ("GET", "/keys/a", b"", 501),
        ("POST", "/secrets/a/backup", b"", 501),
    ],
)
def test_what_the_service_refuses_is_refused(wire, method, path, body, status):
    assert refusal(wire, method, path, body)[0] == status


def test_many_secrets_come_in_pages(wire):
    where = f"{GROUP}/providers/Microsoft.KeyVault/vaults/many"
    made = wire.json("PUT", where, {"location": "eastus", "properties": {}})
    assert made["properties"]["vaultUri"] == "https://many.vault.azure.net/"
    host = "many.vault.azure.net"
    for number in range(30):
        wire.json("PUT", f"/secrets/s{number:02}", {"value": "x"}, host=host)
    answer = wire.json("GET", "/secrets", host=host)
    names = [one["id"] for one in answer["value"]]
    assert len(names) == 25
    status, _, text = wire.ask("GET", host, answer["nextLink"].removeprefix(f"https://{host}"))
    assert status == 200
    answer = json.loads(text)
    assert len(answer["value"]) == 5
    assert answer["nextLink"] is None
    wire.json("DELETE", where)
    assert wire.refusal("GET", "/secrets", host=host)[:2] == (404, "VaultNotFound")
