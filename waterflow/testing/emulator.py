r"""Conformance of emulators: what any emulator registered in the entry-point group must do.

```python
from waterflow.testing import EmulatorConformance

class TestMine(EmulatorConformance):
    name = "mine"
    operation = "CreateThing"
    make = "import mine, sys; mine.Client().create_thing(sys.argv[1])"
    show = "import mine; print(*mine.Client().list_things(), sep='\\n')"
    throttled, unavailable = "TooManyRequests", "ServiceUnavailable"
```
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import FAULTS, emulator, emulators

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.provider.emulators import Emulator

MARK = "WATERFLOW_CONFORMANCE"
"""The variable by which all processes of an emulator are known."""

_PATIENCE = 120.0

# Holds an emulator until it is killed, and says where it is.
_OWNER = """
import sys, time
from waterflow.provider.emulators import emulator
with emulator(sys.argv[1])() as running:
    print(running.endpoint, flush=True)
    time.sleep(600)
"""


class EmulatorConformance:
    """What every emulator must do.

    A subclass names the emulator and gives two programs in Python, run in a process of their own
    with the emulator's environment. They use the vendor's SDK as a user would, with its retries
    off; a request that is refused must let the program fail and tell the error's code or words.
    """

    name: ClassVar[str]
    """The emulator's name in the entry-point group."""
    operation: ClassVar[str]
    """The operation that `make` sends, as faults name it."""
    make: ClassVar[str]
    """A program that makes a thing named `sys.argv[1]` by one request."""
    show: ClassVar[str]
    """A program that prints the names of all such things, a line each, by one request."""
    throttled: ClassVar[str]
    """What the SDK's error says of a request that was one too many."""
    unavailable: ClassVar[str]
    """What it says of a request that the service failed to serve."""

    # --- its life -------------------------------------------------------------------------------

    def test_it_is_registered(self) -> None:
        assert self.name in emulators()

    def test_it_starts_and_ends_with_its_block_and_leaves_nothing(self) -> None:
        with _marked() as mark:
            with self._start() as running:
                assert running.ended() is None
                assert running.endpoint.startswith(("http://", "https://"))
                assert self._things(running) == []
                folders = _folders(running)
                assert _processes(mark)
            _until(lambda: not _processes(mark))
            assert not [folder for folder in folders if folder.exists()]

    def test_a_block_that_fails_ends_it_too(self) -> None:
        with _marked() as mark:
            with pytest.raises(KeyError), self._start():
                raise KeyError
            _until(lambda: not _processes(mark))

    def test_it_ends_when_its_owner_is_killed(self) -> None:
        with _marked() as mark:
            owner = subprocess.Popen(
                [sys.executable, "-c", _OWNER, self.name], stdout=subprocess.PIPE, text=True
            )
            try:
                assert owner.stdout is not None
                assert owner.stdout.readline().startswith("http")
                assert set(_processes(mark)) - {owner.pid}
            finally:
                owner.send_signal(signal.SIGKILL)
                owner.communicate(timeout=_PATIENCE)
            _until(lambda: not _processes(mark))

    # --- what it says ---------------------------------------------------------------------------

    def test_it_says_how_far_its_jobs_are_walled_in(self) -> None:
        with self._start() as running:
            assert running.isolation.strip()
            assert "\n" not in running.isolation

    def test_its_environment_points_at_it_and_what_misleads_is_unset(self) -> None:
        with self._start() as running:
            assert all(isinstance(value, str) for value in running.environment.values())
            assert not set(running.environment) & set(running.unset)
            self._make(running, "thing")
            outside = os.environ | dict.fromkeys(running.unset, "elsewhere")
            assert self._things(running, outside) == ["thing"]

    # --- what it keeps --------------------------------------------------------------------------

    def test_two_at_a_time_do_not_meet(self) -> None:
        with self._start() as one, self._start() as other:
            self._make(one, "here")
            self._make(other, "there")
            assert (self._things(one), self._things(other)) == (["here"], ["there"])

    def test_a_state_survives_a_restart(self, tmp_path: Path) -> None:
        with self._start(state=tmp_path / "state") as running:
            self._make(running, "kept")
        with self._start(state=tmp_path / "state") as running:
            assert self._things(running) == ["kept"]

    def test_without_a_state_nothing_is_kept(self) -> None:
        with self._start() as running:
            self._make(running, "gone")
        with self._start() as running:
            assert self._things(running) == []

    def test_two_cannot_have_one_state(self, tmp_path: Path) -> None:
        with (
            self._start(state=tmp_path),
            pytest.raises(ConfigurationError, match="another emulator uses this folder"),
            self._start(state=tmp_path),
        ):
            pass

    # --- faults ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("text", ["full-moon=1", "throttle", "throttle=2", "seed=x"])
    def test_a_wrong_fault_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            emulator(self.name)(faults=text)
        message = str(caught.value)
        assert message.startswith(f"--fault {text}")
        assert text.partition("=")[0] in message.partition(":")[2]

    def test_a_fault_that_is_not_there_lists_those_that_are(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            emulator(self.name)(faults="full-moon=1")
        listed = str(caught.value).partition("there are: ")[2].split(", ")
        assert set(listed) <= set(FAULTS)
        assert {"throttle", "error503", "lost"} <= set(listed)

    @pytest.mark.parametrize(
        ("fault", "words"), [("throttle", "throttled"), ("error503", "unavailable")]
    )
    def test_a_request_is_refused_in_the_vendor_s_words(self, fault: str, words: str) -> None:
        with self._start(faults=f"{fault}:{self.operation}=1") as running:
            done = self._run(running, self.make, "refused")
            assert done.returncode != 0
            assert getattr(self, words) in done.stderr
            assert self._things(running) == []

    def test_a_reply_is_lost_and_the_request_carried_out(self) -> None:
        with self._start(faults=f"lost:{self.operation}=1") as running:
            assert self._run(running, self.make, "carried-out").returncode != 0
            assert self._things(running) == ["carried-out"]

    def test_a_seed_makes_the_same_requests_meet_the_same_faults(self) -> None:
        faults = f"throttle:{self.operation}=0.5,seed=11"
        things: list[list[str]] = []
        for _ in range(2):
            with self._start(faults=faults) as running:
                for number in range(6):
                    self._run(running, self.make, f"thing-{number}")
                things.append(self._things(running))
        assert things[0] == things[1]

    # --- the command line -----------------------------------------------------------------------

    def test_a_command_runs_in_its_environment_and_gives_its_exit_code(
        self, tmp_path: Path
    ) -> None:
        with _marked() as mark:
            state = ["--state", str(tmp_path / "state")]
            done = self._emulate([*state, "--", sys.executable, "-c", self.make, "thing"], tmp_path)
            assert done.returncode == 0, done.stderr
            done = self._emulate([*state, "--", sys.executable, "-c", self.show], tmp_path)
            assert done.stdout.split() == ["thing"], done.stderr
            done = self._emulate(["--", "sh", "-c", "exit 7"], tmp_path)
            assert done.returncode == 7, done.stderr
            _until(lambda: not _processes(mark))

    def test_the_command_line_refuses_an_unknown_fault(self, tmp_path: Path) -> None:
        done = self._emulate(["--fault", "full-moon=1", "--", "true"], tmp_path)
        assert done.returncode == ConfigurationError.exit_code
        assert "there is no fault 'full-moon'" in done.stderr
        assert "Traceback" not in done.stderr

    # --- tools ----------------------------------------------------------------------------------

    def _start(self, **options: Any) -> Emulator:
        return emulator(self.name)(**options)

    def _run(
        self,
        running: Emulator,
        program: str,
        *arguments: str,
        outside: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            key: value
            for key, value in (os.environ if outside is None else outside).items()
            if key not in running.unset
        }
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=kept | running.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )

    def _make(self, running: Emulator, thing: str) -> None:
        done = self._run(running, self.make, thing)
        assert done.returncode == 0, done.stderr

    def _things(self, running: Emulator, outside: Mapping[str, str] | None = None) -> list[str]:
        done = self._run(running, self.show, outside=outside)
        assert done.returncode == 0, done.stderr
        return sorted(done.stdout.split())

    def _emulate(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "waterflow.cli", "emulate", self.name, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )


class _marked:  # noqa: N801 - it reads as a function
    """Marks what is started in the block, so that its processes can be found."""

    def __enter__(self) -> str:
        self._patch = pytest.MonkeyPatch()
        mark = uuid.uuid4().hex
        self._patch.setenv(MARK, mark)
        return mark

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def _processes(mark: str) -> list[int]:
    """Return the ids of the processes that were started under a mark."""
    proc = Path("/proc")
    if not proc.is_dir():
        pytest.skip("processes are found by /proc, which this system lacks")
    needle = f"{MARK}={mark}".encode()
    marked: list[int] = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                marked.append(int(entry.name))
        except OSError:  # it has ended, or is another user's
            continue
    return marked


def _folders(running: Emulator) -> list[Path]:
    """Return the folders of an emulator's own that its environment names."""
    paths = [Path(value) for value in running.environment.values() if value.startswith("/")]
    return [path for path in paths if path.is_file() and "waterflow-" in str(path)]


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
