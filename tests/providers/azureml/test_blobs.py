"""Blobs of the emulator, by the clients that users have."""

import os
import time
from email.utils import formatdate

import obstore
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings
from azure.storage.filedatalake import DataLakeServiceClient
from obstore.auth.azure import AzureCredentialProvider
from obstore.store import AzureStore
from waterflow_azureml.emulator.datastores import key
from waterflow_azureml.emulator.preparing import DEFAULT

from tests.providers.azureml.wire import pointed, wired

GROUP = DEFAULT.id.partition("/providers/")[0]
PLAIN, VERSIONED, LAKE = "waterflowplain", "waterflowversions", "waterflowlake"


@pytest.fixture(scope="module")
def wire():
    """An emulator with three storage accounts, to which this process's SDKs are pointed."""
    with wired() as connection, pointed(connection.emulator):
        for name, more in ((PLAIN, {}), (VERSIONED, {}), (LAKE, {"isHnsEnabled": True})):
            where = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"
            connection.json("PUT", where, {"location": "eastus", "properties": more})
        where = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{VERSIONED}"
        service = {"properties": {"isVersioningEnabled": True}}
        connection.json("PUT", f"{where}/blobServices/default", service)
        yield connection


@pytest.fixture(scope="module")
def credential(wire):
    return DefaultAzureCredential()


def service(account, credential):
    return BlobServiceClient(f"https://{account}.blob.core.windows.net", credential=credential)


@pytest.fixture(scope="module")
def container(credential):
    return service(PLAIN, credential).create_container("data")


@pytest.fixture(scope="module")
def store(container, credential):
    provider = AzureCredentialProvider(credential)
    return AzureStore("data", account_name=PLAIN, credential_provider=provider)


def test_a_blob_is_given_back_as_it_was_put(container):
    blob = container.get_blob_client("a/b c+ä.txt")
    settings = ContentSettings("text/plain", cache_control="no-store", content_language="en")
    blob.upload_blob(b"hello", metadata={"who": "me"}, content_settings=settings)
    held = blob.get_blob_properties()
    assert (held.size, held.metadata, held.blob_type) == (5, {"who": "me"}, "BlockBlob")
    assert held.content_settings.content_type == "text/plain"
    assert held.content_settings.cache_control == "no-store"
    assert blob.download_blob().readall() == b"hello"
    assert blob.download_blob(offset=1, length=3).readall() == b"ell"
    assert blob.download_blob(offset=3).readall() == b"lo"
    with pytest.raises(HttpResponseError, match="InvalidRange"):
        blob.download_blob(offset=9, length=1).readall()
    blob.set_blob_metadata({"who": "you"})
    blob.set_http_headers(ContentSettings("text/csv"))
    held = blob.get_blob_properties()
    assert (held.metadata, held.content_settings.content_type) == ({"who": "you"}, "text/csv")
    blob.delete_blob()
    with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
        blob.get_blob_properties()
    with pytest.raises(ResourceNotFoundError):
        blob.delete_blob()


def test_a_large_blob_is_put_and_read_in_blocks(credential, container):
    data = os.urandom(9_000_000)
    small = BlobServiceClient(
        f"https://{PLAIN}.blob.core.windows.net", credential=credential,
        max_single_put_size=1_000_000, max_block_size=2_000_000, max_single_get_size=1_000_000,
        max_chunk_get_size=2_000_000,
    )  # fmt: skip
    blob = small.get_blob_client("data", "large")
    blob.upload_blob(data, max_concurrency=3)
    assert blob.download_blob(max_concurrency=3).readall() == data
    committed, waiting = blob.get_block_list("all")
    assert ([block.size for block in committed], waiting) == ([2_000_000] * 4 + [1_000_000], [])


