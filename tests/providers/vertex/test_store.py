"""Data in Cloud Storage: what every store must do, and what generations bring."""

import itertools
import os
from urllib.parse import quote

import pytest
from waterflow_vertex.connections import STORAGE

from tests.providers.vertex.cloud import CLOUD, google, put
from waterflow import data
from waterflow.errors import AuthenticationError
from waterflow.testing import VersionedStore, VersionedStoreConformance

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def _emulated(emulator):
    with CLOUD.pointing(emulator), pytest.MonkeyPatch.context() as patch:
        patch.setattr("waterflow_vertex.store.PAGE", Bucket.page)
        yield


class Bucket(VersionedStore):
    """A bucket of the test's own."""

    schemes = ("gs",)
    missing_bucket = "there is no bucket 'no-such-bucket'"
    large = 65 * 2**20
    page = 20

    def __init__(self, endpoint):
        self.endpoint, self.name = endpoint, f"store-{os.getpid()}-{next(_NUMBERS)}"
        CLOUD.make_bucket(self.name)

    def put(self, key, body=b"1"):
        put(self.name, key, body)

    def _object(self, method, key, **query):
        url = f"{STORAGE}/storage/v1/b/{self.name}/o/{quote(key, safe='')}"
        return google().call(f"{method} object", method, url, query=query)

    def delete(self, key):
        self._object("DELETE", key)

    def tag(self, key):
        return self._object("GET", key)["etag"]

    def mark(self, key):
        return f"version:{self.version(key)}"

    def through(self, url):
        return CLOUD.through(url)

    def request(self, key):
        return f"GET /storage/v1/b/{self.name}/o/{key}?alt=media"

    def keep_versions(self):
        url = f"{STORAGE}/storage/v1/b/{self.name}"
        google().call("PatchBucket", "PATCH", url, {"versioning": {"enabled": True}})

    def version(self, key):
        return self._object("GET", key)["generation"]

    def delete_version(self, key, version):
        self._object("DELETE", key, generation=version)


class TestCloudStorage(VersionedStoreConformance):
    @pytest.fixture
    def store(self, emulator):
        return Bucket(emulator.endpoint)

    def test_a_pinned_tag_stands_when_the_bucket_begins_to_keep_versions(
        self, store, pin, tmp_path
    ):
        """A generation is had before and after, as it has one from the first on."""
        store.put("a.csv", b"old")
        pinned = pin(store.uri("a.csv"))
        store.keep_versions()
        assert pin(store.uri("a.csv")).version == pinned.version
        store.put("a.csv", b"new")
        assert data.fetch(pinned, tmp_path / "out").read_bytes() == b"old"


def test_without_credentials_it_says_how_to_sign_in(emulator, tmp_path, monkeypatch):
    store = Bucket(emulator.endpoint)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(AuthenticationError, match=r"a\.csv.*gcloud auth application-default"):
        data.pin(store.uri("a.csv"), tmp_path, tmp_path / "state")
