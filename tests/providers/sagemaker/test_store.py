"""Data in S3 through the public door: pinned, fetched as it was pinned, and told when it is not."""

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from tests.providers.sagemaker.runs_kit import door, pointed
from waterflow import data
from waterflow.errors import (
    ArtifactError,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    TransientError,
)

_NUMBERS = itertools.count(1)
PART = 64 * 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def _emulated(emulator):
    with pointed(emulator):
        yield


class Bucket:
    """A bucket of the test's own."""

    def __init__(self):
        self.s3 = boto3.client("s3")
        self.name = f"store-{os.getpid()}-{next(_NUMBERS)}"
        self.s3.create_bucket(Bucket=self.name)

    def put(self, key, body=b"1"):
        answer = self.s3.put_object(Bucket=self.name, Key=key, Body=body)
        return answer["ETag"].strip('"'), answer.get("VersionId")

    def versions(self, status="Enabled"):
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})

    def delete(self, key):
        self.s3.delete_object(Bucket=self.name, Key=key)

    def deny(self, action):
        statement = {
            "Effect": "Deny", "Principal": "*", "Action": action,
            "Resource": [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"],
        }  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def uri(self, key="", scheme="s3"):
        return f"{scheme}://{self.name}/{key}"


@pytest.fixture
def bucket(_emulated):
    return Bucket()


@pytest.fixture
def pin(tmp_path):
    return lambda uri: data.pin(uri, tmp_path, tmp_path / "state")


def etag(body):
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def files(folder):
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file()
    }


# --- one object -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["s3", "s3a", "S3"])
def test_an_object_is_pinned_by_its_etag_and_fetched(bucket, pin, tmp_path, scheme):
    bucket.put("raw/a.csv", b"1,2\n")
    uri = bucket.uri("raw/a.csv", scheme)
    found = pin(uri)
    assert found == data.Pinned(uri, f"etag:{etag(b'1,2' + bytes([10]))}", size=4)
    brought = data.fetch(found, tmp_path / "out")
    assert brought == tmp_path / "out" / "a.csv"
    assert brought.read_bytes() == b"1,2\n"