def test_blocks_wait_until_a_list_takes_them(container):
    blob = container.get_blob_client("blocks")
    blob.stage_block("b", b"two")
    blob.stage_block("a", b"one")
    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    assert {block.id for block in blob.get_block_list("uncommitted")[1]} == {"a", "b"}
    blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    assert blob.download_blob().readall() == b"onetwo"
    blob.stage_block("c", b"three")
    blob.commit_block_list([BlobBlock("b"), BlobBlock("c")])
    assert blob.download_blob().readall() == b"twothree"
    with pytest.raises(HttpResponseError, match="InvalidBlockList"):
        blob.commit_block_list([BlobBlock("a"), BlobBlock("never")])
    blob.stage_block_from_url("d", container.get_blob_client("blocks").url, 0, 3)
    blob.commit_block_list([BlobBlock("d")])
    assert blob.download_blob().readall() == b"two"


def test_an_append_blob_grows(container):
    blob = container.get_blob_client("log.txt")
    blob.create_append_blob()
    blob.append_block(b"one\n")
    assert blob.append_block(b"two\n")["blob_append_offset"] == "4"
    with pytest.raises(HttpResponseError, match="AppendPositionConditionNotMet"):
        blob.append_block(b"x", appendpos_condition=3)
    assert blob.download_blob().readall() == b"one\ntwo\n"


def test_who_saw_another_blob_is_held_off(container):
    blob = container.get_blob_client("conditions")
    blob.upload_blob(b"1")
    with pytest.raises(ResourceExistsError, match="BlobAlreadyExists"):
        blob.upload_blob(b"2")
    seen = blob.get_blob_properties().etag
    match = {"etag": seen, "match_condition": MatchConditions.IfNotModified}
    blob.upload_blob(b"2", overwrite=True, **match)
    for act in (
        lambda: blob.upload_blob(b"3", overwrite=True, **match),
        lambda: blob.set_blob_metadata({"a": "b"}, **match),
        lambda: blob.download_blob(**match).readall(),
        lambda: blob.delete_blob(**match),
        lambda: blob.commit_block_list([], **match),
    ):
        with pytest.raises(ResourceModifiedError, match="ConditionNotMet"):
            act()
    assert blob.download_blob().readall() == b"2"


def test_what_is_unchanged_is_not_sent_again(wire, container):
    blob = container.get_blob_client("unchanged")
    tag = blob.upload_blob(b"1")["etag"]
    host, where = f"{PLAIN}.blob.core.windows.net", "/data/unchanged"
    later = formatdate(time.time() + 60, usegmt=True)
    for headers in ({"If-None-Match": tag}, {"If-Modified-Since": later}):
        status, _, body = wire.ask("GET", host, where, headers=headers)
        assert (status, body) == (304, b"")
    earlier = {"If-Unmodified-Since": formatdate(time.time() - 60, usegmt=True)}
    assert wire.ask("GET", host, where, headers=earlier)[0] == 412
    assert wire.ask("GET", host, where, headers={"If-Match": '"x"'})[0] == 412
    assert wire.ask("GET", host, where, headers={"If-Modified-Since": "soon"})[0] == 400


def test_lists_are_by_prefix_and_delimiter_and_in_pages(container):
    for name in ("l/a/1", "l/a/2", "l/b", "l/b/3", "l/c", "m"):
        container.upload_blob(name, b"x", metadata={"n": "v"})
    names = [blob.name for blob in container.list_blobs("l/")]
    assert names == ["l/a/1", "l/a/2", "l/b", "l/b/3", "l/c"]
    walked = sorted(blob.name for blob in container.walk_blobs("l/"))
    assert walked == ["l/a/", "l/b", "l/b/", "l/c"]
    pages = container.list_blobs("l/", results_per_page=2, include=["metadata"]).by_page()
    listed = [[(blob.name, blob.metadata) for blob in one] for one in pages]
    assert [len(one) for one in listed] == [2, 2, 1]
    assert listed[2] == [("l/c", {"n": "v"})]


