import hashlib
from importlib import metadata
from pathlib import Path

import pytest

from waterflow.errors import ConfigurationError
from waterflow.packing import lockfile


def test_the_first_of_the_known_files_is_the_lock(tmp_path: Path) -> None:
    for name in reversed(lockfile.NAMES):
        (tmp_path / name).write_text(f"# {name}\n")
        lock = lockfile.read(tmp_path)
        assert lock.path == tmp_path / name
        assert lock.text == f"# {name}\n"
        assert lock.sha256 == hashlib.sha256(lock.text.encode()).hexdigest()


def test_without_a_lock_what_is_installed_is_written_down(tmp_path: Path) -> None:
    lock = lockfile.read(tmp_path)
    assert lock.path is None
    lines = lock.text.splitlines()
    assert f"pytest=={metadata.version('pytest')}" in lines
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert lockfile.read(tmp_path) == lock


def test_a_lock_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"requirements\.txt cannot be read"):
        lockfile.read(tmp_path)
