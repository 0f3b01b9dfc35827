"""The artifact folder: sealing, verifying, moving, and refusing what is not whole."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from waterflow import artifacts
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


def fill(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_one_file_has_the_digest_of_the_file_itself(tmp_path: Path):
    manifest = artifacts.seal(fill(tmp_path, value=b"water"), "bytes")
    assert manifest.sha256 == hashlib.sha256(b"water").hexdigest()
    assert manifest.size == 5
    assert json.loads((tmp_path / "manifest.json").read_bytes()) == {
        "version": 1,
        "type": "bytes",
        "sha256": manifest.sha256,
        "size": 5,
        "files": {"value": {"sha256": manifest.sha256, "size": 5}},
    }
    assert artifacts.verify(tmp_path) == artifacts.read(tmp_path) == manifest


def test_a_path_s_digest_depends_on_its_name(tmp_path: Path):
    one = artifacts.seal(fill(tmp_path / "1", a=b"x"), "path")
    other = artifacts.seal(fill(tmp_path / "2", b=b"x"), "path")
    assert one.sha256 != other.sha256
    files = {"a": {"sha256": hashlib.sha256(b"x").hexdigest(), "size": 1}}
    expected = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    assert one.sha256 == hashlib.sha256(expected).hexdigest()


def test_nested_files_are_listed_with_slashes_in_order(tmp_path: Path):
    fill(tmp_path / "b" / "c", z=b"1", a=b"2")
    fill(tmp_path, a=b"3")
    manifest = artifacts.seal(tmp_path, "path")
    assert list(manifest.files) == ["a", "b/c/a", "b/c/z"]
    assert manifest.size == 3


def test_sealing_again_changes_nothing(tmp_path: Path):
    first = artifacts.seal(fill(tmp_path, a=b"1"), "bytes")
    text = (tmp_path / "manifest.json").read_bytes()
    assert artifacts.seal(tmp_path, "bytes") == first
    assert (tmp_path / "manifest.json").read_bytes() == text


def test_a_large_file_is_hashed_whole(tmp_path: Path):
    content = os.urandom(3 << 20)
    manifest = artifacts.seal(fill(tmp_path, big=content), "bytes")
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    (tmp_path / "big").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match="altered 'big'"):
        artifacts.verify(tmp_path)


def test_an_empty_payload_is_an_artifact(tmp_path: Path):
    (tmp_path / "built").mkdir()
    sealed = artifacts.seal(tmp_path / "built", "path")
    assert artifacts.publish(tmp_path / "built", tmp_path / "target") == sealed
    assert artifacts.verify(tmp_path / "target").size == 0


def test_a_skipped_output_says_so(tmp_path: Path):
    manifest = artifacts.seal_skipped(tmp_path / "out", "dataframe")
    assert (tmp_path / "out" / "manifest.json").read_bytes() == (
        b'{"skipped":true,"type":"dataframe","version":1}'
    )
    assert artifacts.verify(tmp_path / "out") == manifest
    assert manifest.skipped
    assert manifest.sha256 is None


def test_a_folder_with_payload_is_not_skipped(tmp_path: Path):
    with pytest.raises(ArtifactError, match="it holds 'a'"):
        artifacts.seal_skipped(fill(tmp_path, a=b"1"), "bytes")


@pytest.mark.parametrize("place", ["", "deep"])
def test_a_symbolic_link_is_refused(tmp_path: Path, place: str):
    (tmp_path / "deep").mkdir()
    link = tmp_path / place / "link"
    link.symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match="link is a symbolic link"):
        artifacts.seal(tmp_path, "path")
    assert not (tmp_path / "manifest.json").exists()


def test_what_is_no_file_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="neither a file nor a folder"):
        artifacts.seal(tmp_path, "path")


def test_a_payload_called_like_the_manifest_is_refused(tmp_path: Path):
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(ArtifactError, match="Give the file another name"):
        artifacts.seal(tmp_path, "path")
    assert (tmp_path / "manifest.json").read_text() == '{"name": "a web app"}'


# --- what readers refuse -----------------------------------------------------------------------


def test_a_folder_without_manifest_is_refused(tmp_path: Path):
    for folder in (fill(tmp_path, value=b"half"), tmp_path / "nowhere"):
        with pytest.raises(ArtifactError, match="not a finished artifact"):
            artifacts.verify(folder)


def good(**changes: object) -> dict[str, object]:
    entry = {"sha256": hashlib.sha256(b"1").hexdigest(), "size": 1}
    document = {"version": 1, "type": "bytes", "files": {"a": entry}} | entry | changes
    return {key: value for key, value in document.items() if value is not ...}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ('{"version": 1', "not valid JSON"),
        ("[]", "not a manifest"),
        ("{}", "not a manifest"),
        (good(version=2), "version 2, and this release reads version 1"),
        (good(version="1"), "version '1'"),
        (good(type=...), "a field of it"),
        (good(files=...), "a field of it"),
        (good(files={"a": 3}), "a field of it"),
        (good(size=2), "a field of it"),
        (good(sha256="0" * 64), "does not follow"),
        (good(sha256=...), "does not follow"),
        (good(files={"../a": good()["files"]["a"]}), "a field of it"),  # type: ignore[index]
        (good(files={"/a": good()["files"]["a"]}), "a field of it"),  # type: ignore[index]
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, text: object, said: str):
    fill(tmp_path, a=b"1")
    (tmp_path / "manifest.json").write_text(text if isinstance(text, str) else json.dumps(text))
    for reader in (artifacts.read, artifacts.verify):
        with pytest.raises(ArtifactError, match=said) as caught:
            reader(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_good_manifest_of_these_cases_is_good(tmp_path: Path):
    (fill(tmp_path, a=b"1") / "manifest.json").write_text(json.dumps(good()))
    assert artifacts.verify(tmp_path).size == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "a").write_bytes(b"1!"), "altered 'a'"),
        (lambda folder: (folder / "a").write_bytes(b"2"), "altered 'a'"),
        (lambda folder: (folder / "a").unlink(), "missing 'a'"),
        (lambda folder: (folder / "b").write_bytes(b""), "not in the manifest 'b'"),
        (
            lambda folder: (folder / "a").rename(folder / "b"),
            "missing 'a'; not in the manifest 'b'",
        ),
    ],
)
def test_tampering_is_seen(tmp_path: Path, change, said: str):
    artifacts.seal(fill(tmp_path, a=b"1"), "bytes")
    change(tmp_path)
    with pytest.raises(ArtifactError, match=said):
        artifacts.verify(tmp_path)
    artifacts.read(tmp_path)


def test_tampering_with_a_skipped_output_is_seen(tmp_path: Path):
    artifacts.seal_skipped(tmp_path, "bytes")
    fill(tmp_path, a=b"1")
    with pytest.raises(ArtifactError, match="not in the manifest 'a'"):
        artifacts.verify(tmp_path)


# --- publish -----------------------------------------------------------------------------------


def test_publish_fills_an_existing_folder_and_empties_the_built_one(tmp_path: Path):
    built = fill(tmp_path / "built", a=b"1")
    fill(built / "deep", b=b"2")
    sealed = artifacts.seal(built, "path")
    target = tmp_path / "target"
    target.mkdir()
    before = target.stat().st_ino
    assert artifacts.publish(built, target) == sealed == artifacts.verify(target)
    assert target.stat().st_ino == before
    assert sorted(path.name for path in target.rglob("*")) == ["a", "b", "deep", "manifest.json"]
    assert not [path for path in built.rglob("*") if path.is_file()]


def test_publish_to_another_device_copies(tmp_path: Path):
    places = [type(tmp_path)(place) for place in ("/dev/shm", "/var/tmp", "/run", ".")]
    mine = tmp_path.stat().st_dev
    shared = next(place for place in places if place.is_dir() and place.stat().st_dev != mine)
    built = fill(tmp_path / "built", a=b"1", b=b"2")
    sealed = artifacts.seal(built, "path")
    target = shared / f"waterflow-test-{os.getpid()}"
    try:
        artifacts.publish(built, target)
        assert artifacts.verify(target) == sealed
        assert not (built / "a").exists()
    finally:
        subprocess.run(["rm", "-r", str(target)], check=True)


def test_publish_replaces_an_artifact(tmp_path: Path):
    target = tmp_path / "target"
    artifacts.seal(fill(target, old=b"1", same=b"2"), "path")
    fill(target / "deep", old=b"3")
    artifacts.seal(target, "path")
    sealed = artifacts.seal(fill(tmp_path / "built", same=b"4", new=b"5"), "path")
    artifacts.publish(tmp_path / "built", target)
    assert artifacts.verify(target) == sealed


def test_publish_refuses_what_is_not_sealed(tmp_path: Path):
    with pytest.raises(ArtifactError, match="not a finished artifact"):
        artifacts.publish(fill(tmp_path / "built", a=b"1"), tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_publish_touches_no_foreign_files(tmp_path: Path):
    artifacts.seal(fill(tmp_path / "built", a=b"1"), "bytes")
    home = fill(tmp_path / "home", thesis=b"years of work")
    with pytest.raises(ArtifactError, match="'thesis', which belongs to no artifact"):
        artifacts.publish(tmp_path / "built", home)
    (home / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(ArtifactError, match="belongs to no artifact"):
        artifacts.publish(tmp_path / "built", home)
    assert (home / "thesis").read_bytes() == b"years of work"


PUBLISH = """
import sys
from pathlib import Path
from waterflow.runtime import artifacts
print("ready", flush=True)
artifacts.publish(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("round_", range(6))
def test_a_killed_publish_leaves_nothing_that_is_read(tmp_path: Path, round_: int):
    many = {f"f{number}": str(number).encode() for number in range(3000)}
    target = tmp_path / "target"
    artifacts.seal(fill(target, old=b"1"), "path")
    sealed = artifacts.seal(fill(tmp_path / "built", **many), "path")
    child = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, str(tmp_path / "built"), str(target)],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    # Killed when it has moved so many files: at a different point each round.
    deadline = time.monotonic() + 20
    while sum(1 for _ in os.scandir(target)) < 500 * round_ and child.poll() is None:
        assert time.monotonic() < deadline
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    try:
        manifest = artifacts.verify(target)
    except ArtifactError as error:
        assert "not a finished artifact" in str(error)  # noqa: PT017
    else:
        assert manifest == sealed or list(manifest.files) == ["old"]
    again = artifacts.seal(fill(tmp_path / "again", **many), "path")
    artifacts.publish(tmp_path / "again", target)
    assert artifacts.verify(target) == again == sealed


