"""Data in Azure's storage: what every store must do, and Azure's ways to write addresses."""

import http.client
import itertools
import os
from urllib.parse import quote

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobClient
from waterflow_azureml.addresses import BlobAddress, blob_address

from tests.providers.azureml.cloud import CLOUD, account, azure, container, datastore
from waterflow import data
from waterflow.errors import AuthenticationError, ConfigurationError
from waterflow.testing import OutsideStore, StoreConformance

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def emulator():
    with CLOUD.start() as running, CLOUD.pointing(running):
        yield running


class Container(OutsideStore):
    """A container of the test's own."""

    schemes = ("abfss", "abfs", "wasbs")
    missing_bucket = "there is no container 'no-such-bucket'"

    def __init__(self, endpoint):
        self.endpoint, self.name = endpoint, f"store-{os.getpid()}-{next(_NUMBERS)}"
        CLOUD.make_bucket(self.name)
        self.token = DefaultAzureCredential().get_token("https://storage.azure.com/.default").token

    def put(self, key, body=b"1"):
        # Clients of HTTP make other paths of those with dots and doubled slashes.
        client = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=60)
        headers = {
            "Host": f"{account()}.blob.core.windows.net",
            "Authorization": f"Bearer {self.token}",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": "2023-11-03",
        }
        client.request("PUT", f"/{self.name}/{quote(key)}", body, headers)
        assert client.getresponse().status == 201
        client.close()

    def blob(self, key) -> BlobClient:
        return container(self.name).get_blob_client(key)

    def delete(self, key):
        self.blob(key).delete_blob()

    def tag(self, key):
        return self.blob(key).get_blob_properties().etag.strip('"')

    def through(self, url):
        return CLOUD.through(url)

    def uri(self, key="", scheme=None):
        scheme = scheme or self.schemes[0]
        kind = "blob" if scheme == "wasbs" else "dfs"
        return f"{scheme}://{self.name}@{account()}.{kind}.core.windows.net/{key}"

    def elsewhere(self, bucket):
        return f"abfss://{bucket}@{account()}.dfs.core.windows.net/a.csv"


class TestAzure(StoreConformance):
    @pytest.fixture
    def store(self, emulator):
        return Container(emulator.endpoint)


@pytest.fixture
def pin(tmp_path):
    return lambda uri: data.pin(uri, tmp_path, tmp_path / "state")


def test_all_ways_to_write_an_address_lead_to_the_same(emulator, pin, tmp_path):
    store = Container(emulator.endpoint)
    store.put("raw/ü a.csv", b"1")
    host = f"{account()}.blob.core.windows.net"
    ways = [
        store.uri("raw/ü a.csv"),
        f"https://{host}/{store.name}/{quote('raw/ü a.csv')}",
        f"https://{host.replace('blob', 'dfs')}/{store.name}/{quote('raw/ü a.csv')}",
        f"azureml:/{azure().workspace}/datastores/{datastore(store.name)}/paths/raw/ü a.csv",
    ]
    pinned = [pin(uri) for uri in ways]
    assert {one.version for one in pinned} == {f"etag:{store.tag('raw/ü a.csv')}"}
    for number, one in enumerate(pinned):
        fetched = data.fetch(one, tmp_path / str(number))
        assert (fetched.name, fetched.read_bytes()) == ("ü a.csv", b"1")


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("abfss://c@acct.dfs.core.windows.net/a/b", BlobAddress("acct", "c", "a/b")),
        ("ABFSS://c@ACCT.dfs.core.windows.net/A", BlobAddress("acct", "c", "A")),
        ("wasbs://c@acct.blob.core.windows.net/", BlobAddress("acct", "c", "")),
        ("https://acct.blob.core.windows.net/c/a%20b", BlobAddress("acct", "c", "a b")),
        ("https://acct.dfs.core.windows.net/c", BlobAddress("acct", "c", "")),
        (
            "https://acct.blob.core.windows.net/c/a?versionid=2026-01-01T00:00:00.0000000Z",
            BlobAddress("acct", "c", "a", "2026-01-01T00:00:00.0000000Z"),
        ),
        ("https://acct.blob.core.windows.net/c/a?sv=1&sig=x", None),
        ("https://acct.blob.core.windows.net/", None),
        ("https://acct.example.org/c/a", None),
        ("abfss://acct.dfs.core.windows.net/a", None),
        ("s3://c/a", None),
    ],
)
def test_addresses_of_blobs(uri, address):
    assert blob_address(uri) == address


def test_a_datastore_without_its_workspace_is_told(emulator, pin):
    with pytest.raises(ConfigurationError, match=r"Write abfss://CONTAINER@ACCOUNT"):
        pin("azureml://datastores/raw/paths/a.csv")


def test_without_credentials_it_says_how_to_sign_in(emulator, pin, monkeypatch):
    store = Container(emulator.endpoint)
    store.put("a.csv")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(AuthenticationError, match=r"a\.csv.*az login"):
        pin(store.uri("a.csv"))
