"""Remote conformance: requests fail, machines are missing or taken away, and steps die."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from waterflow.errors import StepFailed, UnsupportedFeatureError
from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import PATIENCE, RemoteProject

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow.provider.emulators import Emulator


class Watched(NamedTuple):
    """A run, and a user's command that watches it.

    Attributes:
        project: Its project.
        watcher: The command, which started it.
    """

    project: RemoteProject
    watcher: subprocess.Popen[str]


class Faults(RemoteBase):
    """What goes wrong, and how it is told."""

    @pytest.fixture(scope="class")
    @classmethod
    def hostile(cls) -> Iterator[Emulator]:
        """An emulator in which jobs meet the faults that the cloud names."""
        with cls.cloud.start(faults=cls.cloud.faulty_jobs) as running:
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def starved(
        cls, hostile: Emulator, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Watched]:
        """A run that takes its time to fail: started first, and looked at last."""
        with cls.cloud.pointing(hostile):
            project = RemoteProject(cls.cloud, tmp_path_factory.mktemp("starved") / "project")
            watcher = project.start_cli("run", "kit_runs.py:starved", "--run-id", "dry")
        with watcher:  # the test that reads its words may be another worker's
            yield Watched(project, watcher)
            watcher.kill()

    # --- machines -------------------------------------------------------------------------------

    def test_what_passes_is_waited_for(
        self, hostile: Emulator, starved: Watched, tmp_path: Path
    ) -> None:
        del starved
        with self.cloud.pointing(hostile):
            project = RemoteProject(self.cloud, tmp_path / "project")
            (tmp_path / "bell").touch()
            state = project.finish(project.submit("waiting", bell=str(tmp_path / "bell")))
            assert state.status is Status.SUCCEEDED

    def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(
        self, hostile: Emulator, tmp_path: Path
    ) -> None:
        with self.cloud.pointing(hostile):
            project = RemoteProject(self.cloud, tmp_path / "project")
            parameters: dict[str, Any] = {"rounds": 4, "place": str(tmp_path / "attempts")}
            if not project.provider.capabilities.spot:
                with pytest.raises(UnsupportedFeatureError):
                    project.submit("spotted", **parameters)
                return
            run = project.submit("spotted", **parameters)
            assert project.finish(run).status is Status.SUCCEEDED
            begun = [int(line) for line in (tmp_path / "attempts").read_text().split()]
            assert begun[0] == 0
            assert begun[1] > 0
            assert project.values(run)["learn"] == [str(begun[1]), "4"]

    # --- requests -------------------------------------------------------------------------------

    def test_nothing_is_lost_or_done_twice_when_requests_fail(self, tmp_path: Path) -> None:
        faults = self.cloud.faulty_requests
        with self.cloud.start(faults=faults) as running, self.cloud.pointing(running):
            project = RemoteProject(self.cloud, tmp_path / "project", poll=0.5)
            run, same = (project.submit("chain", {"run_id": "only"}, number=7) for _ in range(2))
            assert same.state.execution == run.state.execution
            assert project.finish(run).status is Status.SUCCEEDED
            assert project.values(run) == {"first": 8, "second": "one 8"}
            assert [line.text for line in run.logs()] == ["first → 7 ✓"]
            assert [state.run for state in project.provider.runs()] == ["only"]
            broken = project.submit("exiting")
            with pytest.raises(StepFailed, match="exits") as caught:
                broken.check(project.finish(broken))
            assert "going ✗" in caught.value.log_tail

    # --- what took its time ---------------------------------------------------------------------

    def test_no_machine_no_quota_and_no_image_are_told_in_the_service_s_words(
        self, hostile: Emulator, starved: Watched
    ) -> None:
        project, watcher = starved
        out, err = watcher.communicate(timeout=PATIENCE)
        assert watcher.returncode == 1, err
        with self.cloud.pointing(hostile):
            state = project.finish("dry")
            assert state.status is Status.FAILED
            assert state.steps["second"].status is Status.NOT_RUN
            faults = {"first": "capacity", "exits": "limit", "say": "image"}
            failed = [name for name in faults if state.steps[name].status is Status.FAILED]
            if project.provider.capabilities.keep_going:
                assert failed == list(faults)
            assert failed  # where nothing starts after a failure, others may not have come so far
            for name in failed:
                error = state.steps[name].error or ""
                assert self.cloud.words[faults[name]] in error
                assert error.splitlines()[0] in out
            url = state.steps[failed[0]].url or ""
            assert url.startswith(self.cloud.console)
            assert url in out
            with pytest.raises(StepFailed, match=self.cloud.words[faults[failed[0]]]) as caught:
                project.fresh("dry").check(state)
            assert caught.value.url == url
