"""What all steps of one compilation into a pipeline spec share: names, addresses, libraries."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.cloud.control import programs_digest
from waterflow.cloud.libraries import Libraries, Pinner
from waterflow.cloud.naming import value_keys
from waterflow.cloud.planning import EXECUTION, Planning, entry_name
from waterflow.runtime.contract import COUNT as RUNTIME_COUNT
from waterflow.spec.job import step_document
from waterflow.spec.references import sources
from waterflow_kfp import naming
from waterflow_kfp.naming import COUNT, ITEM, ITEMS, TaskNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.document import Encoding
    from waterflow.cloud.job_tracking import JobTracking
    from waterflow.provider import Build
    from waterflow_kfp.dialect import Dialect


class KfpPlanning(Planning):
    """One compilation into a pipeline spec.

    Args:
        build: The spec and what was found about its code and data.
        dialect: The service that it is for.
        mlflow: What its jobs are told of MLflow.
        encodings: How each parameter that is native travels.
        kept: The key, below the profile's prefix, under which the build is kept.

    Attributes:
        native: Step -> its task.
        gates: Gate -> its native name.
        parts: Step that has a job for each item -> its tasks beside its own, by what they do.
        counted: Step -> outputs whose items it counts, as they are to have jobs: output -> the step
            with these jobs.
        shown: Step -> what a step of the spec is called here.
    """

    def __init__(
        self,
        build: Build,
        dialect: Dialect,
        mlflow: JobTracking,
        encodings: Mapping[str, Encoding],
        kept: str,
    ) -> None:
        super().__init__(
            build,
            dialect.settings,
            base=dialect.base,
            schemes=dialect.schemes,
            entry_name=entry_name,
            longest_image=dialect.longest_image,
            mlflow=mlflow,
            encodings=encodings,
        )
        self.dialect, self.kept = dialect, kept
        # Vertex AI has the file of an output parameter beside the folders of output artifacts.
        self._keys = {
            name: value_keys(keys, {*(self.steps[name].metrics or ()), *self.steps[name].outputs})
            for name, keys in self._keys.items()
        }
        self.names = TaskNames()
        self.native = {step.name: self.names.take(step.name) for step in build.spec.steps}
        self.gates = {gate.name: self.names.take(gate.name) for gate in build.spec.gates}
        self.parts = {
            step.name: {
                part: self.names.take(f"{step.name}-{part}") for part in (COUNT, ITEMS, ITEM)
            }
            for step in build.spec.steps
            if has_jobs(step)
        }
        self.counted = self._counted()
        self.gate = {gate.name: gate for gate in build.spec.gates}
        self.pinner = Pinner(build, dialect.shipping)
        self._libraries: dict[str, tuple[str, str | None, Libraries]] = {}

    def _counted(self) -> dict[str, dict[str, str]]:
        """Return which steps themselves tell of how many items their outputs are."""
        counted: dict[str, dict[str, str]] = {}
        for name in self.parts:
            source = self.list_of(self.steps[name])
            if self.is_counted(source):
                assert isinstance(source, spec.FromStep)  # noqa: S101 - none else is counted
                counted.setdefault(source.step, {}).setdefault(source.output, name)
        return counted

    @staticmethod
    def list_of(step: spec.Step) -> spec.Source:
        """Return where a map takes its items from."""
        assert isinstance(step.run, spec.Function)  # noqa: S101 - only functions are mapped
        return step.inputs[str(step.run.over)].source

    def is_counted(self, source: spec.Source) -> bool:
        """Say whether the step that makes a list tells of how many items it is."""
        return (
            isinstance(source, spec.FromStep)
            and source.key is None
            and isinstance(self.steps[source.step].run, spec.Function)
        )

    @property
    def none(self) -> str:
        """What an optional data parameter points to when there is none: a folder."""
        return self.uri("none")

    @cached_property
    def programs(self) -> str:
        """What stands for the programs of jobs in the digests of control inputs."""
        return programs_digest(self.dialect.programs.values())

    def chain(self, branch: spec.Branch | None) -> tuple[spec.Branch, ...]:
        """Return the sides of gates on which something stands, outermost first."""
        if branch is None:
            return ()
        return (*self.chain(self.gate[branch.gate].within), branch)

    def image(self, step: spec.Step) -> tuple[str, str | None, Libraries]:
        """Return a step's image, its Python (None for a program) and what is installed in it.

        Raises:
            ConfigurationError: The profile does not fit the step.
            UnsupportedFeatureError: Its requirements cannot be brought.
        """
        if step.name not in self._libraries:
            own = self.dialect.own(self.pipeline.name, step.name)
            image, python = self.environment(step, own, self.dialect.image)
            libraries = Libraries() if python is None else self.pinner.of(step, python)
            self._libraries[step.name] = image, python, libraries
        return self._libraries[step.name]

    def is_cached(self, step: spec.Step) -> bool:
        """Say whether an earlier result may stand for a step."""
        return step.cache and not isinstance(step.run, spec.Register) and self.is_pinned(step)

    def step_document(self, step: spec.Step, part: str = "") -> dict[str, Any]:
        """Return the STEP.json of a step, or of one part of it.

        Args:
            step: The step, as its job has it.
            part: What the job does of it, in the runtime's words; "" for all of it.
        """
        reads = bool(step.environment.secrets) and self.dialect.secrets
        document = step_document(
            self.part(step),
            step,
            execution=EXECUTION,
            frames=True,
            secrets_from={"resolver": "waterflow_secrets:read"} if reads else None,
        )
        if part:
            document["run"]["part"] = part
        if part == COUNT:
            document["values"] = {RUNTIME_COUNT: self._length("", step.name)}
        elif part == ITEM:
            document["values"] = {}
        else:
            document["values"] |= {
                naming.count(output): self._length(output, consumer)
                for output, consumer in self.counted.get(step.name, {}).items()
            }
        return document

    def _length(self, output: str, consumer: str) -> dict[str, Any]:
        """Return how STEP.json says that the length of a list is to be told."""
        return {"output": output, "counts": consumer, "most": self.dialect.most_items}

    @cached_property
    def unsure(self) -> frozenset[str]:
        """The steps that may run and yet make nothing.

        They take the first of several outputs of which perhaps none is made, or what such a step
        makes: their jobs begin, and leave manifests that say skipped.
        """
        names: set[str] = set()
        for step in self.pipeline.steps:
            for input_ in step.inputs.values():
                if isinstance(input_.source, spec.FromFirst):
                    if not self.is_complete(step, input_.source):
                        names.add(step.name)
                elif any(
                    isinstance(one, spec.FromStep) and one.step in names
                    for one in sources(input_.source)
                ):
                    names.add(step.name)
        return frozenset(names)

    def is_complete(self, step: spec.Step, source: spec.FromFirst) -> bool:
        """Say whether of several outputs exactly one is made wherever a step runs."""
        if len({(one.key, self.is_raw(one)) for one in source.options}) > 1:
            return False
        chains = self.beyond(step, source)
        return _covers([[(b.gate, b.then) for b in chain] for chain in chains])

    def beyond(self, step: spec.Step, source: spec.FromFirst) -> list[tuple[spec.Branch, ...]]:
        """Return the sides on which each of several outputs is made, and a step does not stand."""
        here = self.chain(step.branch)
        chains = [self.chain(self.steps[one.step].branch) for one in source.options]
        shared = 0
        while all(chain[shared : shared + 1] == here[shared : shared + 1] for chain in chains):
            if shared == len(here):
                break
            shared += 1
        return [chain[shared:] for chain in chains]


def has_jobs(step: spec.Step) -> bool:
    """Say whether a step is a map that has a job for each item."""
    run = step.run
    return isinstance(run, spec.Function) and run.over is not None and run.fan_out == "jobs"


def _covers(chains: list[list[tuple[str, bool]]]) -> bool:
    """Say whether of the sides of gates exactly one is taken, whatever the gates decide."""
    if len(chains) == 1 and not chains[0]:
        return True
    if not chains or not all(chains) or len({chain[0][0] for chain in chains}) > 1:
        return False
    return all(
        _covers([chain[1:] for chain in chains if chain[0][1] is side]) for side in (True, False)
    )
