"""Conformance of stores of outside data, those of the entry-point group `waterflow.stores`.

```python
from waterflow.testing import OutsideStore, StoreConformance

class MyStore(OutsideStore):
    ...

class TestMyStore(StoreConformance):
    @pytest.fixture
    def store(self):
        return MyStore()
```
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from waterflow import data
from waterflow.errors import ArtifactError, ConfigurationError, TransientError
from waterflow.testing.passage import passage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

ODD = ["a b.csv", "ü ñ 漢.csv", "50%25 off+1.csv", "q?x=1#y&z.csv", "tab\there", "'\"\\", ".hidden"]
"""Keys that are names of files, and that a careless way of writing addresses would change."""
BAD = ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a/..", "n" * 300]
"""Keys that no file below a folder can have."""


class OutsideStore(ABC):
    """An empty bucket in a store, made for one test; the environment points at the store.

    Attributes:
        name: The bucket's name.
        endpoint: The store's address, over http.
    """

    schemes: ClassVar[tuple[str, ...]]
    """The schemes of its addresses, the usual one first."""
    missing_bucket: ClassVar[str]
    """What is said of a bucket named no-such-bucket."""
    large: ClassVar[int] = 9 * 2**20
    """Bytes of an object that is brought in several parts."""
    page: ClassVar[int] = 1000
    """Objects on a page of a listing."""
    name: str
    endpoint: str

    @abstractmethod
    def put(self, key: str, body: bytes = b"1") -> None:
        """Write an object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object."""

    @abstractmethod
    def tag(self, key: str) -> str:
        """Return the tag by which the store tells an object's content, without quotes."""

    def mark(self, key: str) -> str:
        """Return what an object is pinned as: by its version where the bucket always has one."""
        return f"etag:{self.tag(key)}"

    @abstractmethod
    def through(self, url: str) -> dict[str, str]:
        """Return the variables by which clients send their requests to an address instead."""

    def uri(self, key: str = "", scheme: str | None = None) -> str:
        """Return the address of an object, or of all that a key begins."""
        return f"{scheme or self.schemes[0]}://{self.name}/{key}"

    def elsewhere(self, bucket: str) -> str:
        """Return the address of an object in another bucket; "" names none."""
        return f"{self.schemes[0]}://{bucket}/a.csv"

    def request(self, key: str) -> str:
        """Return what the request contains that reads an object's content."""
        return f"GET /{self.name}/{key}"


class VersionedStore(OutsideStore):
    """A bucket that can keep versions."""

    @abstractmethod
    def keep_versions(self) -> None:
        """Let the bucket keep every version from now on."""

    @abstractmethod
    def version(self, key: str) -> str:
        """Return the newest version of an object."""

    @abstractmethod
    def delete_version(self, key: str, version: str) -> None:
        """Remove a version for good."""


def files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder by their names from there."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


