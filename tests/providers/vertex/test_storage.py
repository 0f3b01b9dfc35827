"""Cloud Storage: Google's client over the JSON API, obstore over the XML API, one folder."""

import os

import obstore
import pytest
from google.api_core.exceptions import Conflict, NotFound, PreconditionFailed
from google.cloud import storage
from obstore.store import GCSStore

from tests.providers.vertex.emulated import BUCKET, PROJECT, entered


@pytest.fixture(scope="module", autouse=True)
def _entered(emulator):
    with entered(emulator):
        yield


@pytest.fixture(scope="module")
def client():
    return storage.Client(project=PROJECT)


@pytest.fixture(scope="module")
def bucket(client):
    held = client.bucket("suite-storage")
    held.versioning_enabled = True
    return client.create_bucket(held, location="us-central1")


@pytest.fixture(scope="module")
def store(bucket):
    return GCSStore(
        bucket.name, application_credentials=os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
    )


def test_what_one_way_writes_the_other_reads(bucket, store):
    bucket.blob("shared/a").upload_from_string("by JSON", content_type="text/plain")
    assert bytes(obstore.get(store, "shared/a").bytes()) == b"by JSON"
    obstore.put(store, "shared/b", b"by XML")
    assert bucket.blob("shared/b").download_as_bytes() == b"by XML"
    names = [one["path"] for one in obstore.list(store, "shared").collect()]
    assert names == ["shared/a", "shared/b"]
    listed = obstore.list_with_delimiter(store, "")
    assert "shared" in [str(one) for one in listed["common_prefixes"]]
    obstore.copy(store, "shared/b", "shared/c")
    obstore.delete(store, ["shared/a", "shared/b"])
    assert [one.name for one in bucket.list_blobs(prefix="shared/")] == ["shared/c"]
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "shared/a")


def test_preconditions_hold_both_ways(bucket, store):
    first = obstore.put(store, "once", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "once", b"2", mode="create")
    second = obstore.put(store, "once", b"2", mode={"version": first["version"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(store, "once", b"3", mode={"version": first["version"]})
    assert second["version"] > first["version"]
    blob = bucket.blob("once")
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("3", if_generation_match=0)
    blob.upload_from_string("3", if_generation_match=int(second["version"]))
    blob.metadata = {"a": "b"}
    blob.patch(if_metageneration_match=1)
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)
    assert bucket.get_blob("once").metageneration == 2
    old = bucket.blob("once", generation=int(first["version"]))
    assert old.download_as_bytes() == b"1"  # generations of a versioned bucket stay
    assert len(list(bucket.list_blobs(prefix="once", versions=True))) == 3


def test_large_objects_arrive_whole_by_every_way(bucket, store):
    data = os.urandom(9 * 2**20)
    blob = bucket.blob("large", chunk_size=2**20)  # resumable, in parts
    blob.upload_from_string(data)
    assert bucket.blob("large").download_as_bytes() == data
    assert bytes(obstore.get_range(store, "large", start=100, end=200)) == data[100:200]
    obstore.put(store, "larger", data, chunk_size=5 * 2**20, use_multipart=True)
    held = bucket.get_blob("larger")
    assert (held.size, held.download_as_bytes(start=5, end=9)) == (len(data), data[5:10])
    whole = bucket.blob("whole")
    whole.compose([bucket.blob("large"), bucket.blob("larger")])
    assert whole.download_as_bytes() == data * 2
    assert bucket.get_blob("whole").md5_hash is None  # composed objects have a CRC32C alone
    copied = bucket.copy_blob(held, bucket, "copied")
    assert (copied.crc32c, copied.generation) != (None, held.generation)
    token, done, _ = bucket.blob("rewritten").rewrite(held)
    assert (token, done) == (None, held.size)


def test_lists_come_in_pages_with_prefixes(bucket):
    for number in range(5):
        bucket.blob(f"pages/{number}/x").upload_from_string(str(number))
    held = bucket.client.list_blobs(bucket, prefix="pages/", delimiter="/", page_size=2)
    pages = [[*page] for page in held.pages]
    assert len(pages) == 3
    assert held.prefixes == {f"pages/{number}/" for number in range(5)}
    globbed = bucket.list_blobs(match_glob="pages/*/x", start_offset="pages/3")
    assert [one.name for one in globbed] == ["pages/3/x", "pages/4/x"]


def test_names_that_are_no_paths_are_objects_too(bucket):
    names = ["odd//name", "odd/", "odd/./x", "file", "file/below", "ü/ñ", "a b+c%2F?"]
    for name in names:
        bucket.blob(name).upload_from_string(name)
    for name in names:
        assert bucket.blob(name).download_as_text() == name
    assert {one.name for one in bucket.list_blobs()} >= set(names)
    bucket.blob("file").delete()
    assert bucket.blob("file/below").download_as_text() == "file/below"


def test_buckets_are_made_described_and_removed(client):
    held = client.bucket("suite-other")
    held.labels = {"a": "b"}
    client.create_bucket(held, location="europe-west4")
    with pytest.raises(Conflict):
        client.create_bucket("suite-other")
    shown = client.get_bucket("suite-other")
    assert (shown.location, shown.labels) == ("EUROPE-WEST4", {"a": "b"})
    assert shown.iam_configuration.uniform_bucket_level_access_enabled
    shown.default_kms_key_name = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    shown.patch()
    shown.blob("x").upload_from_string("x")
    assert shown.get_blob("x").kms_key_name == shown.default_kms_key_name
    with pytest.raises(Conflict):
        shown.delete()
    shown.delete_blobs(list(shown.list_blobs()))
    shown.delete()
    assert {one.name for one in client.list_buckets()} >= {BUCKET}
    with pytest.raises(NotFound):
        client.get_bucket("suite-other")
