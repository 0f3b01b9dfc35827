import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from waterflow.data import Pinned, fetch, pin
from waterflow.errors import ArtifactError, ConfigurationError, MissingDependencyError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def settle(file: Path) -> None:
    """Make a file old enough to be remembered."""
    os.utime(file, ns=(10**18, 10**18))


# --- local ----------------------------------------------------------------------------------------


def test_a_local_file_is_pinned_by_its_content(root: Path, state: Path, tmp_path: Path) -> None:
    (root / "a.csv").write_bytes(b"1,2\n")
    for uri in ("a.csv", str(root / "a.csv"), (root / "a.csv").as_uri()):
        pinned = pin(uri, root, state)
        assert pinned == Pinned(uri, None, sha256(b"1,2\n"), 4, root / "a.csv")
    brought = fetch(pinned, tmp_path / "out" / "x")
    assert brought == tmp_path / "out" / "x" / "a.csv"
    assert brought.read_bytes() == b"1,2\n"


def test_a_folder_is_pinned_by_all_its_files(root: Path, state: Path, tmp_path: Path) -> None:
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "b.csv").write_bytes(b"b")
    (root / "data" / "deep" / "a.csv").write_bytes(b"aa")
    files = {
        "b.csv": {"sha256": sha256(b"b"), "size": 1},
        "deep/a.csv": {"sha256": sha256(b"aa"), "size": 2},
    }
    text = json.dumps(files, sort_keys=True, separators=(",", ":"))
    pinned = pin("data", root, state)
    assert (pinned.sha256, pinned.size) == (sha256(text.encode()), 3)
    brought = fetch(pinned, tmp_path / "out")
    assert (brought / "deep" / "a.csv").read_bytes() == b"aa"
    (root / "data" / "b.csv").rename(root / "data" / "c.csv")
    assert pin("data", root, state).sha256 != pinned.sha256


def test_an_unchanged_file_is_not_read_again(root: Path, state: Path) -> None:
    file = root / "a.csv"
    file.write_bytes(b"1")
    settle(file)
    assert pin("a.csv", root, state).sha256 == sha256(b"1")
    with closing(sqlite3.connect(state / "fingerprints.db")) as base, base:
        base.execute("UPDATE fingerprints SET sha256 = 'remembered'")
    assert pin("a.csv", root, state).sha256 == "remembered"
    file.write_bytes(b"22")
    assert pin("a.csv", root, state).sha256 == sha256(b"22")


def test_a_file_just_written_is_not_remembered(root: Path, state: Path) -> None:
    (root / "a.csv").write_bytes(b"1")
    pin("a.csv", root, state)
    with closing(sqlite3.connect(state / "fingerprints.db")) as base:
        assert base.execute("SELECT count(*) FROM fingerprints").fetchone() == (0,)


def test_a_change_that_keeps_size_and_time_is_seen(root: Path, state: Path) -> None:
    file = root / "a.csv"
    file.write_bytes(b"1")
    settle(file)
    pin("a.csv", root, state)
    file.write_bytes(b"2")
    settle(file)
    assert pin("a.csv", root, state).sha256 == sha256(b"2")


def test_a_damaged_store_of_digests_does_no_harm(root: Path, state: Path) -> None:
    state.mkdir()
    (state / "fingerprints.db").write_bytes(b"no database at all" * 100)
    (root / "a.csv").write_bytes(b"1")
    assert pin("a.csv", root, state).sha256 == sha256(b"1")


def test_a_missing_file_is_named_with_its_absolute_path(root: Path, state: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"looked at {root / 'no.csv'}"):
        pin("./no.csv", root, state)


def test_links_in_a_circle_and_broken_ones_are_refused(root: Path, state: Path) -> None:
    (root / "data").mkdir()
    (root / "data" / "again").symlink_to(root / "data")
    with pytest.raises(ConfigurationError, match="leads back"):
        pin("data", root, state)
    (root / "data" / "again").unlink()
    (root / "data" / "gone").symlink_to(root / "nowhere")
    with pytest.raises(ConfigurationError, match="broken link"):
        pin("data", root, state)