class StoreConformance:
    """What every store must do: `pin` tells what is there, `fetch` brings that or nothing."""

    @pytest.fixture
    def store(self) -> OutsideStore:
        """Return an empty bucket."""
        raise RuntimeError(f"{type(self).__name__} must define the fixture `store`")

    @pytest.fixture
    def pin(self, tmp_path: Path) -> Callable[[str], data.Pinned]:
        """Pin an address, as a submit does."""
        return lambda uri: data.pin(uri, tmp_path, tmp_path / "state")

    # --- one object -----------------------------------------------------------------------------

    def test_an_object_is_pinned_by_its_tag_and_fetched(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("raw/a.csv", b"1,2\n")
        for scheme in (*store.schemes, store.schemes[0].upper()):
            uri = store.uri("raw/a.csv", scheme)
            pinned = pin(uri)
            assert pinned == data.Pinned(uri, store.mark("raw/a.csv"), size=4)
            fetched = data.fetch(pinned, tmp_path / scheme)
            assert fetched == tmp_path / scheme / "a.csv"
            assert fetched.read_bytes() == b"1,2\n"

    def test_what_was_replaced_or_removed_is_not_fetched(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("a.csv", b"old")
        pinned = pin(store.uri("a.csv"))
        store.put("a.csv", b"new")
        changed = f"it was {pinned.version} and is {store.mark('a.csv')}"
        with pytest.raises(ArtifactError, match=changed):
            data.fetch(pinned, tmp_path / "out")
        store.delete("a.csv")
        with pytest.raises(ArtifactError, match="is gone"):
            data.fetch(pinned, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_large_object_comes_whole(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        body = os.urandom(1024) * (store.large // 1024) + b"the rest"
        store.put("large", body)
        pinned = pin(store.uri("large"))
        assert pinned.size == len(body)
        with data.fetch(pinned, tmp_path / "out").open("rb") as stream:
            assert hashlib.file_digest(stream, "sha256").digest() == hashlib.sha256(body).digest()

    def test_an_empty_object_is_an_empty_file(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("empty", b"")
        assert data.fetch(pin(store.uri("empty")), tmp_path / "out").read_bytes() == b""

    @pytest.fixture
    def replaced(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> Callable[[], Path]:
        """Fetches an object that is replaced once its body has been asked for."""

        def fetch() -> Path:
            store.put("a.csv", b"old")
            pinned = pin(store.uri("a.csv"))
            with passage(store.endpoint) as opened, pytest.MonkeyPatch.context() as patch:
                for name, value in store.through(opened.url).items():
                    patch.setenv(name, value)
                opened.hold(store.request("a.csv"), "before")
                with ThreadPoolExecutor(1) as pool:
                    fetching = pool.submit(data.fetch, pinned, tmp_path / "out")
                    assert opened.reached.wait(300)
                    store.put("a.csv", b"new")
                    opened.opened.set()
                    return fetching.result()

        return fetch

    def test_an_object_replaced_while_it_is_read_is_told(
        self, replaced: Callable[[], Path], tmp_path: Path
    ) -> None:
        with pytest.raises(ArtifactError, match="changed since it was pinned"):
            replaced()
        assert not (tmp_path / "out").exists()

    def test_a_body_that_breaks_off_is_asked_for_again(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        body = b"0123456789" * 1000
        store.put("a.csv", body)
        pinned = pin(store.uri("a.csv"))
        with _cutting(store, 2):
            assert data.fetch(pinned, tmp_path / "out").read_bytes() == body
        with _cutting(store, 99), pytest.raises(TransientError, match=pinned.uri):
            data.fetch(pinned, tmp_path / "never")
        assert not (tmp_path / "never").exists()

    # --- below a prefix -------------------------------------------------------------------------

    def test_a_prefix_is_pinned_by_all_its_objects(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        objects = {"raw/": b"", "raw/b.csv": b"b", "raw/deep/": b"", "raw/deep/a.csv": b"aa"}
        for key, body in {**objects, "raw-other/c.csv": b"c", "rawer": b"d"}.items():
            store.put(key, body)
        listing = {
            key.removeprefix("raw"): [store.mark(key), len(body)] for key, body in objects.items()
        }
        text = json.dumps(listing, sort_keys=True)
        version = f"listing:{hashlib.sha256(text.encode()).hexdigest()}"
        pinned = pin(store.uri("raw/"))
        assert pin(store.uri("raw")) == data.Pinned(store.uri("raw"), version, size=3)
        assert pinned == data.Pinned(store.uri("raw/"), version, size=3)
        fetched = data.fetch(pinned, tmp_path / "out")
        assert fetched.name == "raw"
        assert files(fetched) == {"b.csv": b"b", "deep/a.csv": b"aa"}
        store.put("raw/new.csv")
        with pytest.raises(ArtifactError, match=f"it was {version} and is listing:"):
            data.fetch(pinned, tmp_path / "again")

    def test_a_slash_tells_the_folder_from_the_object_of_that_name(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("raw", b"object")
        store.put("raw/a", b"inside")
        assert data.fetch(pin(store.uri("raw")), tmp_path / "object").read_bytes() == b"object"
        assert files(data.fetch(pin(store.uri("raw/")), tmp_path / "folder")) == {"a": b"inside"}

    def test_a_whole_bucket_is_a_folder(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("a")
        for uri in (store.uri(), store.uri().rstrip("/")):
            fetched = data.fetch(pin(uri), tmp_path / str(len(uri)))
            assert (fetched.name, files(fetched)) == (store.name, {"a": b"1"})

    def test_more_objects_than_a_page_has_are_all_there(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned]
    ) -> None:
        numbers = range(store.page + 5)
        with ThreadPoolExecutor(8) as pool:
            for put in [
                pool.submit(store.put, f"many/{number:04}", str(number).encode())
                for number in numbers
            ]:
                put.result()
        assert pin(store.uri("many/")).size == sum(len(str(n)) for n in numbers)

    @pytest.mark.parametrize("key", ODD)
    def test_odd_keys_are_files_of_that_very_name(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path, key: str
    ) -> None:
        body = key.encode()
        store.put(f"odd/{key}", body)
        folder = data.fetch(pin(store.uri("odd/")), tmp_path / "folder")
        assert folder.joinpath(key).read_bytes() == body
        single = data.fetch(pin(store.uri(f"odd/{key}")), tmp_path / "single")
        assert (single.name, single.read_bytes()) == (key, body)

    @pytest.mark.parametrize("key", BAD)
    def test_keys_that_no_file_can_have_are_refused(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path, key: str
    ) -> None:
        store.put(f"raw/{key}")
        with pytest.raises(ArtifactError, match="no file can be called"):
            pin(store.uri("raw/"))
        with pytest.raises(ArtifactError, match="no file can be called"):
            data.fetch(data.Pinned(store.uri("raw/")), tmp_path / "out")
        assert [file.name for file in tmp_path.iterdir()] == []

    def test_objects_that_mark_folders_are_folders(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        for key in ("raw/", "raw/empty/", "raw/a"):
            store.put(key, b"" if key.endswith("/") else b"1")
        fetched = data.fetch(pin(store.uri("raw")), tmp_path / "out")
        assert files(fetched) == {"a": b"1"}
        assert (fetched / "empty").is_dir()
        empty = data.fetch(pin(store.uri("raw/empty")), tmp_path / "none")
        assert list(empty.iterdir()) == []

    @pytest.mark.parametrize("below", ["a/b/c", "a/"])
    def test_an_object_with_others_below_it_is_refused(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned], below: str
    ) -> None:
        store.put("raw/a")
        store.put(f"raw/{below}", b"" if below.endswith("/") else b"1")
        with pytest.raises(ArtifactError, match=f"'a' is an object, and '{below}' lies below it"):
            pin(store.uri("raw/"))

    # --- what is not there ----------------------------------------------------------------------

    def test_what_is_not_there_is_named(
        self, store: OutsideStore, pin: Callable[[str], data.Pinned]
    ) -> None:
        store.put("empty/", b"")
        for key in ("none.csv", "none/", "empt"):
            with pytest.raises(ConfigurationError, match=f"{store.uri(key)} is not there"):
                pin(store.uri(key))
        with pytest.raises(ConfigurationError, match=store.missing_bucket):
            pin(store.elsewhere("no-such-bucket"))

    def test_an_address_without_a_bucket_is_told(self, store: OutsideStore, pin: Any) -> None:
        with pytest.raises(ConfigurationError, match="names no bucket"):
            pin(store.elsewhere(""))


class VersionedStoreConformance(StoreConformance):
    """What a store must do besides whose buckets can keep versions: its bucket is one of those."""

    @pytest.fixture
    def store(self) -> VersionedStore:
        """Return an empty bucket."""
        raise RuntimeError(f"{type(self).__name__} must define the fixture `store`")

    def test_a_version_is_fetched_whatever_came_after_it(
        self, store: VersionedStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.keep_versions()
        store.put("a.csv", b"old")
        version = store.version("a.csv")
        pinned = pin(store.uri("a.csv"))
        assert pinned.version == f"version:{version}"
        assert data.fetch(pinned, tmp_path / "newest").read_bytes() == b"old"
        store.put("a.csv", b"newer")
        assert pin(store.uri("a.csv")).version != pinned.version
        assert data.fetch(pinned, tmp_path / "replaced").read_bytes() == b"old"
        store.delete("a.csv")
        assert data.fetch(pinned, tmp_path / "removed").read_bytes() == b"old"
        store.delete_version("a.csv", version)
        with pytest.raises(ArtifactError, match="is gone"):
            data.fetch(pinned, tmp_path / "never")

    def test_a_pinned_tag_stands_when_the_bucket_begins_to_keep_versions(
        self, store: VersionedStore, pin: Callable[[str], data.Pinned], tmp_path: Path
    ) -> None:
        store.put("a.csv", b"old")
        pinned = pin(store.uri("a.csv"))
        store.keep_versions()
        assert pin(store.uri("a.csv")).version == pinned.version  # it has no version yet
        store.put("a.csv", b"old")
        assert data.fetch(pinned, tmp_path / "out").read_bytes() == b"old"
        store.put("a.csv", b"new")
        with pytest.raises(ArtifactError, match="changed since it was pinned"):
            data.fetch(pinned, tmp_path / "again")

    def test_a_version_replaced_while_it_is_read_is_still_had(
        self, store: VersionedStore, replaced: Callable[[], Path]
    ) -> None:
        store.keep_versions()
        assert replaced().read_bytes() == b"old"


@contextlib.contextmanager
def _cutting(store: OutsideStore, times: int) -> Generator[None]:
    """Let requests pass while the block runs, but break off within the first bodies."""
    left = itertools.count(times, -1)
    host = store.endpoint.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            inner = http.client.HTTPConnection(host, timeout=60)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None  # such as one for a token
            inner.request(self.command, self.path, body, dict(self.headers))
            reply = inner.getresponse()
            content = reply.read()
            inner.close()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "server", "date"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "GET" and next(left) > 0:
                content = content[: len(content) // 2]
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = _pass  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            address = f"http://127.0.0.1:{server.server_address[1]}"
            for name, value in store.through(address).items():
                patch.setenv(name, value)
            yield
        server.shutdown()
        thread.join()
