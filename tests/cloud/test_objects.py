"""The profile's bucket: the same over every store, also when requests are refused or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from obstore.store import MemoryStore, S3Store

from waterflow.cloud.lease import Lease
from waterflow.cloud.objects import RETRIES, Bucket
from waterflow.errors import ProviderError
from waterflow.testing.passage import passage as passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from obstore.store import ObjectStore


def refused(operation: str, error: Exception) -> ProviderError:
    return ProviderError(f"{operation}: {error}", provider="test", operation=operation)


def s3(endpoint: str, bucket: str) -> ObjectStore:
    return S3Store(
        bucket,
        prefix="team/flows",
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="test",
        secret_access_key="test",
        client_options={"allow_http": True},
        retry_config=RETRIES,
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest, endpoint: str, tmp_path: Path) -> Bucket:
    if request.param == "memory":
        return Bucket(MemoryStore, "memory://team/flows", refused)
    name = f"objects-{abs(hash(tmp_path))}"
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).create_bucket(Bucket=name)
    return Bucket(lambda: s3(endpoint, name), f"s3://{name}/team/flows", refused)


def test_objects_are_written_read_listed_and_removed(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(b"0123456789" * 2_000_000)
    objects: dict[str, bytes | Path] = {
        "runs/a/one.json": b"1",
        "runs/a/deep/two é.json": b"22",
        "runs/ab/other": b"",
        "big": file,
    }
    bucket.put_all(objects)
    assert bucket.get("runs/a/one.json") == b"1"
    assert bucket.get("runs/a/none.json") is None
    assert bucket.exists("big")
    assert not bucket.exists("bi")
    assert bucket.missing(["big", "none", "runs/a/one.json", "none"]) == {"none"}
    assert dict(bucket.names("runs/a/")) == {"runs/a/one.json": 1, "runs/a/deep/two é.json": 2}
    bucket.download("runs/a/", tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "two é.json").read_bytes() == b"22"
    assert bucket.get("big") == file.read_bytes()
    bucket.put("runs/a/one.json", b"new")
    assert bucket.get("runs/a/one.json") == b"new"
    for _ in range(2):
        bucket.delete("runs/a/one.json")
    assert bucket.get("runs/a/one.json") is None


def test_addresses(bucket: Bucket) -> None:
    assert bucket.name(bucket.uri("runs/a")) == "runs/a"
    assert bucket.name("s3://another/team/flows/runs/a") is None
    assert bucket.name(bucket.uri().rstrip("/") + "-other/x") is None


def test_an_object_is_replaced_only_by_who_has_seen_it(bucket: Bucket) -> None:
    tag = bucket.put_if("lease", b"one", None)
    assert tag is not None
    assert bucket.put_if("lease", b"two", None) is None
    assert not bucket.put_new("lease", b"two")
    later = bucket.put_if("lease", b"two", tag)
    assert later is not None
    assert bucket.put_if("lease", b"three", tag) is None
    assert bucket.put_if("nothing", b"three", tag) is None
    stored = bucket.read("lease")
    assert stored is not None
    assert (stored.content, stored.tag.strip('"')) == (b"two", later.strip('"'))
    assert -1 <= stored.age < 60
    assert bucket.read("nothing") is None


def test_what_was_written_already_by_a_lost_request_counts_as_written(bucket: Bucket) -> None:
    assert bucket.put_new("record", b"mine")
    assert bucket.put_new("record", b"mine")
    assert not bucket.put_new("record", b"theirs")


@pytest.mark.parametrize("loses", [1, 3])
def test_replies_that_are_lost_are_asked_for_again(endpoint: str, loses: int) -> None:
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).create_bucket(Bucket=f"lossy-{loses}")
    with passing(endpoint) as passage:
        bucket = Bucket(lambda: s3(passage.url, f"lossy-{loses}"), "s3://lossy", refused)
        passage.lose("PUT ", loses)
        assert bucket.put_new("record", b"mine")
        passage.lose("GET ", loses)
        assert bucket.get("record") == b"mine"
        passage.lose("HEAD ", loses)
        assert bucket.exists("record")
        assert sum(line.startswith("PUT") for line in passage.names) == loses + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda bucket: bucket.put("a", b""),
        lambda bucket: bucket.put_new("a", b""),
        lambda bucket: bucket.get("a"),
        lambda bucket: list(bucket.names("a")),
    ],
)
def test_a_bucket_that_is_not_there_is_told(endpoint: str, call: Callable[[Bucket], Any]) -> None:
    bucket = Bucket(lambda: s3(endpoint, "never-made"), "s3://never-made", refused)
    with pytest.raises(ProviderError, match="NoSuchBucket"):
        call(bucket)


def test_a_lease_is_held_by_one_machine(bucket: Bucket, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with Lease(bucket, "tracking/x.lease", here) as first:
        assert first.held
        with Lease(bucket, "tracking/x.lease", there) as second:
            assert not second.held
        with Lease(bucket, "tracking/x.lease", here) as again:
            assert not again.held, "another thread of this project is at it"
    with Lease(bucket, "tracking/x.lease", there) as later:
        assert later.held
    assert bucket.get("tracking/x.lease") is None


def test_what_a_process_of_this_project_left_is_its_own_again(
    bucket: Bucket, tmp_path: Path
) -> None:
    with Lease(bucket, "x.lease", tmp_path) as first:
        assert first.held
        left = bucket.get("x.lease")
        assert left is not None
    bucket.put("x.lease", left)  # as one that was killed leaves it
    with Lease(bucket, "x.lease", tmp_path / "other") as other:
        assert not other.held
    with Lease(bucket, "x.lease", tmp_path) as own:
        assert own.held