def test_what_was_replaced_or_removed_is_not_fetched(bucket, pin, tmp_path):
    bucket.put("a.csv", b"old")
    found = pin(bucket.uri("a.csv"))
    bucket.put("a.csv", b"new")
    with pytest.raises(ArtifactError, match=f"it was {found.version} and is etag:{etag(b'new')}"):
        data.fetch(found, tmp_path / "out")
    bucket.delete("a.csv")
    with pytest.raises(ArtifactError, match="is gone"):
        data.fetch(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_version_is_fetched_whatever_came_after_it(bucket, pin, tmp_path):
    bucket.versions()
    _, version = bucket.put("a.csv", b"old")
    found = pin(bucket.uri("a.csv"))
    assert found.version == f"version:{version}"
    assert data.fetch(found, tmp_path / "newest").read_bytes() == b"old"
    bucket.put("a.csv", b"newer")
    assert pin(bucket.uri("a.csv")).version != found.version
    assert data.fetch(found, tmp_path / "replaced").read_bytes() == b"old"
    bucket.delete("a.csv")
    assert data.fetch(found, tmp_path / "removed").read_bytes() == b"old"
    bucket.s3.delete_object(Bucket=bucket.name, Key="a.csv", VersionId=version)
    with pytest.raises(ArtifactError, match="is gone"):
        data.fetch(found, tmp_path / "never")


def test_a_pinned_etag_stands_when_the_bucket_begins_to_keep_versions(bucket, pin, tmp_path):
    bucket.put("a.csv", b"old")
    found = pin(bucket.uri("a.csv"))
    bucket.versions()
    assert pin(bucket.uri("a.csv")).version == found.version  # it has no version yet: "null"
    bucket.put("a.csv", b"old")
    assert data.fetch(found, tmp_path / "out").read_bytes() == b"old"
    bucket.put("a.csv", b"new")
    with pytest.raises(ArtifactError, match="changed since it was pinned"):
        data.fetch(found, tmp_path / "again")


def test_a_large_object_comes_in_parts(bucket, pin, tmp_path):
    body = os.urandom(1024) * (PART // 1024) + b"the rest"
    bucket.s3.put_object(Bucket=bucket.name, Key="large", Body=body)
    found = pin(bucket.uri("large"))
    assert found.size == len(body)
    brought = data.fetch(found, tmp_path / "out")
    with brought.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == hashlib.sha256(body).digest()


def test_an_empty_object_is_an_empty_file(bucket, pin, tmp_path):
    bucket.put("empty", b"")
    assert data.fetch(pin(bucket.uri("empty")), tmp_path / "out").read_bytes() == b""


@pytest.fixture
def replaced(bucket, pin, emulator, tmp_path):
    """Fetches an object that is replaced once its body has been asked for."""

    def fetch():
        bucket.put("a.csv", b"old")
        found = pin(bucket.uri("a.csv"))
        with door(emulator.endpoint) as held, pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", held.url)
            held.hold(f"GET /{bucket.name}/a.csv", "before")
            with ThreadPoolExecutor(1) as pool:
                fetching = pool.submit(data.fetch, found, tmp_path / "out")
                assert held.reached.wait(60)
                bucket.put("a.csv", b"new")
                held.open.set()
                return fetching.result()

    return fetch


def test_an_object_replaced_while_it_is_read_is_told(replaced, tmp_path):
    with pytest.raises(ArtifactError, match="changed since it was pinned"):
        replaced()
    assert not (tmp_path / "out").exists()


def test_a_version_replaced_while_it_is_read_is_still_had(bucket, replaced):
    bucket.versions()
    assert replaced().read_bytes() == b"old"


@contextlib.contextmanager
def cutting(endpoint, times):
    """Serve what a server does, but break off within the first bodies."""
    left = itertools.count(times, -1)

    class Handler(BaseHTTPRequestHandler):
        def _pass(self):
            inner = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=60)
            inner.request(self.command, self.path, None, dict(self.headers))
            reply = inner.getresponse()
            content = reply.read()
            inner.close()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "server", "date"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[: len(content) // 2] if next(left) > 0 else content)

        do_GET = do_HEAD = _pass  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
            yield
        server.shutdown()
        thread.join()


def test_a_body_that_breaks_off_is_asked_for_again(bucket, pin, emulator, tmp_path):
    bucket.put("a.csv", b"0123456789" * 1000)
    found = pin(bucket.uri("a.csv"))
    with cutting(emulator.endpoint, 2):
        assert data.fetch(found, tmp_path / "out").read_bytes() == b"0123456789" * 1000
    with cutting(emulator.endpoint, 99), pytest.raises(TransientError, match=found.uri):
        data.fetch(found, tmp_path / "never")
    assert not (tmp_path / "never").exists()


# --- below a prefix -------------------------------------------------------------------------------


def test_a_prefix_is_pinned_by_all_its_objects(bucket, pin, tmp_path):
    for key, body in {
        "raw/": b"", "raw/b.csv": b"b", "raw/deep/": b"", "raw/deep/a.csv": b"aa",
        "raw-other/c.csv": b"c", "rawer": b"d",
    }.items():  # fmt: skip
        bucket.put(key, body)
    listed = {
        "/": [f"etag:{etag(b'')}", 0],
        "/deep/": [f"etag:{etag(b'')}", 0],
        "/b.csv": [f"etag:{etag(b'b')}", 1],
        "/deep/a.csv": [f"etag:{etag(b'aa')}", 2],
    }
    text = json.dumps(listed, sort_keys=True)
    version = f"listing:{hashlib.sha256(text.encode()).hexdigest()}"
    for uri in (bucket.uri("raw"), bucket.uri("raw/")):
        found = pin(uri)
        assert found == data.Pinned(uri, version, size=3)
    brought = data.fetch(found, tmp_path / "out")
    assert brought.name == "raw"
    assert files(brought) == {"b.csv": b"b", "deep/a.csv": b"aa"}
    bucket.put("raw/new.csv")
    with pytest.raises(ArtifactError, match=f"it was {version} and is listing:"):
        data.fetch(found, tmp_path / "again")


def test_a_slash_tells_the_folder_from_the_object_of_that_name(bucket, pin, tmp_path):
    bucket.put("raw", b"object")
    bucket.put("raw/a", b"inside")
    assert data.fetch(pin(bucket.uri("raw")), tmp_path / "object").read_bytes() == b"object"
    assert files(data.fetch(pin(bucket.uri("raw/")), tmp_path / "folder")) == {"a": b"inside"}


def test_a_whole_bucket_is_a_folder(bucket, pin, tmp_path):
    bucket.put("a")
    for uri in (bucket.uri(), bucket.uri().rstrip("/")):
        brought = data.fetch(pin(uri), tmp_path / str(len(uri)))
        assert (brought.name, files(brought)) == (bucket.name, {"a": b"1"})


def test_more_objects_than_a_page_has_are_all_there(bucket, pin):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: bucket.put(f"many/{n:04}", str(n).encode()), range(1005)))
    assert pin(bucket.uri("many/")).size == sum(len(str(n)) for n in range(1005))


