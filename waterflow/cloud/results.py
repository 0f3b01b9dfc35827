"""What runs have made: artifacts and the events of their steps, read from the bucket."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow import artifacts, spec
from waterflow.cloud.items import latest, within_job
from waterflow.cloud.records import bundle_name
from waterflow.cloud.wholeness import is_whole
from waterflow.errors import ArtifactError, NotFoundError, ProviderError, UnknownNameError
from waterflow.provider import Artifact, Code, Measurement
from waterflow.provider.state import Status
from waterflow.spec.conditions import SKIPPED
from waterflow.spec.references import branches, sources, upstream
from waterflow.tracking import spool
from waterflow.tracking.spool import parse_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.logs import Logs
    from waterflow.cloud.runs import Look, Runs
    from waterflow.cloud.states import NativeRun
    from waterflow.provider.state import RunState, StepState


@dataclass(frozen=True)
class Result:
    """A step of a run, and where its job has written.

    Attributes:
        step: The spec's step.
        run: The native step.
        folder: What the names of its objects begin with.
    """

    step: spec.Step
    run: NativeRun
    folder: str


class Results:
    """The artifacts of one profile's runs.

    Args:
        runs: The runs.
        local: A local folder for what need not be downloaded again.
    """

    def __init__(self, runs: Runs, local: Path) -> None:
        self._runs, self._bucket, self._local = runs, runs.bucket, local
        self._artifacts: dict[str, list[Artifact]] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._reasons: dict[str, str] = {}
        self._losses: dict[str, str] = {}

    def of(self, step: spec.Step, run: NativeRun) -> Result:
        """Return a step with the place of what it has written."""
        return Result(step, run, self._runs.service.outputs(run))

    def _succeeded(self, look: Look) -> Iterator[Result]:
        """Yield the steps that have ended well, here or in the run that they were cached from."""
        for run in look.steps.values():
            step = look.execution.step_of(run)
            if step is not None and run.status in (Status.SUCCEEDED, Status.CACHED):
                yield self.of(step, run)

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the outputs that a run's steps have made so far, skipped ones too."""
        look = self._runs.look(run_id)
        results = {result.step.name: result for result in self._succeeded(look)}
        outputs: list[Artifact] = []
        for step in look.execution.spec.steps:
            if step.name in results:
                outputs += self._of_step(results[step.name])
            elif look.state.steps[step.name].status is Status.SKIPPED:
                outputs += [
                    Artifact(
                        step=step.name, output=name, type=output.type, sha256=None, size=0, uri=""
                    )
                    for name, output in step.outputs.items()
                ]
        return outputs

    def _of_step(self, result: Result) -> list[Artifact]:
        key = f"{result.folder}{result.run.job}"
        if key not in self._artifacts:
            self._artifacts[key] = [
                self._artifact(result, name, output) for name, output in result.step.outputs.items()
            ]
        return self._artifacts[key]

    def _artifact(self, result: Result, name: str, output: spec.Output) -> Artifact:
        folder = f"{result.folder}{name}/"
        if output.raw:
            with tempfile.TemporaryDirectory(prefix="waterflow-") as place:
                manifest = self._sealed(folder, Path(place) / name, output.type)
        else:
            text = self._bucket.get(f"{folder}{artifacts.MANIFEST}")
            if text is None:
                raise ArtifactError(
                    f"Step '{result.step.name}' has ended well, but its output '{name}' is not at "
                    f"{self._bucket.uri(folder)}. Has it been removed? Run the step again"
                )
            manifest = artifacts.Manifest.from_json(text)
        return Artifact(
            step=result.step.name,
            output=name,
            type=manifest.type,
            sha256=manifest.sha256,
            size=manifest.size,
            uri=self._bucket.uri(folder),
        )

    def _sealed(self, folder: str, target: Path, kind: str) -> artifacts.Manifest:
        """Download what a program has written that knows nothing of artifacts, and seal it."""
        target.mkdir(parents=True, exist_ok=True)
        self._bucket.download(folder, target)
        return artifacts.seal_raw(target, kind)

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return a local folder with an artifact, fetched anew and verified.

        Raises:
            NotFoundError: There is no such run, step or output.
            ArtifactError: Its bytes are not what was recorded.
        """
        artifact = next(
            (
                artifact
                for artifact in self.artifacts(run_id)
                if (artifact.step, artifact.output) == (step, output)
                and artifact.sha256 is not None
            ),
            None,
        )
        if artifact is None:
            raise UnknownNameError(
                f"Run '{run_id}' has no artifact '{step}.{output}' (yet). "
                f"List them: waterflow artifacts {run_id}",
                provider=self._runs.service.provider,
                operation="find artifact",
            )
        place = self._local / "artifacts"
        place.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".", dir=place))
        try:
            folder = building / output
            manifest = self._fetched(run_id, artifact, folder)
            if manifest.sha256 != artifact.sha256:
                raise ArtifactError(
                    f"The artifact at {artifact.uri} is not what its step wrote. Run the step again"
                )
            target = place / f"{manifest.sha256}-{manifest.type.replace('/', '_')}"
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return target

    def _fetched(self, run_id: str, artifact: Artifact, target: Path) -> artifacts.Manifest:
        folder = self._bucket.name(artifact.uri) or ""
        step = self._runs.execution(run_id).spec.step(artifact.step)
        if step.outputs[artifact.output].raw:
            return self._sealed(folder, target, artifact.type)
        target.mkdir()
        self._bucket.download(folder, target)
        try:
            return artifacts.verify(target)
        except ArtifactError as error:
            shown = f"'{artifact.step}.{artifact.output}' at {artifact.uri}"
            raise ArtifactError(str(error).replace(str(target), shown)) from None

    def code(self, run_id: str) -> Code:
        """Return the code that a run's steps were given, fetched where it is not here yet.

        Raises:
            NotFoundError: There is no such run, or its code is no longer in the bucket.
        """
        execution = self._runs.execution(run_id)
        build, record = execution.build, execution.record
        folders = {digest: self._bundle(run_id, digest) for digest in {*build.code.values()}}
        return Code.of(build.code, folders, record.tags if record is not None else build.tags)

    def _bundle(self, run_id: str, digest: str) -> Path:
        target = self._local / "code" / digest
        if target.is_dir():
            return target
        content = self._bucket.get(bundle_name(digest))
        if content is None:
            raise NotFoundError(
                f"The code of run '{run_id}' is no longer at "
                f"{self._bucket.uri(bundle_name(digest))}. Its commit and its patch are in MLflow",
                provider=self._runs.service.provider,
                operation="read code",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(building / "code", filter="data")
            with contextlib.suppress(FileExistsError):
                (building / "code").rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return target

    def measurements(self, run_id: str) -> Iterator[Measurement]:
        """Yield the values of metrics that the steps of a run have logged beside their outputs."""
        for result in self._succeeded(self._runs.look(run_id)):
            if result.run.status is not Status.CACHED:
                yield from Measurement.of(result.step.name, self.events(result))

    # --- events ---------------------------------------------------------------------------------

    def events(self, result: Result, folder: Path | None = None) -> list[dict[str, Any]]:
        """Return the events that a step left beside its outputs.

        Args:
            result: The step.
            folder: An empty folder, where the files go that the events name.
        """
        if isinstance(result.step.run, spec.Container):
            return []
        beside = self._runs.service.spool(result.run)
        text = self._bucket.get(f"{beside}spool.jsonl")
        if text is None:
            return []
        events = list(spool.parse_lines(text))
        if folder is not None and any("file" in event for event in events):
            self._bucket.download(f"{beside}{spool.FILES}/", folder / spool.FILES)
        return events

    def refine(self, look: Look, state: RunState, logs: Logs, *, items: bool = True) -> None:
        """Add to a state what only the steps themselves tell: attempts, and their own errors.

        Args:
            look: The look at the run.
            state: Its state, to be added to.
            logs: The logs.
            items: Whether what came of the items of maps is asked for, too.
        """
        for name, one in state.steps.items():
            if one.status is Status.SKIPPED:
                one.reason = self._reason(look, name)
        for run in look.steps.values():
            step = look.execution.step_of(run)
            if step is None or not run.status.final or run.status is Status.CACHED:
                continue
            succeeded = run.status is Status.SUCCEEDED
            if succeeded and not (step.retry.retries or (items and within_job(step))):
                continue
            key = f"{run.native}/{run.job}/{run.status}"
            if key not in self._events:
                try:
                    if succeeded:
                        self._events[key] = self.events(self.of(step, run))
                    else:
                        self._events[key] = list(parse_frames(logs.raw(run)))
                except ProviderError:
                    continue  # what the cloud itself says of the step stands
            _refine(state.steps[step.name], self._events[key])
            if within_job(step):
                state.steps[step.name].items = latest(self._events[key], over=True)
            if run.status is Status.FAILED and (lost := self._lost(look, step, key)):
                state.steps[step.name].error = lost

    def _lost(self, look: Look, step: spec.Step, key: str) -> str:
        """Return which cached result that a failed step has read is no longer whole; "" for none.

        The cloud's cache does not ask, and a run that a schedule starts has nobody else who does.
        """
        if key not in self._losses:
            self._losses[key] = ""
            for name in sorted(upstream(look.execution.spec, step)):
                run, former = look.native_run(name), look.execution.spec.step(name)
                if run is None or run.status is not Status.CACHED:
                    continue
                with contextlib.suppress(ProviderError, ArtifactError):
                    if not is_whole(self._runs.service, self._bucket, former, run):
                        place = self._bucket.uri(self._runs.service.outputs(run))
                        self._losses[key] = (
                            f"The earlier result of step '{name}', which the cache gave this run, "
                            f"is no longer whole at {place}. A run that is started anew makes it "
                            "again: waterflow run"
                        )
        return self._losses[key]

    def _reason(self, look: Look, name: str) -> str:
        """Return why a step was skipped."""
        key = f"{look.execution.native}/{name}"
        if key not in self._reasons:
            self._reasons[key] = self._read_reason(look, name)
        return self._reasons[key]

    def _read_reason(self, look: Look, name: str) -> str:
        from waterflow.graph import closing_text

        pipeline = look.execution.spec
        step = pipeline.step(name)
        gates = {gate.name: gate.condition for gate in pipeline.gates}
        chain = [(gates[one.gate], one.then) for one in branches(pipeline, step.branch)]
        text = closing_text(chain, lambda operand: self._scalar(look, operand))
        if text is not None:
            return text
        before = (
            source.step
            for argument in step.inputs.values()
            for source in sources(argument.source)
            if isinstance(source, spec.FromStep)
            and look.state.steps[source.step].status is Status.SKIPPED
        )
        return f"its input from '{next(before, 'a step before it')}' was skipped"

    def _scalar(self, look: Look, operand: spec.Operand) -> Any:
        """Return a condition's operand; KeyError for one that cannot be read here."""
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self._runs.parameters(look.execution)[operand.name]
        run = look.native_run(operand.step)
        if run is None:
            if look.state.steps[operand.step].status is Status.SKIPPED:
                return SKIPPED
            raise KeyError(operand.step)
        folder = self.of(look.execution.spec.step(operand.step), run).folder
        try:
            text = self._bucket.get(f"{folder}{operand.output}/value.json")
            value: Any = json.loads(text or b"")
        except (ProviderError, ValueError):
            raise KeyError(operand.step) from None
        return value if operand.key is None else value[operand.key]


def _refine(step: StepState, events: list[dict[str, Any]]) -> None:
    for event in events:
        if event["kind"] in ("step.start", "step.end"):
            step.attempt = max(step.attempt, int(event["attempt"]))
        if event["kind"] == "step.end" and step.status is Status.FAILED and event.get("error"):
            error = event["error"]
            step.error = f"{error['type']}: {error['message']}"
            step.detail = error.get("traceback") or None