def test_what_changed_since_it_was_pinned_is_not_fetched(
    root: Path, state: Path, tmp_path: Path
) -> None:
    (root / "a.csv").write_bytes(b"1")
    pinned = pin("a.csv", root, state)
    (root / "a.csv").write_bytes(b"2")
    with pytest.raises(ArtifactError, match="changed since it was pinned"):
        fetch(pinned, tmp_path / "out")
    (root / "a.csv").unlink()
    with pytest.raises(ArtifactError, match="is gone"):
        fetch(pinned, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["root", "state"]


def test_an_empty_target_is_filled_and_a_full_one_not_touched(
    root: Path, state: Path, tmp_path: Path
) -> None:
    (root / "a.csv").write_bytes(b"1")
    pinned = pin("a.csv", root, state)
    (tmp_path / "out").mkdir()
    assert fetch(pinned, tmp_path / "out") == tmp_path / "out" / "a.csv"
    with pytest.raises(ConfigurationError, match="holds something already"):
        fetch(pinned, tmp_path / "out")


@pytest.mark.parametrize("uri", ["ftp://host/x", "https://me:secret@host/x"])
def test_addresses_that_cannot_be_used_are_refused(root: Path, state: Path, uri: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        pin(uri, root, state)
    assert "secret" not in str(caught.value)


# --- http -----------------------------------------------------------------------------------------


class Site:
    """A real HTTP server on the loopback: pages by path, each with headers and a body."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[dict[str, str], bytes]] = {}
        self.refuse_head = False
        self.cut = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/a.csv")
                    self.end_headers()
                    return
                page = site.pages.get(self.path)
                if page is None or (site.refuse_head and not body):
                    self.send_error(404 if page is None else 405)
                    return
                headers, content = page
                self.send_response(200)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content[: len(content) - site.cut])

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def test_http_data_is_pinned_by_its_etag(
    site: Site, root: Path, state: Path, tmp_path: Path
) -> None:
    site.pages["/a.csv"] = ({"ETag": '"one"'}, b"1,2\n")
    pinned = pin(f"{site.url}/a.csv", root, state)
    assert pinned == Pinned(f"{site.url}/a.csv", 'etag:"one"', None, 4, None)
    assert fetch(pinned, tmp_path / "out").read_bytes() == b"1,2\n"
    site.pages["/a.csv"] = ({"ETag": '"two"'}, b"3,4\n")
    with pytest.raises(ArtifactError, match='changed since it was pinned: it was etag:"one"'):
        fetch(pinned, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_last_modified_stands_in_and_without_it_there_is_no_version(
    site: Site, root: Path, state: Path
) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    site.pages["/a.csv"] = ({"Last-Modified": when}, b"1")
    site.pages["/b.csv"] = ({}, b"1")
    assert pin(f"{site.url}/a.csv", root, state).version == f"last-modified:{when}"
    assert pin(f"{site.url}/b.csv", root, state).version is None


def test_redirects_and_servers_without_head_are_served(site: Site, root: Path, state: Path) -> None:
    site.pages["/a.csv"] = ({"ETag": '"one"'}, b"1")
    assert pin(f"{site.url}/moved", root, state).version == 'etag:"one"'
    site.refuse_head = True
    assert pin(f"{site.url}/a.csv", root, state).version == 'etag:"one"'


def test_a_body_cut_short_is_noticed(site: Site, root: Path, state: Path, tmp_path: Path) -> None:
    site.pages["/a.csv"] = ({"ETag": '"one"'}, b"1234")
    pinned = pin(f"{site.url}/a.csv", root, state)
    site.cut = 2
    with pytest.raises(ArtifactError, match="broke off"):
        fetch(pinned, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_address_that_answers_nothing_is_named(site: Site, root: Path, state: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"/no\.csv cannot be reached: .*404"):
        pin(f"{site.url}/no.csv", root, state)
    site.server.server_close()
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        pin(f"{site.url}/a.csv", root, state)


@pytest.mark.parametrize(("uri", "library"), [("gcs://b/k", "gcsfs"), ("az://c/k", "adlfs")])
def test_a_store_whose_library_is_missing_names_it(
    root: Path, state: Path, uri: str, library: str
) -> None:
    with pytest.raises(MissingDependencyError, match=f"pip install {library}"):
        pin(uri, root, state)


SHELF = """
from waterflow.data import Pinned


class Shelf:
    def __init__(self, uri):
        self.uri = uri

    def pin(self):
        return Pinned(self.uri, "version:7", size=3)

    def fetch(self, pinned, folder):
        (folder / "book").write_text(pinned.version)
        return "book"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install packages that name a store each."""

    def install(name: str, points: str, source: str = SHELF) -> None:
        place = tmp_path / "installed" / name
        (place / f"{name}-1.0.dist-info").mkdir(parents=True)
        (place / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        points = f"[waterflow.stores]\n{points}\n"
        (place / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(points)
        (place / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(place))

    yield install
    for name in ("wf_shelf", "wf_other"):
        sys.modules.pop(name, None)


def test_a_package_gives_a_store_for_a_scheme(
    package: Any, root: Path, state: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"'shelf' is not understood; file, .*, s3, .* are"
    ):
        pin("shelf://a/b", root, state)
    package("wf_shelf", "shelf = wf_shelf:Shelf\ngcs = wf_shelf:Shelf")
    for uri in ("shelf://a/b", "gcs://a/b"):  # before fsspec's
        pinned = pin(uri, root, state)
        assert pinned == Pinned(uri, "version:7", size=3)
        assert fetch(pinned, tmp_path / pinned.uri[:2]).read_text() == "version:7"


def test_a_package_whose_library_is_missing_names_it(package: Any, root: Path, state: Path) -> None:
    package("wf_shelf", "shelf = wf_shelf:Shelf", "import wf_no_such_library")
    with pytest.raises(MissingDependencyError, match="Data at shelf://a/b needs wf_no_such_libr"):
        pin("shelf://a/b", root, state)


def test_two_packages_for_a_scheme_are_refused(package: Any, root: Path, state: Path) -> None:
    package("wf_shelf", "shelf = wf_shelf:Shelf")
    package("wf_other", "shelf = wf_other:Shelf")
    with pytest.raises(ConfigurationError, match=r"shelf://: wf_\w+:Shelf and wf_\w+:Shelf"):
        pin("shelf://a/b", root, state)


# --- dvc ------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def track(root: Path, content: bytes) -> str:
    md5 = hashlib.md5(content).hexdigest()
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "a.csv.dvc").write_text(
        f"outs:\n- md5: {md5}\n  size: {len(content)}\n  hash: md5\n  path: a.csv\n"
    )
    return md5


def test_dvc_data_is_pinned_by_the_md5_at_a_revision(root: Path, state: Path) -> None:
    git(root, "init")
    old = track(root, b"old")
    git(root, "add", ".")
    git(root, "commit", "-m", "old")
    git(root, "tag", "v1")
    new = track(root, b"newer")
    pinned = pin("dvc://data/a.csv", root, state)
    assert (pinned.version, pinned.size, pinned.local) == (f"md5:{new}", 5, root / "data" / "a.csv")
    assert pin("dvc://data/a.csv@v1", root, state).version == f"md5:{old}"


def test_dvc_data_comes_from_the_cache_or_the_workspace(
    root: Path, state: Path, tmp_path: Path
) -> None:
    md5 = track(root, b"content")
    pinned = pin("dvc://data/a.csv", root, state)
    (root / "data" / "a.csv").write_bytes(b"content")
    assert fetch(pinned, tmp_path / "one").read_bytes() == b"content"
    (root / "data" / "a.csv").write_bytes(b"edited")
    cache = root / ".dvc" / "cache" / "files" / "md5" / md5[:2]
    cache.mkdir(parents=True)
    (cache / md5[2:]).write_bytes(b"content")
    brought = fetch(pinned, tmp_path / "two")
    assert brought.name == "a.csv"
    assert brought.read_bytes() == b"content"
    (cache / md5[2:]).write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="changed since it was pinned"):
        fetch(pinned, tmp_path / "three")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("dvc://data/none.csv", r"none\.csv\.dvc\. Next: dvc add data/none\.csv"),
        ("dvc://data/a.csv@nowhere", "at revision nowhere"),
        ("dvc://data/a.csv@--output=x", "write dvc://path"),
        ("dvc://../a.csv", "write dvc://path"),
        ("dvc://data/bad.csv", "names no md5"),
    ],
)
def test_what_dvc_does_not_track_is_named(root: Path, state: Path, uri: str, said: str) -> None:
    git(root, "init")
    track(root, b"1")
    (root / "data" / "bad.csv.dvc").write_text("outs: [{path: bad.csv}]\n")
    with pytest.raises(ConfigurationError, match=said):
        pin(uri, root, state)


@pytest.mark.parametrize(
    "uri",
    [
        "https://store.blob.core.windows.net/c/data.csv?sv=2024&sig=SECRETSIG",
        "https://bucket.s3.amazonaws.com/data.csv?X-Amz-Signature=SECRETSIG",
        "https://example.com/data.csv?access_token=SECRETSIG",
        "https://me:SECRETSIG@example.com/data.csv",
    ],
)
def test_an_address_that_holds_a_credential_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigurationError, match="holds a") as caught:
        pin(uri, tmp_path, tmp_path)
    assert "SECRETSIG" not in str(caught.value)


def test_a_folder_comes_under_its_own_name(root: Path, state: Path, tmp_path: Path) -> None:
    (root / "data" / "only").mkdir(parents=True)
    brought = fetch(pin("data/only", root, state), tmp_path / "out")
    assert brought == tmp_path / "out" / "only"
    assert brought.is_dir()
    assert not list(brought.iterdir())


def test_data_that_is_called_as_the_manifest_is_refused(
    root: Path, state: Path, tmp_path: Path
) -> None:
    (root / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="the name of the artifact's own manifest"):
        fetch(pin("manifest.json", root, state), tmp_path / "out")
    assert not (tmp_path / "out").exists()