ODD = ["a b.csv", "ü ñ 漢.csv", "50%25 off+1.csv", "q?x=1#y&z.csv", "tab\there", "'\"\\", ".hidden"]


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_are_files_of_that_very_name(bucket, pin, tmp_path, key):
    body = key.encode()
    bucket.put(f"odd/{key}", body)
    assert (
        data.fetch(pin(bucket.uri("odd/")), tmp_path / "folder").joinpath(key).read_bytes() == body
    )
    single = data.fetch(pin(bucket.uri(f"odd/{key}")), tmp_path / "single")
    assert (single.name, single.read_bytes()) == (key, body)


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a/..", "n" * 300])
def test_keys_that_no_file_can_have_are_refused(bucket, pin, tmp_path, key):
    bucket.put(f"raw/{key}")
    with pytest.raises(ArtifactError, match="no file can be called"):
        pin(bucket.uri("raw/"))
    found = data.Pinned(bucket.uri("raw/"))
    with pytest.raises(ArtifactError, match="no file can be called"):
        data.fetch(found, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == []


def test_objects_that_mark_folders_are_folders(bucket, pin, tmp_path):
    for key in ("raw/", "raw/empty/", "raw/a"):
        bucket.put(key, b"" if key.endswith("/") else b"1")
    brought = data.fetch(pin(bucket.uri("raw")), tmp_path / "out")
    assert files(brought) == {"a": b"1"}
    assert (brought / "empty").is_dir()
    assert list(data.fetch(pin(bucket.uri("raw/empty")), tmp_path / "none").iterdir()) == []


@pytest.mark.parametrize("below", ["a/b/c", "a/"])
def test_an_object_with_others_below_it_is_refused(bucket, pin, below):
    bucket.put("raw/a")
    bucket.put(f"raw/{below}", b"1" if below == "a/b/c" else b"")
    with pytest.raises(ArtifactError, match=f"'a' is an object, and '{below}' lies below it"):
        pin(bucket.uri("raw/"))


# --- what goes wrong ------------------------------------------------------------------------------


def test_what_is_not_there_is_named(bucket, pin):
    bucket.put("empty/", b"")
    for key in ("none.csv", "none/", "empt"):
        with pytest.raises(ConfigurationError, match=f"{bucket.uri(key)} is not there"):
            pin(bucket.uri(key))
    with pytest.raises(ConfigurationError, match="there is no bucket 'no-such-bucket'"):
        pin("s3://no-such-bucket/a.csv")


@pytest.mark.parametrize(
    ("uri", "said"), [("s3:///a.csv", "names no bucket"), ("s3://a b/c", "is no name of a bucket")]
)
def test_what_cannot_be_a_bucket_is_told(pin, uri, said):
    with pytest.raises(ConfigurationError, match=said):
        pin(uri)


def test_a_refusal_names_the_data_and_the_action(bucket, pin, tmp_path):
    bucket.put("a.csv")
    found = pin(bucket.uri("a.csv"))
    bucket.deny("s3:GetObject")
    with pytest.raises(PermissionDeniedError, match=f"{found.uri}: s3:GetObject: .*403"):
        data.fetch(found, tmp_path / "out")
    bucket.deny("s3:HeadObject")  # to AWS it is s3:GetObject, too
    with pytest.raises(PermissionDeniedError, match=f"{found.uri}: s3:GetObject: .*403"):
        pin(found.uri)
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
        [sys.executable, "-c", LACKING], cwd=folder, capture_output=True, text=True, timeout=60,
        check=True, env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip
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
