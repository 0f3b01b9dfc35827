"""Remote conformance: tracking is whole and sent once, whoever sends it and whatever is down."""

from __future__ import annotations

import getpass
import json
import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from waterflow.cloud import lease
from waterflow.provider.emulators import PASSING
from waterflow.provider.state import Status
from waterflow.testing.passage import passage
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject, until
from waterflow.testing.tracking_server import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.testing.tracking_server import TrackingServer

_ANOTHER = "Another is sending this run."


class Tracked(NamedTuple):
    """A run in MLflow.

    Attributes:
        parent: The run.
        children: Its attempts, by step and number.
    """

    parent: Any
    children: dict[tuple[str, int], Any]


def tracked(server: TrackingServer, execution: str | None) -> Tracked:
    """Return what MLflow has of an execution; nothing is there twice."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server.url)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`waterflow.execution` = '{execution}'")
    children = {
        (run.data.tags["waterflow.step"], int(run.data.tags["waterflow.attempt"])): run
        for run in runs
        if "waterflow.step" in run.data.tags
    }
    runs = [run for run in runs if "waterflow.nested" not in run.data.tags]
    (parent,) = [run for run in runs if "waterflow.step" not in run.data.tags]
    assert len(children) == len(runs) - 1
    return Tracked(parent, children)


class Tracking(RemoteBase):
    """What MLflow gets."""

    @pytest.fixture
    def followed(self, pointing: Emulator, server: TrackingServer, tmp_path: Path) -> RemoteProject:
        """A project whose runs are tracked."""
        del pointing
        return RemoteProject(self.cloud, tmp_path / "project", tracking=server.url)

    def test_what_mlflow_missed_is_sent_later_and_once(
        self, pointing: Emulator, server: TrackingServer, tmp_path: Path
    ) -> None:
        del pointing
        port = free_port()
        project = RemoteProject(
            self.cloud, tmp_path / "project", tracking=f"http://127.0.0.1:{port}"
        )
        marker = tmp_path / "marker"
        done = project.cli(
            "run", "kit_runs.py:fragile", "--run-id", "one", "-p", f"marker={marker}"
        )
        assert done.returncode == 1, done.stderr
        assert "breaks failed:\n" in done.stdout
        assert done.stdout.count("ValueError: there is no marker ✗") == 1, "told once"
        assert "raise ValueError" in done.stdout
        assert self.cloud.console in done.stdout
        assert "MLflow has not got 4 of its tracking events yet; nothing is lost" in done.stdout
        failed = project.sync("one")
        assert (failed.sent, failed.left) == (0, 4)
        assert f"127.0.0.1:{port}" in failed.error
        with server.door(port):
            other = project.copied(tmp_path / "elsewhere")
            done = other.cli("sync", "--json")
            assert json.loads(done.stdout) == [{"run": "one", "sent": 4, "left": 0, "error": None}]
            assert project.cli("sync").stdout == "MLflow has got everything.\n"
            state = project.fresh("one").state
            parent, children = tracked(server, state.execution)
            assert (parent.info.run_name, parent.info.status) == ("one", "FAILED")
            assert parent.data.params["number"] == "1"
            self._origin(other, parent, children, tmp_path)
            assert {key: child.info.status for key, child in children.items()} == {
                ("first", 1): "FINISHED", ("breaks", 1): "FAILED",
            }  # fmt: skip
            broken = children["breaks", 1].data.tags
            assert broken["waterflow.error.message"] == "there is no marker ✗"
            assert broken["waterflow.job"] == state.steps["breaks"].job
            if self.cloud.executions_go_on:
                self._gone_on_from(project, server, marker, state.execution)

    def _origin(
        self,
        project: RemoteProject,
        parent: Any,
        children: Mapping[tuple[str, int], Any],
        place: Path,
    ) -> None:
        """See who has started a run and how, and that another machine has its code again."""
        for run in (parent, *children.values()):
            assert run.data.tags["mlflow.user"] == getpass.getuser()
            assert run.data.tags["mlflow.source.name"] == "kit_runs.py"
        command = parent.data.tags["waterflow.command"]
        assert command.startswith("waterflow run kit_runs.py:fragile --run-id one -p marker=")
        report = project.json("code", "one", "--to", str(place / "code"))
        assert report["files"] == ["kit_runs.py"]
        assert set(report["steps"]) == {"first", "breaks", "after"}
        code = (place / "code" / "kit_runs.py").read_bytes()
        assert code == (project.root / "kit_runs.py").read_bytes()
        assert not [name for name in parent.data.tags if name.startswith("waterflow.code.")]

    def _gone_on_from(
        self, project: RemoteProject, server: TrackingServer, marker: Path, execution: str | None
    ) -> None:
        """See that, gone on from, the same run in MLflow ends well, with one more attempt."""
        marker.touch()
        run = project.submit("fragile", {"resume": "one"}, marker=str(marker))
        assert project.finish(run).status is Status.SUCCEEDED
        assert project.sync(run).left == 0
        parent, children = tracked(server, execution)
        assert parent.info.status == "FINISHED"
        assert parent.data.metrics == {"breaks.tries": 2.0}
        assert parent.data.tags["waterflow.error.message"] == ""
        assert {key: child.info.status for key, child in children.items()} == {
            ("first", 1): "FINISHED", ("breaks", 1): "FAILED", ("breaks", 2): "FINISHED",
            ("after", 1): "FINISHED",
        }  # fmt: skip

    def test_no_command_waits_for_mlflow(
        self, pointing: Emulator, server: TrackingServer, tmp_path: Path
    ) -> None:
        del pointing
        with passage(server.url) as opened:
            project = RemoteProject(self.cloud, tmp_path / "project", tracking=opened.url)
            opened.hold("runs/create", "before")
            # Where CI is set nothing outlives a command, so that it waits.
            run = project.start_cli(
                "run", "kit_runs.py:chain", "--run-id", "one", "--json", through={"CI": ""}
            )
            out, err = run.communicate(timeout=300)
            assert run.returncode == 0, err
            state = json.loads(out)
            assert (state["status"], state["sending"], state["unsent"]) == ("succeeded", True, 4)
            assert project.json("status", "one")["sending"] is True
            assert project.cli("sync").stdout == "Being sent already: one\n"
            opened.opened.set()
            until(lambda: not project.fresh("one").state.unsent, "the tracking")
            # A cloud that is emulated for one command ends with it: that one waits.
            passing = {"CI": "", PASSING: "1"}
            run = project.start_cli("run", "kit_runs.py:chain", "--json", through=passing)
            state = json.loads(run.communicate(timeout=300)[0])
            assert (state["status"], state["sending"], state["unsent"]) == ("succeeded", False, 0)
        parent, children = tracked(server, project.fresh("one").state.execution)
        assert set(children) == {("first", 1), ("second", 1)}
        assert parent.info.status == "FINISHED"
        until(lambda: not [*project.root.rglob("sending-*")], "the sender's end")

    @pytest.mark.parametrize("follower", ["itself", "another"])
    def test_who_sends_and_is_killed_is_followed(
        self,
        pointing: Emulator,
        server: TrackingServer,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        follower: str,
    ) -> None:
        del pointing
        with passage(server.url) as opened:
            project = RemoteProject(self.cloud, tmp_path / "project", tracking=opened.url)
            run = project.submit("chain")
            assert project.finish(run).status is Status.SUCCEEDED
            opened.hold("runs/create", "after", number=2)
            patience = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "300"}  # it is to wait until it is killed
            sender = project.start_cli("sync", run.id, through=patience)
            assert opened.reached.wait(300), sender.communicate()
            other = project.copied(tmp_path / "elsewhere")
            for one in (project, other):
                refused = one.sync(run)
                assert (refused.sent, refused.error) == (0, _ANOTHER)
            os.kill(sender.pid, signal.SIGKILL)
            sender.communicate()
            opened.opened.set()
            assert other.sync(run).error is not None
            if follower == "itself":  # which knows at once that it is gone
                sent = project.sync(run)
            else:  # which knows when the lease has not been renewed for long
                monkeypatch.setattr(lease, "SECONDS", 2.0)
                sent = until(lambda: self._sent(other, run.id), "the lease")
            assert (sent.sent, sent.left, sent.error) == (4, 0, None)
            parent, children = tracked(server, run.state.execution)
            assert set(children) == {("first", 1), ("second", 1)}
            assert {one.info.status for one in (parent, *children.values())} == {"FINISHED"}

    @staticmethod
    def _sent(project: RemoteProject, run_id: str) -> Any:
        sent = project.sync(run_id)
        return sent if sent.error is None else None

    def test_two_machines_that_send_at_once_send_once(
        self, server: TrackingServer, followed: RemoteProject, tmp_path: Path
    ) -> None:
        run = followed.submit("chain", {"run_id": "both", "cache": False})
        assert followed.finish(run).status is Status.SUCCEEDED
        other = followed.copied(tmp_path / "elsewhere")
        senders = [one.start_cli("sync", "both", "--json") for one in (followed, other)]
        sent = [json.loads(sender.communicate(timeout=300)[0])[0] for sender in senders]
        assert sum(one["sent"] for one in sent) == 4
        assert {one["error"] for one in sent} <= {None, _ANOTHER}
        parent, children = tracked(server, followed.fresh("both").state.execution)
        assert set(children) == {("first", 1), ("second", 1)}
        assert parent.info.status == "FINISHED"

    def test_jobs_that_were_stopped_or_killed_are_tracked_as_such(
        self, server: TrackingServer, followed: RemoteProject, tmp_path: Path
    ) -> None:
        stopped = followed.submit("waiting", bell=str(tmp_path / "bell"))
        dead = followed.submit("hard")
        until((tmp_path / "bell.here").exists, "the step")
        stopped.cancel()
        assert followed.finish(stopped).status is Status.CANCELLED
        assert followed.finish(dead).status is Status.FAILED
        for run, step, ours, theirs in (
            (stopped, "wait_for", "cancelled", "KILLED"), (dead, "killed", "failed", "FAILED"),
        ):  # fmt: skip
            assert followed.sync(run).left == 0
            parent, children = tracked(server, run.state.execution)
            child = children[step, 1]
            assert (parent.info.status, child.info.status) == (theirs, theirs)
            assert child.data.tags["waterflow.status"] == ours
            assert child.info.end_time is not None
            assert child.data.tags["waterflow.job"] == run.state.steps[step].job

    def test_what_steps_print_becomes_metrics(
        self, server: TrackingServer, followed: RemoteProject
    ) -> None:
        from mlflow import MlflowClient

        contained = followed.provider.capabilities.containers and self.cloud.container_metrics
        run = followed.submit("learning", image=self.cloud.image if contained else "")
        state = followed.finish(run)
        assert state.status is Status.SUCCEEDED, state
        assert state.steps["look"].status is Status.SUCCEEDED, "the condition read what it returned"
        assert followed.sync(run).left == 0
        children = tracked(server, state.execution).children
        client = MlflowClient(tracking_uri=server.url)
        expected = {
            ("fit", "output"): [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.0625)],
            ("fit", "val:rate"): [(0, 5.0)],
            ("look", "seen"): [(0, 1.0), (1, 2.0)],
        } | ({("count", "counted"): [(0, 1.0), (1, 2.0)]} if contained else {})
        for (step, name), points in expected.items():
            history = client.get_metric_history(children[step, 1].info.run_id, name)
            assert [(point.step, point.value) for point in history] == points
        lines = [line.text for line in run.logs("fit")]
        assert sorted(lines) == ["0: loss=1.0", "1: loss=0.5", "2: loss=0.25", "loss=0.0625",
                                 "rate 5"]  # fmt: skip