def test_a_container_is_made_once_described_and_removed(credential):
    client = service(PLAIN, credential)
    made = client.create_container("second", metadata={"a": "b"})
    with pytest.raises(ResourceExistsError, match="ContainerAlreadyExists"):
        client.create_container("second")
    assert made.get_container_properties().metadata == {"a": "b"}
    assert {one.name for one in client.list_containers("sec")} == {"second"}
    made.delete_container()
    assert not made.exists()
    with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
        made.upload_blob("a", b"")
    with pytest.raises(HttpResponseError, match="InvalidResourceName"):
        client.create_container("No_Such_Name")


@pytest.mark.parametrize("source", [PLAIN, VERSIONED])
def test_a_copy_is_made_in_the_cloud(wire, credential, container, source):
    origin = service(source, credential).get_container_client("data")
    if source == VERSIONED:
        origin.create_container()
    origin.upload_blob("origin", b"copied", metadata={"m": "1"}, overwrite=True)
    address = origin.get_blob_client("origin").url
    target = container.get_blob_client(f"copy-of-{source}")
    state = target.start_copy_from_url(address)
    # From another account it takes the service a while, as it may there.
    assert state["copy_status"] == ("success" if source == PLAIN else "pending")
    while target.get_blob_properties().copy.status == "pending":
        time.sleep(0.05)
    held = target.get_blob_properties()
    assert (held.copy.status, held.copy.source, held.metadata) == ("success", address, {"m": "1"})
    assert target.download_blob().readall() == b"copied"
    at_once = container.get_blob_client(f"at-once-{source}")
    at_once.start_copy_from_url(address, requires_sync=True)
    assert at_once.download_blob().readall() == b"copied"
    whole = container.get_blob_client(f"whole-{source}")
    whole.upload_blob_from_url(address)
    assert whole.download_blob().readall() == b"copied"
    only_new = {"x-ms-copy-source": address, "If-None-Match": "*"}
    host = f"{PLAIN}.blob.core.windows.net"
    assert wire.ask("PUT", host, f"/data/{whole.blob_name}", headers=only_new)[0] == 409
    with pytest.raises(ResourceNotFoundError, match="CannotVerifyCopySource"):
        target.start_copy_from_url(f"{address}-not-there")
    with pytest.raises(HttpResponseError, match="SourceConditionNotMet"):
        target.start_copy_from_url(
            address, source_etag='"x"', source_match_condition=MatchConditions.IfNotModified
        )


def test_versions_are_kept_where_they_are_enabled(credential):
    client = service(VERSIONED, credential).create_container("versions")
    blob = client.get_blob_client("v")
    first = blob.upload_blob(b"1")["version_id"]
    second = blob.upload_blob(b"2", overwrite=True)["version_id"]
    assert first < second
    assert blob.download_blob(version_id=first).readall() == b"1"
    assert blob.download_blob().readall() == b"2"
    listed = [(one.version_id, one.is_current_version or False) for one in
              client.list_blobs(include=["versions"])]  # fmt: skip
    assert listed == [(first, False), (second, True)]
    blob.delete_blob()
    assert [one.name for one in client.list_blobs()] == []
    assert blob.download_blob(version_id=second).readall() == b"2"
    again = client.get_blob_client("again")
    again.start_copy_from_url(f"{blob.url}?versionid={first}")
    assert again.download_blob().readall() == b"1"
    blob.delete_blob(version_id=first)
    with pytest.raises(ResourceNotFoundError):
        blob.download_blob(version_id=first)


def test_shared_keys_are_taken_unless_the_account_forbids_them(wire, container):
    signed = service(PLAIN, key(PLAIN)).get_container_client("data")
    signed.upload_blob("signed", b"x", overwrite=True)
    where = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/closed"
    body = {"location": "eastus", "properties": {"allowSharedKeyAccess": False}}
    wire.json("PUT", where, body)
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        service("closed", key("closed")).create_container("data")
    status, _, body = wire.raw("GET", f"{PLAIN}.blob.core.windows.net", "/data/signed")
    assert (status, b"NoAuthenticationInformation" in body) == (401, True)
    with pytest.raises(HttpResponseError, match="no storage account nobodys"):
        service("nobodys", key("nobodys")).create_container("data")


