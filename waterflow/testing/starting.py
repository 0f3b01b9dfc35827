"""Remote conformance: runs are started once, and as they were sent, whoever is killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import pytest

from waterflow.errors import ConflictError, NotFoundError, ProviderError
from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.testing.remote_cloud import Moment

_MOMENTS: Final[Mapping[str, tuple[Moment, ...]]] = {
    "test_a_client_that_is_killed_is_followed_by_another": ("deploy", "record", "start"),
    "test_what_is_refused_leaves_nothing_and_the_id_free": ("deploy", "start"),
}
"""The moments that a test goes through, each in a test of its own; a cloud may lack some."""


class Starting(RemoteBase):
    """One id is one execution, whatever happens to clients and to replies."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give the tests of a moment the moments that the cloud has."""
        super().pytest_generate_tests(metafunc)
        if "moment" in metafunc.fixturenames:
            moments = _MOMENTS[metafunc.function.__name__]
            metafunc.parametrize("moment", [one for one in moments if one in self.cloud.requests])

    def test_one_id_is_one_execution(self, project: RemoteProject) -> None:
        runs = [project.submit("single", {"run_id": "mine_1.x"}) for _ in range(2)]
        other = project.copied()
        runs.append(other.submit("single", {"run_id": "mine_1.x"}))
        assert {run.state.execution for run in runs} == {runs[0].state.execution}
        assert project.finish(runs[0]).status is Status.SUCCEEDED
        assert len(project.executions("single")) == 1
        with pytest.raises(ConflictError, match="Choose another id"):
            project.submit("single", {"run_id": "mine_1.x"}, number=2)
        assert len(project.executions("single")) == 1

    def test_a_client_that_is_killed_is_followed_by_another(
        self, project: RemoteProject, pointing: Emulator, moment: Moment
    ) -> None:
        with self.passing(pointing) as passage:
            passage.hold(self.cloud.requests[moment], "after")
            client = project.start_cli(
                "submit",
                "kit_runs.py:single",
                "--run-id",
                "cut",
                through=self.cloud.through(passage.url),
            )
            # A killed client's request that was held is never served: it has no connection left.
            assert passage.reached.wait(300), client.communicate()
            os.kill(client.pid, signal.SIGKILL)
            client.communicate()
            if moment == "start":
                assert project.finish("cut").status is Status.SUCCEEDED
            else:
                with pytest.raises(NotFoundError, match=r"waterflow runs|--run-id cut"):
                    project.provider.status("cut")
            run = project.submit("single", {"run_id": "cut"})
            assert project.finish(run).status is Status.SUCCEEDED
            assert project.values(run) == {"first": 2}
            assert len(project.executions("single")) == 1
            assert [state.run for state in project.provider.runs()] == ["cut"]

    def test_replies_that_are_lost_start_nothing_twice(
        self,
        project: RemoteProject,
        pointing: Emulator,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with self.passing(pointing) as passage:
            for name, value in self.cloud.through(passage.url).items():
                monkeypatch.setenv(name, value)
            for request in self.cloud.requests.values():
                passage.lose(request)
            marker = tmp_path / "marker"
            run = project.submit("fragile", marker=str(marker))
            assert project.finish(run).status is Status.FAILED
            marker.touch()
            again = project.submit("waiting", bell=str(tmp_path / "bell"))
            resumes = project.provider.capabilities.resume
            run = project.submit(
                "fragile", {"resume": run.id} if resumes else None, marker=str(marker)
            )
            again.cancel()
            assert project.finish(again).status is Status.CANCELLED
            assert project.finish(run).status is Status.SUCCEEDED
            assert set(passage.unlost.values()) == {0}
            executions = [len(project.executions(name)) for name in ("fragile", "waiting")]
            assert executions == [1 if self.cloud.executions_go_on else 2, 1]

    def test_data_in_the_cloud_goes_to_jobs_without_passing_through_this_machine(
        self, project: RemoteProject, pointing: Emulator
    ) -> None:
        for name in ("raw/a.csv", "raw/deep/b.csv"):
            self.cloud.write(self.cloud.uri(project.bucket, name), b"x" * len(name))
        with self.passing(pointing) as passage, pytest.MonkeyPatch.context() as patch:
            for name, value in self.cloud.through(passage.url).items():
                patch.setenv(name, value)
            runs = [
                project.submit("measuring", source=self.cloud.uri(project.bucket, name))
                for name in ("raw", "raw/a.csv")
            ]
            seen = [name for name in passage.names if f"{project.bucket}/raw/" in name]
            assert not [name for name in seen if name.startswith("GET ")]
            assert [name for name in seen if name.startswith("HEAD ")]
        whole, single = (project.fresh(run.id) for run in runs)  # the passage is closed
        assert {project.finish(run).status for run in (whole, single)} == {Status.SUCCEEDED}
        assert project.values(whole) == {"measure": {"raw/a.csv": 9, "raw/deep/b.csv": 14}}
        assert project.values(single) == {"measure": {"a.csv": 9}}

    def test_what_starts_is_what_this_submit_wrote(
        self, project: RemoteProject, pointing: Emulator
    ) -> None:
        other = project.copied()
        other.change('VERSION = "one"', 'VERSION = "two"')
        with self.passing(pointing) as passage:
            passage.hold(self.cloud.requests["start"], "before")
            client = project.start_cli(
                "submit",
                "kit_runs.py:chain",
                "--run-id",
                "slow",
                through=self.cloud.through(passage.url),
            )
            assert passage.reached.wait(300), client.communicate()
            later = other.submit("chain", {"run_id": "quick"})
            passage.opened.set()
            out, err = client.communicate(timeout=300)
            assert (client.returncode, out) == (0, "slow\n"), err
        assert {project.finish(run).status for run in ("slow", later)} == {Status.SUCCEEDED}
        assert project.values(project.fresh("slow"))["second"] == "one 2"
        assert project.values(later)["second"] == "two 2"

    def test_two_that_submit_first_at_once_both_run(
        self, project: RemoteProject, pointing: Emulator
    ) -> None:
        other = project.copied()
        other.change('VERSION = "one"', 'VERSION = "two"')
        with self.passing(pointing) as passage:
            passage.hold(self.first_request(), "before")
            client = project.start_cli(
                "submit",
                "kit_runs.py:chain",
                "--run-id",
                "second",
                through=self.cloud.through(passage.url),
            )
            assert passage.reached.wait(300), client.communicate()
            other.submit("chain", {"run_id": "first"})
            passage.opened.set()
            _, err = client.communicate(timeout=300)
            assert client.returncode == 0, err
        assert {project.finish(run).status for run in ("first", "second")} == {Status.SUCCEEDED}
        assert project.values(project.fresh("second"))["second"] == "one 2"
        assert project.values(other.fresh("first"))["second"] == "two 2"

    def test_what_is_refused_leaves_nothing_and_the_id_free(
        self,
        pointing: Emulator,
        project: RemoteProject,
        monkeypatch: pytest.MonkeyPatch,
        moment: Moment,
    ) -> None:
        assert moment in ("deploy", "start")
        refused = self.cloud.refused(moment)
        with self.passing(pointing) as passage, monkeypatch.context() as patch:
            for name, value in self.cloud.through(passage.url).items():
                patch.setenv(name, value)
            passage.refuse(self.cloud.requests[moment], refused.refusal)
            with pytest.raises(ProviderError, match=refused.words) as caught:
                project.submit("single", {"run_id": "mine"})
            assert not caught.value.retryable
            assert caught.value.operation == refused.operation
            passage.relent()
            with pytest.raises(NotFoundError, match="There is no run 'mine'"):
                project.provider.status("mine")
            assert project.executions("single") == []
            # What was wrong is put right, by which the run has become another.
            run = project.submit("single", {"run_id": "mine"}, number=2)
            assert project.finish(run).status is Status.SUCCEEDED

    def test_a_bucket_that_is_not_there_is_told_before_anything_is_made(
        self, pointing: Emulator, tmp_path: Path
    ) -> None:
        del pointing
        project = RemoteProject(
            self.cloud, tmp_path / "project", bucket="no-such-bucket-anywhere", prefix="nowhere"
        )
        with pytest.raises(ProviderError, match="no-such-bucket-anywhere"):
            project.submit("single")
        assert project.executions("single") == []
