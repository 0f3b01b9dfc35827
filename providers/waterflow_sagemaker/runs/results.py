"""What runs have made: artifacts and the events of their steps, read from the bucket."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow import artifacts, spec
from waterflow.errors import ArtifactError, NotFoundError, ProviderError
from waterflow.provider import Artifact
from waterflow.provider.state import Status
from waterflow.tracking import spool
from waterflow.tracking.spool import parse_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.provider.state import RunState, StepState
    from waterflow_sagemaker.client import Client
    from waterflow_sagemaker.runs.logs import Logs
    from waterflow_sagemaker.runs.states import StepRun
    from waterflow_sagemaker.runs.storage import Storage


@dataclass(frozen=True)
class Made:
    """A step of a run that has ended well, and where its outputs are.

    Attributes:
        step: The spec's step.
        run: The native step run.
        place: What the names of its objects begin with.
    """

    step: spec.Step
    run: StepRun
    place: str


class Results:
    """The artifacts of one profile's runs.

    Args:
        client: The runs.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listed: dict[str, list[Artifact]] = {}
        self._told: dict[str, list[dict[str, Any]]] = {}

    @property
    def _storage(self) -> Storage:
        return self._client.storage

    def made(self, run_id: str) -> Iterator[Made]:
        """Yield the steps that have ended well, here or in the run that they were cached from."""
        found = self._client.execution(run_id)
        steps = {step.name: step for step in found.spec.steps}
        for native, run in self._client.steps(run_id).items():
            name = found.natives[native].step if native in found.natives else None
            if name is not None and run.status in (Status.SUCCEEDED, Status.CACHED):
                yield Made(steps[name], run, place(run))

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the outputs that a run's steps have made so far, skipped ones too."""
        state = self._client.status(run_id)
        made = {one.step.name: one for one in self.made(run_id)}
        found: list[Artifact] = []
        for step in self._client.execution(run_id).spec.steps:
            if step.name in made:
                found += self._of_step(made[step.name])
            elif state.steps[step.name].status is Status.SKIPPED:
                found += [Artifact(step=step.name, output=name, type=one.type, sha256=None, size=0,
                                   uri="") for name, one in step.outputs.items()]  # fmt: skip
        return found

    def _of_step(self, made: Made) -> list[Artifact]:
        key = f"{made.place}{made.run.job}"
        if key not in self._listed:
            self._listed[key] = [
                self._artifact(made, name, output) for name, output in made.step.outputs.items()
            ]
        return self._listed[key]

    def _artifact(self, made: Made, name: str, output: spec.Output) -> Artifact:
        prefix = f"{made.place}{name}/"
        if output.raw:
            with tempfile.TemporaryDirectory(prefix="waterflow-") as folder:
                manifest = self._sealed(prefix, Path(folder) / name, output.type)
        else:
            text = self._storage.get(f"{prefix}{artifacts.MANIFEST}")
            if text is None:
                raise ArtifactError(
                    f"Step '{made.step.name}' has ended well, but its output '{name}' is not at "
                    f"{self._storage.uri(prefix)}. Has it been removed? Run the step again"
                )
            manifest = artifacts.Manifest.from_json(text)
        return Artifact(
            step=made.step.name, output=name, type=manifest.type, sha256=manifest.sha256,
            size=manifest.size, uri=self._storage.uri(prefix),
        )  # fmt: skip

    def _sealed(self, prefix: str, folder: Path, kind: str) -> artifacts.Manifest:
        """Download what a program has written that knows nothing of artifacts, and seal it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._storage.download(prefix, folder)
        return artifacts.seal_raw(folder, kind)

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return a local folder with an artifact, fetched anew and verified.

        Raises:
            NotFoundError: There is no such run, step or output.
            ArtifactError: Its bytes are not what was recorded.
        """
        wanted = next(
            (one for one in self.artifacts(run_id)
             if (one.step, one.output) == (step, output) and one.sha256 is not None), None,
        )  # fmt: skip
        if wanted is None:
            raise NotFoundError(
                f"Run '{run_id}' has no artifact '{step}.{output}' (yet). "
                f"List them: waterflow artifacts {run_id}",
                provider="sagemaker", operation="find artifact",
            )  # fmt: skip
        place = self._client.local / "artifacts"
        place.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".", dir=place))
        try:
            folder = building / output
            manifest = self._fetched(run_id, wanted, folder)
            if manifest.sha256 != wanted.sha256:
                raise ArtifactError(
                    f"The artifact at {wanted.uri} is not what its step wrote. Run the step again"
                )
            target = place / f"{manifest.sha256}-{manifest.type.replace('/', '_')}"
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return target

    def _fetched(self, run_id: str, wanted: Artifact, folder: Path) -> artifacts.Manifest:
        name = self._storage.name(wanted.uri)
        if self._is_raw(run_id, wanted.step, wanted.output):
            return self._sealed(name, folder, wanted.type)
        folder.mkdir()
        self._storage.download(name, folder)
        try:
            return artifacts.verify(folder)
        except ArtifactError as error:
            shown = f"'{wanted.step}.{wanted.output}' at {wanted.uri}"
            raise ArtifactError(str(error).replace(str(folder), shown)) from None

    def _is_raw(self, run_id: str, step: str, output: str) -> bool:
        return self._client.execution(run_id).spec.step(step).outputs[output].raw

    # --- events ---------------------------------------------------------------------------------

    def events(self, made: Made, folder: Path | None = None) -> list[dict[str, Any]]:
        """Return the events that a step left beside its outputs.

        Args:
            made: The step.
            folder: An empty folder, where the files go that the events name.
        """
        if isinstance(made.step.run, spec.Container):
            return []
        text = self._storage.get(f"{made.place}spool.jsonl")
        if text is None:
            return []
        found = list(spool.parse_lines(text))
        if folder is not None and any(event["kind"] == "artifact" for event in found):
            self._storage.download(f"{made.place}{spool.FILES}/", folder / spool.FILES)
        return found

    def refine(self, run_id: str, state: RunState, logs: Logs) -> None:
        """Add to a state what only the steps themselves tell: attempts, and their own errors."""
        found = self._client.execution(run_id)
        for run in self._client.steps(run_id).values():
            name = found.natives[run.native].step if run.native in found.natives else None
            if name is None or not run.status.final or run.status is Status.CACHED:
                continue
            step = found.spec.step(name)
            if run.status is Status.SUCCEEDED and not step.retry.retries:
                continue
            key = f"{run.native}/{run.job}/{run.status}"
            if key not in self._told:
                made = Made(step, run, place(run))
                good = run.status is Status.SUCCEEDED
                try:
                    events = self.events(made) if good else parse_frames(logs.raw(run))
                    self._told[key] = list(events)
                except ProviderError:
                    continue  # what SageMaker itself says of the step stands
            _refine(state.steps[name], self._told[key])


def _refine(step: StepState, events: list[dict[str, Any]]) -> None:
    for event in events:
        if event["kind"] in ("step.start", "step.end"):
            step.attempt = max(step.attempt, int(event["attempt"]))
        if event["kind"] == "step.end" and step.status is Status.FAILED and event.get("error"):
            told = event["error"]
            step.error = f"{told['type']}: {told['message']}"
            step.detail = told.get("traceback") or None


def place(run: StepRun) -> str:
    """Return what the names of a step run's objects begin with."""
    below = f"{run.job}/output/model/" if run.job_type == "TrainingJob" else ""
    return f"runs/{run.origin}/{run.native}/{below}"
