"""Remote conformance: runs are found, followed, cancelled and gone on from, from any machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from waterflow.errors import ArtifactError, ConflictError, NotFoundError, UnsupportedFeatureError
from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase, statuses
from waterflow.testing.remote_project import until

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.provider.state import RunState
    from waterflow.testing.remote_project import RemoteProject


class Watching(RemoteBase):
    """What a run is, for whoever looks."""

    # --- from another machine -------------------------------------------------------------------

    def test_a_run_is_found_from_another_machine(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        bell = tmp_path / "bell"
        done = project.cli(
            "submit",
            "kit_runs.py:waiting",
            "-p",
            f"bell={bell}",
            "-p",
            "talk=3",
            "--run-id",
            "far",
            "--json",
        )
        assert json.loads(done.stdout)["run"] == "far", done.stderr
        until((tmp_path / "bell.here").exists, "the step")
        other = project.copied(tmp_path / "elsewhere")
        provider = other.provider

        def running() -> RunState | None:
            state = provider.status("far")
            return state if state.steps["wait_for"].job else None

        state = until(running, "its job")
        assert state is not None
        assert (state.status, state.pipeline) == (Status.RUNNING, "waiting")
        assert (state.url or "").startswith(self.cloud.console)
        follower = other.start_cli("logs", "far", "--follow", "--json")
        assert follower.stdout is not None
        lines = [json.loads(follower.stdout.readline()) for _ in range(3)]
        assert [line["text"] for line in lines] == [f"{n} grüße ☂" for n in range(3)]
        bell.touch()  # only now: the lines above came while it ran
        rest, err = follower.communicate(timeout=300)
        assert follower.returncode == 0, err
        assert [json.loads(line)["text"] for line in rest.splitlines()] == ["the bell has rung"]
        assert other.finish("far").status is Status.SUCCEEDED
        (artifact,) = provider.artifacts("far")
        folder = tmp_path / "fetched"
        done = other.cli("artifacts", "far", "--download", str(folder))
        assert done.returncode == 0, done.stderr
        assert json.loads((folder / "wait_for.output" / "value.json").read_text()) == "rung"
        shown = other.json("runs")
        assert [(run["run"], run["status"]) for run in shown] == [("far", "succeeded")]
        self.cloud.write(f"{artifact.uri}value.json", b'"wrong"')
        with pytest.raises(ArtifactError, match="is not what its step wrote") as caught:
            provider.download("far", "wait_for", "output")
        assert f"'wait_for.output' at {artifact.uri}" in str(caught.value)

    def test_a_run_is_cancelled_from_another_machine(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        run = project.submit("waiting", {"run_id": "stop"}, bell=str(tmp_path / "bell"))
        until((tmp_path / "bell.here").exists, "the step")
        other = project.copied(tmp_path / "elsewhere")
        done = other.cli("cancel", "stop")
        assert (done.returncode, done.stdout) == (0, "stop cancelled\n"), done.stderr
        state = project.finish(run)
        assert (state.status, state.steps["wait_for"].status) == (
            Status.CANCELLED,
            Status.CANCELLED,
        )
        other.provider.cancel("stop")  # it has ended: it stays as it is
        if not other.provider.capabilities.resume:
            return  # refused: test_ways_of_starting_that_are_not_there_are_refused
        # What was cancelled can be gone on from, and be cancelled again.
        (tmp_path / "bell.here").unlink()
        again = other.submit("waiting", {"resume": "stop"}, bell=str(tmp_path / "bell"))
        until((tmp_path / "bell.here").exists, "the step")
        again.cancel()
        assert project.finish(again).status is Status.CANCELLED
        assert len(project.executions("waiting")) == (1 if self.cloud.executions_go_on else 2)

    # --- resumed --------------------------------------------------------------------------------

    def test_a_failed_run_is_resumed_and_finished_steps_stand(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        marker = tmp_path / "marker"

        def fragile(resume: str | None, run_id: str | None = None, marker: object = marker) -> str:
            how = {"resume": resume, "run_id": run_id}
            how = {name: value for name, value in how.items() if value is not None}
            return project.submit("fragile", how, marker=str(marker), number=5).id

        failed = project.finish(fragile(None, "lame"))
        assert failed.status is Status.FAILED
        jobs = {name: step.job for name, step in failed.steps.items()}
        assert failed.steps["after"].status is Status.NOT_RUN
        assert failed.steps["breaks"].error == "ValueError: there is no marker ✗"
        assert "raise ValueError" in (failed.steps["breaks"].detail or "")
        if not project.provider.capabilities.resume:
            with pytest.raises(UnsupportedFeatureError):
                fragile("lame")
            return
        with pytest.raises(ConflictError, match=f"-p marker={marker} -p number=5"):
            project.submit("fragile", {"resume": "lame", "run_id": "no"}, marker="else")
        other = project.copied(tmp_path / "other")
        other.change('print("about to break ✗", flush=True)', "print('now')")
        with pytest.raises(ConflictError, match="ran another version of its code"):
            other.submit("fragile", {"resume": "lame"}, marker=str(marker), number=5)
        marker.touch()
        run = project.fresh(fragile("lame"))
        assert fragile("lame", run.id) == run.id
        state = project.finish(run)
        assert state.status is Status.SUCCEEDED
        assert state.steps["first"].job == jobs["first"]
        assert state.steps["breaks"].job != jobs["breaks"]
        assert project.values(run) == {"first": 6, "breaks": 1, "after": 7}
        assert [one.run for one in project.provider.runs()] == [run.id, "lame"]
        assert len(project.executions("fragile")) == (1 if self.cloud.executions_go_on else 2)
        with pytest.raises(ConflictError, match="has succeeded: there is nothing to go on with"):
            fragile(run.id)
        with pytest.raises(NotFoundError, match="There is no run 'never'"):
            fragile("never")

    # --- the cache ------------------------------------------------------------------------------

    def test_the_cache_answers_what_has_not_changed(self, project: RemoteProject) -> None:
        ran = {"first": "succeeded", "always": "succeeded"}
        cached = {"first": "cached", "always": "succeeded"}
        run = project.submit("mixed", {"cache": False})
        assert statuses(project.finish(run)) == ran
        # What ran without the cache asked for nothing, and left nothing.
        worked = project.submit("mixed")
        assert statuses(project.finish(worked)) == ran
        run = project.submit("mixed")
        assert statuses(state := project.finish(run)) == cached
        assert state.steps["first"].origin == worked.id
        assert project.values(run) == {"first": 2, "always": 1}
        assert {line.step for line in run.logs()} <= {"always"}
        (project.root / "unrelated.py").write_text("value = 1\n")
        assert statuses(project.finish(project.submit("mixed"))) == cached
        other = project.copied()
        other.change('VERSION = "one"', 'VERSION = "two"')  # of which neither step knows
        assert statuses(other.finish(other.submit("mixed"))) == cached
        other.change("return number + 1", "return 1 + number")
        changed = other.finish(other.submit("mixed"))
        assert statuses(changed) == dict.fromkeys(ran, "succeeded")

    # --- what steps say -------------------------------------------------------------------------

    def test_values_of_all_kinds_decide(self, project: RemoteProject) -> None:
        yes = project.submit("judged", {"run_id": "yes"})
        no = project.submit("judged", {"run_id": "no"}, value=0.2, text="no")
        for run, ran, skipped in ((yes, "yes", "no"), (no, "no", "yes")):
            state = project.finish(run)
            assert state.status is Status.SUCCEEDED
            for name in ("metric", "flag", "text", "entry", "mixed"):
                assert state.steps[f"{name}_{ran}"].status is Status.SUCCEEDED, name
                assert state.steps[f"{name}_{skipped}"].status is Status.SKIPPED, name
                reason = state.steps[f"{name}_{skipped}"].reason or ""
                assert reason.endswith("is true" if skipped == "no" else "is false"), reason
        assert yes.state.steps["metric_no"].reason == "score (0.9) > limit (0.5) is true"
        assert no.state.steps["metric_yes"].reason == "score (0.2) > limit (0.5) is false"

    def test_two_instances_know_each_other_and_the_first_writes(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        place = tmp_path / "place"
        place.mkdir()
        if project.provider.capabilities.instances < 2:
            with pytest.raises(UnsupportedFeatureError):
                project.submit("paired", place=str(place))
            return
        run = project.submit("paired", place=str(place))
        assert project.finish(run).status is Status.SUCCEEDED
        seen = [(place / rank).read_text().split("|") for rank in ("0", "1")]
        assert [rank for _, _, rank, _, _ in seen] == ["0", "1"]
        (address, port), *others = {(variables[0], variables[1]) for variables in seen}
        assert not others
        assert port.isdecimal()
        for variables in seen:
            hosts = variables[4].split(",")
            assert (variables[3], len(set(hosts)), hosts[0]) == ("2", 2, address)
        assert project.values(run)["together"]["RANK"] == "0"
        assert sorted(line.text for line in run.logs()) == ["rank 0", "rank 1"]

    def test_lines_of_parallel_steps_come_in_their_order(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        run = project.submit("talking", place=str(tmp_path / "turn"))
        turns = [(name, turn) for turn in range(3) for name in ("left", "right")]
        expected = [(name, f"{name} {turn} é漢") for name, turn in turns]
        bells = (tmp_path / f"turn.{name}.{turn}" for name, turn in turns)
        next(bells).touch()
        followed: list[tuple[str, str]] = []
        for line in run.logs(follow=True):
            followed.append((line.step, line.text))
            for bell in bells:  # the next line is said when this one was seen
                bell.touch()
                break
        assert followed == expected
        later = [(line.step, line.text) for line in run.logs()]
        assert (later if self.cloud.line_times else sorted(later)) == (
            expected if self.cloud.line_times else sorted(expected)
        )
        for name in ("left", "right"):
            mine = [pair for pair in expected if pair[0] == name]
            assert [(line.step, line.text) for line in run.logs(name)] == mine
        assert run.status is Status.SUCCEEDED
        with pytest.raises(NotFoundError, match="it has: left, right"):
            list(run.logs("middle"))