def test_the_manifest_round_trips(tmp_path: Path):
    manifest = artifacts.seal(fill(tmp_path, **{"ä b": b"1", "c": b""}), "list[path]")
    assert artifacts.Manifest.from_json(manifest.to_json()) == manifest


def test_only_the_standard_library_is_imported():
    code = (
        "import sys; import waterflow.artifacts.folder, waterflow.artifacts.registry; "
        "print([m for m in sys.modules if m.partition('.')[0] in "
        "('numpy', 'pandas', 'pyarrow', 'polars', 'sklearn', 'skops', 'matplotlib', 'msgspec')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_name_of_outside_data_counts(tmp_path: Path) -> None:
    digests: set[str | None] = set()
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("the same")
        digests.add(artifacts.seal(tmp_path / name, "data").sha256)
        artifacts.verify(tmp_path / name)
    assert len(digests) == 2


def test_what_a_program_wrote_lies_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "manifest.json").write_text("the program's own")
    (folder / "b.txt").write_text("b")
    manifest = artifacts.seal_raw(folder, "path")
    assert set(manifest.files) == {"made/manifest.json", "made/b.txt"}
    artifacts.verify(folder)
    assert artifacts.entry(folder) == folder / "made"
    (tmp_path / "empty").mkdir()
    artifacts.seal_raw(tmp_path / "empty", "path")
    assert artifacts.entry(tmp_path / "empty") == tmp_path / "empty" / "empty"
    (tmp_path / "file").write_text("instead of a folder")
    artifacts.seal_raw(tmp_path / "file", "path")
    assert artifacts.entry(tmp_path / "file") == tmp_path / "file" / "file"
    with pytest.raises(ArtifactError, match="has left nothing"):
        artifacts.seal_raw(tmp_path / "none", "path")
