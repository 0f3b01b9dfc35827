"""IAM as a landing zone uses it: accounts, custom roles, who has which where, and services."""

import google.auth
import pytest
from google.auth.transport.requests import AuthorizedSession

from tests.providers.vertex.emulated import BUCKET, PROJECT, entered

IAM = f"https://iam.googleapis.com/v1/projects/{PROJECT}"
SERVICES = f"https://serviceusage.googleapis.com/v1/projects/{PROJECT}/services"
SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"
EMAIL = f"a-robot@{PROJECT}.iam.gserviceaccount.com"
ACCOUNT = f"{IAM}/serviceAccounts/{EMAIL}"
ROLE = {"title": "Reader", "stage": "GA", "includedPermissions": ["storage.objects.get"]}
POLICY = {"bindings": [{"role": "roles/viewer", "members": [f"serviceAccount:{EMAIL}"]}]}


@pytest.fixture(scope="module")
def send(emulator):
    """Send a request as whoever uses the emulator; return the status and the body."""
    with entered(emulator):
        session = AuthorizedSession(google.auth.default()[0])

        def send(method, url, body=None, **query):
            answer = session.request(method, url, json=body, params=query)
            return answer.status_code, answer.json() if answer.content else {}

        yield send


def test_an_account_is_made_changed_and_removed(send):
    about = {"displayName": "A robot", "description": "of a test"}
    status, account = send(
        "POST", f"{IAM}/serviceAccounts", {"accountId": "a-robot", "serviceAccount": about}
    )
    assert (status, account["email"]) == (200, EMAIL)
    assert account.items() >= about.items()
    changed = {"serviceAccount": {"displayName": "Another"}, "updateMask": "display_name"}
    assert send("PATCH", ACCOUNT, changed)[1]["displayName"] == "Another"
    assert send("GET", ACCOUNT)[1]["description"] == "of a test"
    assert send("POST", f"{ACCOUNT}:setIamPolicy", {"policy": POLICY})[0] == 200
    assert send("POST", f"{ACCOUNT}:getIamPolicy", {})[1]["bindings"] == POLICY["bindings"]
    assert send("DELETE", ACCOUNT) == (200, {})
    assert send("GET", ACCOUNT)[0] == 404
    # An account of the same name is another one: nobody may act as it.
    assert send("POST", f"{IAM}/serviceAccounts", {"accountId": "a-robot"})[0] == 200
    assert "bindings" not in send("POST", f"{ACCOUNT}:getIamPolicy", {})[1]
    assert send("DELETE", ACCOUNT)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"accountId": "a-robot", "serviceAccount": {"nickname": "x"}},
        {"accountId": "a-robot", "serviceAccount": ["x"]},
        {"accountId": "r"},
        {},
    ],
)
def test_an_account_that_cannot_be_is_refused(send, body):
    assert send("POST", f"{IAM}/serviceAccounts", body)[0] == 400
    assert send("GET", ACCOUNT)[0] == 404


def test_a_deleted_role_keeps_its_id_until_it_is_had_back(send):
    roles, role = f"{IAM}/roles", f"{IAM}/roles/reader"
    status, held = send("POST", roles, {"roleId": "reader", "role": ROLE})
    assert (status, held["name"]) == (200, f"projects/{PROJECT}/roles/reader")
    (listed,) = send("GET", roles)[1]["roles"]
    assert "includedPermissions" not in listed, "a list without view=FULL has titles alone"
    (listed,) = send("GET", roles, view="FULL")[1]["roles"]
    assert listed.items() >= ROLE.items()
    more = {"includedPermissions": ["storage.objects.get", "storage.objects.list"]}
    assert send("PATCH", role, more, updateMask="includedPermissions")[1].items() >= more.items()
    assert send("DELETE", role)[1]["deleted"] is True
    assert send("GET", roles)[1] == {}
    assert len(send("GET", roles, showDeleted="true")[1]["roles"]) == 1
    assert send("POST", roles, {"roleId": "reader", "role": ROLE})[0] == 409
    assert [send(method, role, {})[0] for method in ("PATCH", "DELETE")] == [400, 400]
    assert send("POST", f"{role}:undelete", {})[1].items() >= (ROLE | more).items()
    assert send("POST", f"{role}:undelete", {})[0] == 400
    assert send("DELETE", role)[0] == 200


@pytest.mark.parametrize(
    "role",
    [
        {"includedPermissions": ["storage.*"]},
        {"includedPermissions": "storage.objects.get"},
        {"stage": "SOON"},
        {"title": 3},
        {"permissions": []},
    ],
)
def test_a_role_that_cannot_be_is_refused(send, role):
    assert send("POST", f"{IAM}/roles", {"roleId": "wrong", "role": role})[0] == 400
    assert send("GET", f"{IAM}/roles/wrong")[0] == 404


def test_who_has_a_role_goes_with_what_it_is_given_on(send):
    body = {"replication": {"automatic": {}}}
    assert send("POST", SECRETS, body, secretId="held")[0] == 200
    assert send("POST", f"{SECRETS}/held:setIamPolicy", {"policy": POLICY})[0] == 200
    assert send("GET", f"{SECRETS}/held:getIamPolicy")[1]["bindings"] == POLICY["bindings"]
    assert send("DELETE", f"{SECRETS}/held")[0] == 200
    assert send("POST", SECRETS, body, secretId="held")[0] == 200
    assert "bindings" not in send("GET", f"{SECRETS}/held:getIamPolicy")[1]
    assert send("DELETE", f"{SECRETS}/held")[0] == 200
    name = f"{BUCKET}-held"
    for bindings in (POLICY["bindings"], []):
        assert send("POST", BUCKETS, {"name": name}, project=PROJECT)[0] == 200
        if bindings:
            assert send("PUT", f"{BUCKETS}/{name}/iam", POLICY)[0] == 200
        assert send("GET", f"{BUCKETS}/{name}/iam")[1]["bindings"] == bindings
        assert send("DELETE", f"{BUCKETS}/{name}")[0] == 204


def test_a_service_is_enabled_and_disabled(send):
    sheets = f"{SERVICES}/sheets.googleapis.com"
    for verb, state in (("enable", "ENABLED"), ("disable", "DISABLED")):
        status, operation = send("POST", f"{sheets}:{verb}", {})
        assert (status, operation["done"]) == (200, True)
        assert send("GET", sheets)[1]["state"] == state
        enabled = send("GET", SERVICES, filter="state:ENABLED", pageSize=200)[1]["services"]
        assert (sheets.rpartition("/")[2] in {one["config"]["name"] for one in enabled}) == (
            state == "ENABLED"
        )
    assert send("POST", f"{SERVICES}/nonsense:enable", {})[0] == 400