def test_obstore_reads_writes_and_races_as_against_azure(store):
    first = obstore.put(store, "o/1", b"one", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "o/1", b"two", mode="create")
    obstore.put(store, "o/1", b"two", mode={"e_tag": first["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(store, "o/1", b"three", mode={"e_tag": first["e_tag"]})
    assert obstore.get(store, "o/1").bytes() == b"two"
    assert obstore.get_range(store, "o/1", start=1, length=2) == b"wo"
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "o/none")
    large = os.urandom(12_000_000)
    obstore.put(store, "o/large", large, chunk_size=5_000_000)
    assert obstore.get(store, "o/large").bytes() == large
    obstore.copy(store, "o/1", "o/2")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.copy(store, "o/1", "o/2", overwrite=False)
    assert [one["path"] for one in obstore.list(store, "o").collect()] == ["o/1", "o/2", "o/large"]
    assert obstore.list_with_delimiter(store)["common_prefixes"]
    obstore.delete(store, ["o/1", "o/2", "o/large"])
    assert obstore.list(store, "o").collect() == []


def test_the_lakes_api_sees_the_same_containers(credential):
    lake = DataLakeServiceClient(f"https://{LAKE}.dfs.core.windows.net", credential=credential)
    system = lake.create_file_system("lake")
    file = system.create_directory("d/sub").create_file("f.txt")
    file.append_data(b"one", 0)
    file.append_data(b"two", 3)
    assert file.get_file_properties().size == 0
    file.flush_data(6)
    assert file.download_file().readall() == b"onetwo"
    with pytest.raises(HttpResponseError, match="InvalidFlushPosition"):
        file.append_data(b"x", 99)
    system.get_file_client("d/g.txt").upload_data(b"g", overwrite=True)
    listed = [(one.name, one.is_directory) for one in system.get_paths()]
    assert listed == [("d", True), ("d/g.txt", False), ("d/sub", True), ("d/sub/f.txt", False)]
    assert [one.name for one in system.get_paths("d", recursive=False)] == ["d/g.txt", "d/sub"]
    with pytest.raises(ResourceNotFoundError, match="PathNotFound"):
        list(system.get_paths("nowhere"))
    assert service(LAKE, credential).get_blob_client("lake", "d/g.txt").exists()
    system.get_file_client("d/g.txt").rename_file("lake/d/h.txt")
    assert not system.get_file_client("d/g.txt").exists()
    assert system.get_file_client("d/h.txt").download_file().readall() == b"g"
    assert system.get_directory_client("d").exists()
    system.get_directory_client("d").delete_directory()
    assert list(system.get_paths()) == []


def test_what_is_kept_is_there_after_a_restart(tmp_path):
    for number in (1, 2):
        with wired(state=tmp_path / "state") as wire, pointed(wire.emulator):
            client = service(wire.account, DefaultAzureCredential())
            if number == 1:
                made = client.create_container("kept")
                made.upload_blob("a", b"whole", metadata={"m": "1"})
                made.get_blob_client("b").stage_block("x", b"waiting")
                made.upload_blob("gone", os.urandom(10))
                made.delete_blob("gone")
            else:
                blob = client.get_blob_client("kept", "a")
                assert blob.download_blob().readall() == b"whole"
                assert blob.get_blob_properties().metadata == {"m": "1"}
                client.get_blob_client("kept", "b").commit_block_list([BlobBlock("x")])
                assert client.get_blob_client("kept", "b").download_blob().readall() == b"waiting"
    assert len(list((tmp_path / "state" / "blobs").glob("*/*"))) == 2, "bytes of no blob are left"
