"""Runs, as a user holds them: wait, watch, stop, read what they made."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import (
    ProviderError,
    RunCancelled,
    RunError,
    RunTimeout,
    StepFailed,
    UnknownNameError,
    WaterflowError,
)
from waterflow.provider.state import RunState, Status

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from waterflow import spec
    from waterflow.provider import Artifact, LogLine, Provider
    from waterflow.runs.changes import Reasons
    from waterflow.runs.notebook import Follower

LOG_TAIL: Final = 20
"""Lines of a failed step's log that go into its error."""
TRACKING_PAUSE: Final = 10.0
"""Seconds between two times that a watched run's tracking is sent."""


class Run:
    """One run of a pipeline.

    Args:
        run_id: Its id.
        provider: The provider that runs it.
        trusted_types: Classes that its model files may hold beyond the allow-list.
    """

    def __init__(
        self, run_id: str, provider: Provider, trusted_types: tuple[str, ...] = ()
    ) -> None:
        self.id = run_id
        self.provider = provider
        self._trusted_types = trusted_types
        self._followers: list[Follower] = []

    @property
    def state(self) -> RunState:
        """The run and its steps, as the provider tells them now."""
        return self.provider.status(self.id)

    def explain(self, state: RunState) -> None:
        """Note in a state of the run what the provider does not say itself of its steps.

        That is why they ran or did not, and what calls of one step are told apart by.

        Args:
            state: The state; where the provider cannot be asked, it stays as it is.
        """
        with contextlib.suppress(ProviderError):
            for name, label in self._labels.items():
                if name in state.steps:
                    state.steps[name].label = label
        with contextlib.suppress(ProviderError):
            if state.status.final and self._spec is not None:
                from waterflow.runs.why import note_not_run

                note_not_run(state, self._spec)
        with contextlib.suppress(ProviderError):
            self._reasons.note(state)

    @cached_property
    def _spec(self) -> spec.Pipeline | None:
        return self.provider.run_spec(self.id)

    @cached_property
    def _labels(self) -> dict[str, str]:
        from waterflow.spec.labels import labels

        return {} if self._spec is None else labels(self._spec)

    @cached_property
    def _reasons(self) -> Reasons:
        from waterflow.runs.changes import Reasons

        return Reasons(self.provider, self.id)

    @property
    def status(self) -> Status:
        """What the run is now."""
        return self.state.status

    def wait(self, timeout: float | None = None) -> RunState:
        """Wait for the end, and for tracking to be sent or given up.

        Ctrl-C, a notebook's "Interrupt", ends the waiting alone: the run goes on.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The final state of a run that succeeded.

        Raises:
            StepFailed: A step failed; the error holds its log's last lines.
            RunCancelled: The run was cancelled.
            RunError: The run failed otherwise.
            RunTimeout: It has not ended in time; it goes on.
        """
        try:
            state = self._awaited(timeout)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(
                f"Run '{self.id}' goes on: waterflow status {self.id}. "
                f"To stop it: waterflow cancel {self.id}"
            )
            raise
        while self._followers:
            self._followers.pop().finish()
        self.check(state)
        return state

    def _awaited(self, timeout: float | None) -> RunState:
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.02
        with self.tracked():
            while not (state := self.state).status.final or state.sending:
                if deadline is not None and time.monotonic() > deadline:
                    raise RunTimeout(
                        f"Run '{self.id}' has not ended within {timeout:g} s. It goes on: "
                        f"waterflow status {self.id}"
                    )
                time.sleep(pause)
                pause = min(pause * 1.2, 0.5)
        return self.settle(state)

    @contextlib.contextmanager
    def tracked(self, *, beside: bool = False) -> Generator[None]:
        """Send the run's tracking now and then while the block runs, where nothing else does.

        Args:
            beside: Let another process do it where one can, which goes on after the block.
        """
        elsewhere = not self.provider.capabilities.tracks_later
        if elsewhere or (beside and self.provider.send_beside(self.id)):
            yield
            return
        done = threading.Event()

        def send() -> None:
            while not done.wait(TRACKING_PAUSE):
                with contextlib.suppress(WaterflowError):  # told at the end, by `settle`
                    self.provider.sync(self.id)

        sender = threading.Thread(target=send, name=f"tracking-{self.id}", daemon=True)
        sender.start()
        try:
            yield
        except BaseException:
            done.set()  # Ctrl-C is not to wait for a server
            raise
        done.set()
        sender.join()

    def settle(self, state: RunState) -> RunState:
        """Send the tracking of a run that has ended, where no process beside it does.

        Args:
            state: Its final state.

        Returns:
            Its state then; what MLflow has still not got is `unsent`, and no error.
        """
        if state.unsent and not state.sending and self.provider.capabilities.tracks_later:
            # Tracking never fails a run: what was not sent stays `unsent`.
            with contextlib.suppress(WaterflowError):
                self.provider.sync(self.id)
            return self.state
        return state

    def check(self, state: RunState) -> None:
        """Raise what a final state that is no success amounts to.

        Raises:
            StepFailed: A step failed.
            RunCancelled: The run was cancelled.
            RunError: The run failed otherwise.
        """
        if state.status is Status.CANCELLED:
            raise RunCancelled(f"Run '{self.id}' was cancelled.")
        if state.status is not Status.FAILED:
            return
        for step in state.steps.values():
            if step.status is Status.FAILED:
                tail = list(self.logs(step.name))[-LOG_TAIL:]
                text = "\n".join(line.text for line in tail)
                raise StepFailed(step.name, step.error or "unknown", text, step.url)
        raise RunError(f"Run '{self.id}' failed: {state.error}")

    def cancel(self) -> None:
        """Stop the run; one that has ended stays as it is."""
        self.provider.cancel(self.id)

    def logs(self, step: str | None = None, *, follow: bool = False) -> Iterator[LogLine]:
        """Yield log lines of one step or all; with `follow` until the run ends."""
        return self.provider.logs(self.id, step, follow)

    def artifacts(self) -> list[Artifact]:
        """Return the outputs that the steps have made so far."""
        return self.provider.artifacts(self.id)

    def artifact(self, name: str) -> ArtifactHandle:
        """Return one output.

        Args:
            name: "step" where it has one output, otherwise "step.output".

        Raises:
            NotFoundError: There is no such artifact (yet).
        """
        matches = [a for a in self.artifacts() if name in (a.step, f"{a.step}.{a.output}")]
        if len(matches) != 1 or matches[0].sha256 is None:
            known = [f"{a.step}.{a.output}" for a in self.artifacts() if a.sha256]
            why = "has several artifacts called" if len(matches) > 1 else "has no artifact"
            raise UnknownNameError(
                f"Run '{self.id}' {why} '{name}'. It has: {', '.join(known) or 'none yet'}.",
                name=name,
                known=known,
            )
        return ArtifactHandle(self, matches[0], self._trusted_types)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics that steps have returned so far: "step", or "step.output", -> metrics."""
        return {
            short_name(one): dict(ArtifactHandle(self, one, ()).load())
            for one in self.artifacts()
            if one.type == "metrics" and one.sha256 is not None
        }

    @property
    def figures(self) -> Figures:
        """The pictures that steps have returned so far: "step", or "step.output", -> picture."""
        return Figures(
            (short_name(one), FigureHandle(self, one, ()))
            for one in self.artifacts()
            if one.type == "figure" and one.sha256 is not None
        )

    def _repr_html_(self) -> str:
        """Return the run's page, for a notebook."""
        from waterflow.runs.notebook import frame

        return frame(self, self.state)

    def _ipython_display_(self) -> None:
        """Show the run in a notebook: a table that follows it, and in the end its page."""
        from waterflow.runs.notebook import display

        follower = display(self)
        if follower is not None:
            self._followers.append(follower)

    def __repr__(self) -> str:
        return f"<run {self.id}>"


