"""Data in S3: what every store must do, and what AWS's own refusals and classes come to."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.providers.sagemaker.cloud import CLOUD
from waterflow import data
from waterflow.errors import (
    ArtifactError,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
)
from waterflow.testing import VersionedStore, VersionedStoreConformance

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def _emulated(emulator):
    with CLOUD.pointing(emulator):
        yield


class Bucket(VersionedStore):
    """A bucket of the test's own."""

    schemes = ("s3", "s3a")
    missing_bucket = "there is no bucket 'no-such-bucket'"
    large = 64 * 1024 * 1024

    def __init__(self, endpoint):
        self.endpoint, self.s3 = endpoint, boto3.client("s3")
        self.name = f"store-{os.getpid()}-{next(_NUMBERS)}"
        self.s3.create_bucket(Bucket=self.name)

    def put(self, key, body=b"1"):
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key):
        self.s3.delete_object(Bucket=self.name, Key=key)

    def tag(self, key):
        return self.s3.head_object(Bucket=self.name, Key=key)["ETag"].strip('"')

    def through(self, url):
        return {"AWS_ENDPOINT_URL": url}

    def keep_versions(self):
        self.s3.put_bucket_versioning(
            Bucket=self.name, VersioningConfiguration={"Status": "Enabled"}
        )

    def version(self, key):
        return self.s3.head_object(Bucket=self.name, Key=key)["VersionId"]

    def delete_version(self, key, version):
        self.s3.delete_object(Bucket=self.name, Key=key, VersionId=version)

    def deny(self, action):
        statement = {
            "Effect": "Deny", "Principal": "*", "Action": action,
            "Resource": [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"],
        }  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.endpoint)


@pytest.fixture
def pin(tmp_path):
    return lambda uri: data.pin(uri, tmp_path, tmp_path / "state")


class TestS3(VersionedStoreConformance):
    @pytest.fixture
    def store(self, bucket):
        return bucket


def test_what_cannot_be_a_bucket_is_told(pin):
    with pytest.raises(ConfigurationError, match="is no name of a bucket"):
        pin("s3://a b/c")


def test_a_refusal_names_the_data_and_the_action(bucket, pin, tmp_path):
    bucket.put("a.csv")
    pinned = pin(bucket.uri("a.csv"))
    bucket.deny("s3:GetObject")
    # It begins with HEAD, which is s3:GetObject too, and whose refusal has no words.
    with pytest.raises(PermissionDeniedError, match=f"{pinned.uri}: s3:GetObject: .*403"):
        data.fetch(pinned, tmp_path / "out")
    with pytest.raises(PermissionDeniedError, match=f"{pinned.uri}: s3:GetObject: .*403"):
        pin(pinned.uri)
    assert not (tmp_path / "out").exists()


def test_without_credentials_it_says_how_to_sign_in(bucket, pin, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AuthenticationError, match=f"{bucket.uri('a')}.*aws sso login"):
        pin(bucket.uri("a"))


def test_no_region_need_be_set(bucket, pin, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    bucket.put("a.csv")
    assert pin(bucket.uri("a.csv")).size == 1


def test_an_archived_object_is_told(bucket, pin, tmp_path):
    bucket.s3.put_object(Bucket=bucket.name, Key="old", Body=b"1", StorageClass="GLACIER")
    with pytest.raises(ArtifactError, match=r"is archived\. Restore it first"):
        data.fetch(pin(bucket.uri("old")), tmp_path / "out")


LACKING = """
import sys
from pathlib import Path
sys.modules["boto3"] = None
from waterflow import data
try:
    print(data.pin("s3://bucket/a.csv", Path(), Path()))
except ImportError as error:
    print(type(error).__name__, error)
"""


def lacking(folder):
    done = subprocess.run(
        [sys.executable, "-c", LACKING],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )
    return done.stdout


def test_without_boto3_the_extra_is_named(tmp_path):
    said = lacking(tmp_path)
    assert said.startswith("MissingDependencyError Data at s3://bucket/a.csv needs boto3")
    assert 'pip install "waterflow[sagemaker]"' in said


FILES = """
__version__ = "2026.1"

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import register_implementation


class S3FileSystem(MemoryFileSystem):
    protocol = "s3"
    store = {}
    pseudo_dirs = [""]

    def info(self, path, **_):
        return {"name": path, "type": "file", "size": 3, "ETag": '"by-fsspec"'}
"""


def test_without_boto3_the_library_of_fsspec_serves(tmp_path):
    Path(tmp_path, "s3fs.py").write_text(FILES)
    assert "version='etag:by-fsspec'" in lacking(tmp_path)
