"""Conformance: what fails is told, tried again as asked, stopped when asked, and never hidden."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.errors import NotFoundError, RunCancelled, StepFailed
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from waterflow.provider import LogLine
    from waterflow.runs.run import Run
    from waterflow.testing.world import World


class Failure:
    """Attempts, failures and cancellation."""

    def _attempts(self, world: World) -> Run:
        return world.start("attempts", "attempts", timeouts=world.capabilities.timeouts)

    def test_every_failure_is_tried_again(self, world: World) -> None:
        run = self._attempts(world)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        attempts = {name: step.attempt for name, step in state.steps.items()}
        expected = {
            "flaky": 3,
            "killed": 2,
            "leaves": 2,
            "wrong_type": 2,
            "unwritable": 2,
            "hidden_import": 2,
            "fragile": 2,
            "forgetful": 2,
            "remembered": 1,
        }
        assert attempts == expected | ({"slow": 2} if world.capabilities.timeouts else {})
        assert run.artifact("killed").load() == "alive"
        assert run.artifact("leaves").load() == "stayed"
        assert run.artifact("fragile").load() == [0, 1, 2, 3, 4]

    def test_retries_back_off(self, world: World) -> None:
        run = self._attempts(world)
        world.finish(run)
        first, second, third = run.artifact("flaky").load()
        assert second - first >= 0.2
        assert third - second >= 0.4

    def test_a_timeout_ends_the_process_and_its_children(self, world: World) -> None:
        if not world.capabilities.timeouts:
            return  # refused while compiling: test_what_is_not_there_is_refused
        run = self._attempts(world)
        world.finish(run)
        assert run.artifact("slow").load() is False, "a child outlived its attempt"

    @pytest.mark.parametrize(
        ("step", "kind", "said"),
        [
            ("flaky", "RuntimeError", "failure 1"),
            ("killed", "ProcessEnded", "SIGKILL"),
            ("leaves", "SystemExit", "I am leaving"),
            ("wrong_type", "ArtifactError", "'three'"),
            ("unwritable", "ArtifactError", "value"),
            ("hidden_import", "ModuleNotFoundError", "kit_hidden"),
            ("fragile", "ValueError", "item 3: an unlucky item"),
            ("forgetful", "ArtifactError", "no entry 'auc'"),
            ("slow", "ProcessEnded", "timeout"),
        ],
    )
    def test_each_failed_attempt_is_tracked_with_its_reason(
        self, world: World, step: str, kind: str, said: str
    ) -> None:
        run = self._attempts(world)
        world.finish(run)
        if step == "slow" and not world.capabilities.timeouts:
            return
        _, children = world.tracked(run)
        first, last = children[step, 1], children[step, 3 if step == "flaky" else 2]
        assert first.info.status == "FAILED"
        assert first.data.tags["waterflow.error.type"] == kind
        assert said in first.data.tags["waterflow.error.message"]
        assert last.info.status == "FINISHED"

    def test_the_logs_of_all_attempts_are_kept(self, world: World) -> None:
        run = self._attempts(world)
        world.finish(run)
        text = "\n".join(line.text for line in run.logs("flaky"))
        assert text.index("RuntimeError: failure 1") < text.index("RuntimeError: failure 2")
        assert [line.text for line in run.logs("killed")].count("about to be killed") == 2

    def test_a_failure_is_told_in_the_users_own_lines(self, world: World) -> None:
        run = world.start("fails", "fails")
        state = world.finish(run)
        assert state.status is Status.FAILED
        step = state.steps["breaks"]
        assert (step.status, step.attempt) == (Status.FAILED, 2)
        assert step.error == "ValueError: no such entry: unknown"
        assert state.steps["say"].status.good
        after = state.steps["after"]
        assert (after.status, after.attempt) == (Status.NOT_RUN, 0)
        with pytest.raises(StepFailed) as caught:
            run.wait(timeout=300)
        assert caught.value.step == "breaks"
        assert caught.value.reason == "ValueError: no such entry: unknown"
        assert "before the failure" in caught.value.log_tail
        assert "ValueError: no such entry: unknown" in caught.value.log_tail
        with contextlib.suppress(NotFoundError):
            run.artifact("after")
            raise AssertionError("a step that never ran has an artifact")

    def test_a_traceback_has_no_frame_of_waterflows(self, world: World) -> None:
        run = world.start("fails", "fails")
        world.finish(run)
        text = "\n".join(line.text for line in run.logs("breaks"))
        assert "direct cause" in text
        for name in ("kit_attempts.py", "kit_helpers.py"):
            assert name in text, name
        assert 'return {"known": 1}[key]' in text, "the source line"
        for ours in ("execute.py", "supervisor.py", "launcher.py", "importlib"):
            assert ours not in text, ours

    def test_a_failed_run_is_tracked_as_failed(self, world: World) -> None:
        run = world.start("fails", "fails")
        world.finish(run)
        parent, children = world.tracked(run)
        assert parent.info.status == "FAILED"
        others = {("aside", 1): "FINISHED", ("later", 1): "FINISHED"}
        expected = {("say", 1): "FINISHED", ("breaks", 1): "FAILED", ("breaks", 2): "FAILED"}
        statuses = {key: child.info.status for key, child in children.items()}
        if not world.capabilities.keep_going:  # how far they came, is a matter of time
            others = {key: status for key, status in others.items() if key in statuses}
        assert statuses == expected | others

    def test_what_does_not_need_a_failed_step_runs_all_the_same(self, world: World) -> None:
        run = world.start("fails", "fails")
        state = world.finish(run)
        assert state.status is Status.FAILED
        run.explain(state)
        if world.provider.run_spec(run.id) is not None:
            assert state.steps["after"].reason == "it needs breaks, which failed"
        if not world.capabilities.keep_going:  # how far the others came, is a matter of time
            return
        assert state.steps["aside"].status.good
        assert state.steps["later"].status.good
        assert run.artifact("later").load() == "aside"
        assert state.steps["after"].status is Status.NOT_RUN

    def test_a_run_can_be_followed_and_cancelled(self, world: World) -> None:
        run = world.submit(world.call("waiting", hold=str(world.path("never"))))
        followed: list[LogLine] = []
        first = threading.Event()

        def follow() -> None:
            for line in run.logs("waits", follow=True):
                followed.append(line)
                first.set()

        thread = threading.Thread(target=follow)
        thread.start()
        assert first.wait(300), "a running step's log was not to be seen"
        assert world.state(run).status is Status.RUNNING
        run.cancel()
        state = world.finish(run)
        thread.join(60)
        assert not thread.is_alive(), "following a run that has ended goes on"
        assert followed[0].text == "waiting for the file"
        assert state.status is Status.CANCELLED
        assert state.steps["waits"].status is Status.CANCELLED
        assert state.steps["after"].status is Status.NOT_RUN
        with pytest.raises(RunCancelled):
            run.wait(timeout=300)
        run.cancel()
        assert run.status is Status.CANCELLED
        parent, children = world.tracked(run)
        assert parent.info.status == "KILLED"
        assert children["waits", 1].info.status == "KILLED"

    def test_what_is_not_there_is_said_so(self, world: World) -> None:
        run = world.start("fails", "fails")
        world.finish(run)
        questions: list[Any] = [
            lambda: world.provider.status("no-such-run"),
            lambda: list(world.provider.logs("no-such-run")),
            lambda: list(world.provider.logs(run.id, "no-such-step")),
            lambda: world.provider.cancel("no-such-run"),
            lambda: world.provider.artifacts("no-such-run"),
            lambda: world.provider.download(run.id, "say", "no-such-output"),
            lambda: world.provider.download(run.id, "after", "output"),
            lambda: run.artifact("no-such-step"),
        ]
        for question in questions:
            with pytest.raises(NotFoundError):
                question()
