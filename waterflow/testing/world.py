"""A project of the kit's own, the provider under test in it, and the runs that tests share."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import WaterflowError
from waterflow.project import state_folder
from waterflow.provider import discovery
from waterflow.runs import submit as submitting
from waterflow.runs.plan import make_plan
from waterflow.tracking.store import default_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.language.pipeline import Call
    from waterflow.provider import Build, Capabilities, Document
    from waterflow.provider.state import RunState, Status
    from waterflow.runs.plan import Plan
    from waterflow.runs.run import Run

PROFILE: Final = "conformance"
PATIENCE: Final = 300.0
"""Seconds that a run may take."""

_SOURCES: Final = Path(__file__).with_name("pipelines")


class World:
    """A temporary project with the kit's pipelines.

    Args:
        root: Its folder, empty.
        profile: The profile's table: `provider`, and its settings.
    """

    def __init__(self, root: Path, profile: Mapping[str, Any]) -> None:
        import tomlkit

        self.root = root.resolve()
        settings = tomlkit.dumps({"profiles": {PROFILE: dict(profile)}})  # pyright: ignore[reportUnknownMemberType]
        (self.root / "waterflow.toml").write_text(settings)
        for source in _SOURCES.glob("kit_*.py"):
            shutil.copyfile(source, self.root / source.name)
        self.provider = discovery.open_provider(self.root, PROFILE)
        self.started: dict[str, Run] = {}
        self.seen: dict[str, list[Status]] = {}
        self.foretold: dict[str, dict[str, str]] = {}
        self.plans: dict[str, Plan] = {}
        self._finished: dict[str, RunState] = {}

    def close(self) -> None:
        """Stop what still runs."""
        for run in self.started.values():
            if run.id not in self._finished:
                with contextlib.suppress(WaterflowError):
                    run.cancel()

    # --- the project ----------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What the provider says that it can do."""
        return self.provider.capabilities

    def path(self, name: str) -> Path:
        """Return a file of the test's own, outside of the project's code."""
        folder = self.root / "holds"
        folder.mkdir(exist_ok=True)
        return folder / name

    @contextlib.contextmanager
    def code(self) -> Any:
        """Make the project's modules importable, as it is now, while the block runs."""
        names = [source.stem for source in _SOURCES.glob("kit_*.py")]
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        for name in names:
            sys.modules.pop(name, None)
        try:
            yield
        finally:
            sys.path.remove(str(self.root))
            for name in names:
                sys.modules.pop(name, None)

    def module(self, name: str) -> Any:
        """Return one of the project's modules, for what it says and not to run it."""
        with self.code():
            return importlib.import_module(name)

    def call(self, pipeline: str, **parameters: Any) -> Call:
        """Return one of the kit's pipelines with parameters."""
        with self.code():
            module: Any = importlib.import_module("kit_pipelines")
            return getattr(module, pipeline)(**parameters)

    def compile(self, pipeline: str, **parameters: Any) -> tuple[Build, Document]:
        """Compile one of the kit's pipelines."""
        with self.code():
            module: Any = importlib.import_module("kit_pipelines")
            call = getattr(module, pipeline)(**parameters)
            _, build, document = submitting.compile_call(call, self.root, PROFILE)
        return build, document

    # --- runs -----------------------------------------------------------------------------------

    def submit(self, call: Call, **how: Any) -> Run:
        """Start a run."""
        with self.code():
            run = submitting.submit(call, profile=PROFILE, root=self.root, **how)
        self.started[run.id] = run
        return run

    def foretell(self, key: str, pipeline: str, **parameters: Any) -> None:
        """Keep what the plan of a run says that its steps will do, but for what it leaves open."""
        with self.code():
            plan = make_plan(self.call(pipeline, **parameters), self.root, PROFILE)
        self.plans[key] = plan
        self.foretold[key] = {
            step.name: step.cache for step in plan.steps if step.cache != "unknown"
        }

    def start(self, key: str, pipeline: str, **parameters: Any) -> Run:
        """Start a run once for all tests that name the same key."""
        if key not in self.started:
            self.keep(key, self.submit(self.call(pipeline, **parameters)))
        return self.started[key]

    def state(self, run: Run) -> RunState:
        """Look at a run, and remember what it was seen to be."""
        state = run.state
        self.seen.setdefault(run.id, []).append(state.status)
        return state

    def keep(self, key: str, run: Run) -> None:
        """Give a run a key, so that `start` finds it."""
        self.started[key] = self.started.pop(run.id)

    def finish(self, run: Run) -> RunState:
        """Wait for a run's end, whichever it is, and for its tracking."""
        until = time.monotonic() + PATIENCE
        while run.id not in self._finished:
            state = self.state(run)
            if state.status.final and not state.sending:
                self._finished[run.id] = run.settle(state)
            elif time.monotonic() > until:
                raise TimeoutError(f"run {run.id} has not ended: {state}")
            time.sleep(0.1)
        return self._finished[run.id]

    def execution(self, run: Run) -> str:
        """Return the id by which a run's jobs, and so MLflow, know it."""
        return run.state.execution or run.id

    def values(self, run: Run) -> dict[str, Any]:
        """Return all artifacts of plain data by `step` or `step.output`."""
        values: dict[str, Any] = {}
        for artifact in run.artifacts():
            if artifact.sha256 is not None and artifact.type in PLAIN:
                name = (
                    artifact.step
                    if artifact.output == "output"
                    else f"{artifact.step}.{artifact.output}"
                )
                values[name] = run.artifact(f"{artifact.step}.{artifact.output}").load()
        return values

    def digests(self, run: Run) -> dict[tuple[str, str], str | None]:
        """Return the digest of each artifact."""
        return {(one.step, one.output): one.sha256 for one in run.artifacts()}

    # --- tracking -------------------------------------------------------------------------------

    def mlflow(self, run: Run) -> Any:
        """Return MLflow's own client for the store that a run writes to."""
        from mlflow import MlflowClient

        uri = run.state.tracking_uri or self.provider.profile.tracking_uri
        uri = uri or default_uri(state_folder(self.root))
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def tracked(self, run: Run) -> tuple[Any, dict[tuple[str, int], Any]]:
        """Return a run in MLflow, and its children by step and attempt."""
        if run.state.unsent:
            # A busy machine may outlast a run's patience with tracking: nothing is lost then.
            self.provider.sync(run.id)
        client = self.mlflow(run)
        experiments = [one.experiment_id for one in client.search_experiments()]
        condition = f"tags.`waterflow.execution` = '{self.execution(run)}'"
        entries = list(client.search_runs(experiments, condition, max_results=1000))
        entries = [one for one in entries if "waterflow.nested" not in one.data.tags]
        parents = [one for one in entries if "waterflow.step" not in one.data.tags]
        if len(parents) != 1:
            raise AssertionError(f"run {run.id} has {len(parents)} runs of its own in MLflow")
        children = {
            (one.data.tags["waterflow.step"], int(one.data.tags["waterflow.attempt"])): one
            for one in entries
            if "waterflow.step" in one.data.tags
        }
        if len(children) != len(entries) - 1:
            raise AssertionError(f"run {run.id}: some attempt has several runs in MLflow")
        return parents[0], children

    def nested(self, run: Run) -> list[Any]:
        """Return the runs in MLflow that the steps of a run have started within their own."""
        self.tracked(run)  # which sends what is left
        client = self.mlflow(run)
        experiments = [one.experiment_id for one in client.search_experiments()]
        execution = f"tags.`waterflow.execution` = '{self.execution(run)}'"
        return list(
            client.search_runs(experiments, f"{execution} and tags.`waterflow.kind` = 'nested'")
        )


PLAIN: Final = ("integer", "number", "boolean", "string", "json", "null", "metrics")
"""Artifact types that are plain data."""