class ArtifactHandle:
    """An output of a run.

    Attributes:
        info: Its type, digest and size.
    """

    def __init__(self, run: Run, info: Artifact, trusted_types: tuple[str, ...]) -> None:
        self._run, self.info, self._trusted_types = run, info, trusted_types

    def path(self) -> Path:
        """Return a local folder with its files, verified.

        Raises:
            ArtifactError: Its bytes are not what was recorded.
        """
        return self._run.provider.download(self._run.id, self.info.step, self.info.output)

    def load(self) -> Any:
        """Return its value.

        Raises:
            ArtifactError: Its bytes are not what was recorded, or it holds types not trusted.
        """
        from waterflow.artifacts import Context, by_name

        return by_name(self.info.type).load(self.path(), Any, Context(self._trusted_types))


class FigureHandle(ArtifactHandle):
    """A picture of a run, which a notebook shows."""

    def _repr_png_(self) -> bytes:
        """Return its bytes."""
        return self.load().read_bytes()

    def __repr__(self) -> str:
        return f"<figure {self.info.step}.{self.info.output}>"


class Figures(dict[str, FigureHandle]):
    """The pictures of a run by their names, which a notebook shows with them."""

    def _repr_html_(self) -> str:
        """Return all of them, each below its name."""
        from waterflow.runs.notebook import pictures

        return pictures({name: one.load().read_bytes() for name, one in self.items()})


def short_name(artifact: Artifact) -> str:
    """Return "step" for a step's only output, otherwise "step.output"."""
    name = artifact.step
    return name if artifact.output == "output" else f"{name}.{artifact.output}"


def open_run(run_id: str, profile: str | None = None, root: Path | None = None) -> Run:
    """Return a run that was started earlier, here or elsewhere.

    Args:
        run_id: Its id.
        profile: The profile it was started with; None for the project's default.
        root: The project's folder; found from the working folder when None.

    Raises:
        ConfigurationError: There is no such profile.
        NotFoundError: There is no such run.
    """
    from waterflow.project import find_root
    from waterflow.provider.discovery import open_provider

    provider = open_provider(root or find_root(Path.cwd()), profile)
    provider.status(run_id)
    known = provider.run_spec(run_id)
    return Run(run_id, provider, known.trusted_types if known else ())
