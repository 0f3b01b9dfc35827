"""Secrets as Google's own client keeps them, and as jobs then read them."""

from __future__ import annotations

import time

import google.auth
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import Request
from google.cloud import secretmanager_v1 as secretmanager
from waterflow_vertex.job import secrets

from tests.providers.vertex.emulated import PROJECT, entered

PARENT = f"projects/{PROJECT}"


@pytest.fixture(scope="module")
def vault(emulator):
    with entered(emulator):
        yield secretmanager.SecretManagerServiceClient(transport="rest")


def kept(vault, name, *values, **more):
    """Make a secret with a version for each value, and return its name."""
    secret = {"replication": {"automatic": {}}, **more}
    created = vault.create_secret(parent=PARENT, secret_id=name, secret=secret)
    for value in values:
        vault.add_secret_version(parent=created.name, payload={"data": value})
    return created.name


def disabled(vault, secret):
    vault.disable_secret_version(name=f"{secret}/versions/2")


def enabled_again(vault, secret):
    disabled(vault, secret)
    vault.enable_secret_version(name=f"{secret}/versions/2")


def destroyed(vault, secret):
    vault.destroy_secret_version(name=f"{secret}/versions/2")


def destroyed_before(vault, secret):
    vault.destroy_secret_version(name=f"{secret}/versions/1")


def deleted(vault, secret):
    vault.delete_secret(name=secret)


def as_it_is(vault, secret):
    del vault, secret


READ = {
    "the newest": (as_it_is, "{}", "two ✓"),
    "by its whole name": (as_it_is, f"{PARENT}/secrets/{{}}", "two ✓"),
    "a version": (as_it_is, f"{PARENT}/secrets/{{}}/versions/1", "one"),
    "an alias": (as_it_is, f"{PARENT}/secrets/{{}}/versions/old", "one"),
    "enabled again": (enabled_again, "{}", "two ✓"),
    "another destroyed": (destroyed_before, "{}", "two ✓"),
}
UNREAD = {
    "disabled": (disabled, "{}", "is in DISABLED state"),
    "destroyed": (destroyed, "{}", "is in DESTROYED state"),
    "deleted": (deleted, "{}", "HTTP 404"),
    "no such version": (as_it_is, f"{PARENT}/secrets/{{}}/versions/9", "HTTP 404"),
    "another's project": (as_it_is, "projects/elsewhere/secrets/{}", "HTTP 403"),
    "no name": (as_it_is, "{} or so", "HTTP 4"),
}


@pytest.fixture
def read(vault, monkeypatch):
    """Read as a job does whose service account asks as this process."""
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(Request())
    monkeypatch.setattr(secrets, "_tokens", {"": (credentials.token, time.time() + 600)})
    monkeypatch.setenv(secrets.PROJECT, PROJECT)
    return secrets.read


@pytest.mark.parametrize("case", READ)
def test_what_a_job_reads(vault, read, case):
    change, name, value = READ[case]
    secret = f"read-{list(READ).index(case)}"
    whole = kept(vault, secret, b"one", "two ✓".encode())
    vault.update_secret(
        secret={"name": whole, "version_aliases": {"old": 1}},
        update_mask={"paths": ["version_aliases"]},
    )
    change(vault, whole)
    assert read(name.format(secret)) == value


@pytest.mark.parametrize("case", UNREAD)
def test_what_no_job_can_read_is_told_by_its_name(vault, read, case):
    change, name, words = UNREAD[case]
    secret = f"unread-{list(UNREAD).index(case)}"
    change(vault, kept(vault, secret, b"one", b"two"))
    version = name.format(secret)
    with pytest.raises(RuntimeError, match=words) as raised:
        read(version)
    assert f"the job does not get the secret '{version}'" in str(raised.value)


def test_what_is_no_text_is_told(vault, read):
    kept(vault, "bytes", b"\xff\x00")
    with pytest.raises(RuntimeError, match="the secret 'bytes' is no text"):
        read("bytes")


def test_nothing_says_whose_a_secret_is(vault, read, monkeypatch):
    for name in (secrets.PROJECT, "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="which project the secret 'x' is in"):
        read("x")


def test_versions_are_listed_the_newest_first_in_pages(vault):
    whole = kept(vault, "many", *(b"x" * number for number in range(1, 13)))
    listed = vault.list_secret_versions(request={"parent": whole, "page_size": 5})
    pages = [[int(one.name.rpartition("/")[2]) for one in page.versions] for page in listed.pages]
    assert pages == [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1]]
    latest = vault.access_secret_version(name=f"{whole}/versions/latest")
    assert latest.payload.data == b"x" * 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret_id": "a b"}, "letters, digits"),
        ({"secret_id": "s" * 256}, "letters, digits"),
        ({"secret": {}}, "replication is required"),
        ({"parent": "projects/elsewhere"}, "may not exist"),
    ],
    ids=["name", "long", "replication", "project"],
)
def test_a_secret_that_cannot_be_is_refused(vault, change, words):
    request = {"parent": PARENT, "secret_id": "wrong", "secret": {"replication": {"automatic": {}}}}
    with pytest.raises(exceptions.ClientError, match=words):
        vault.create_secret(request={**request, **change})


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"data": b""}, "is required"),
        ({"data": b"x" * (64 * 1024 + 1)}, "larger than 65536 bytes"),
        ({"data": b"x", "data_crc32c": 1}, "data_crc32c"),
    ],
    ids=["nothing", "large", "torn"],
)
def test_a_version_that_cannot_be_is_refused(vault, payload, words):
    whole = kept(vault, f"refusing-{len(payload)}-{len(payload['data'])}")
    with pytest.raises(exceptions.BadRequest, match=words):
        vault.add_secret_version(parent=whole, payload=payload)
    with pytest.raises(exceptions.NotFound):
        vault.access_secret_version(name=f"{whole}/versions/latest")
