"""Fixtures that tests of several folders share."""

import gc
import os
import urllib.request

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import blank_store, server
from waterflow.emulation.door import RECORD
from waterflow.provider.emulators import SHARED

__all__ = ["blank_store", "server"]

# The libraries of all clouds lie in one process: to look through them for garbage takes its time.
gc.set_threshold(20_000, 20, 20)

_WAYS = [name for one in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (one, one.lower())]

# Each test has a project of its own: a helper for each would stay for ten minutes.
os.environ.setdefault("CI", "true")


def pytest_collection_finish():
    """Leave what all modules have imported out of each search for garbage, and of the last one."""
    gc.collect()
    gc.freeze()


# How long an example takes says what else the machine does.
settings.register_profile(
    "untimed",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _refused_hosts(tmp_path_factory):
    """Jobs of emulators may signal in the tests' own folders; all doors tell what they refuse.

    Returns:
        The file in which they tell it, a host a line.
    """
    folder = tmp_path_factory.getbasetemp()
    refused = folder / "refused-hosts"
    refused.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SHARED, os.pathsep.join(filter(None, [str(folder), os.environ.get(SHARED)])))
        patch.setenv(RECORD, str(refused))
        yield refused


@pytest.fixture(autouse=True)
def _nothing_leaves_this_machine(_refused_hosts):
    """No emulator refuses a host while a test runs, so that none would have been reached."""
    before = _refused_hosts.stat().st_size
    yield
    hosts = _refused_hosts.read_bytes()[before:].decode().split()
    assert not hosts, f"{len(hosts)} connections would have left this machine: {sorted(set(hosts))}"


@pytest.fixture(autouse=True, scope="module")
def _own_surroundings():
    """A module leaves no way to its emulators in the environment of those after it."""
    before = {name: os.environ.get(name) for name in _WAYS}
    yield
    left = {name: value for name in _WAYS if (value := os.environ.get(name)) != before[name]}
    assert not left, f"the environment was changed: {left}"


@pytest.fixture(autouse=True, scope="session")
def _tidy(pytestconfig):
    """No store keeps its files where the tests start, as MLflow's do that are told no place."""
    folder = pytestconfig.rootpath / "mlruns"
    before = folder.exists()
    yield
    assert before or not folder.exists(), f"{folder} was made by a test"


@pytest.fixture(autouse=True)
def _proxies():
    """Let urllib forget the proxies of its first request: an emulator's door ends with its test."""
    yield
    urllib.request.install_opener(None)
