"""The compiler: a spec becomes a document of the toy cloud, one job a step; pure."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from waterflow import spec
from waterflow.cloud import machines
from waterflow.cloud.control import LAUNCH, control_digest, job_programs, programs_digest
from waterflow.cloud.document import CloudDocument, Control
from waterflow.cloud.libraries import Libraries, Pinner, Shipping
from waterflow.cloud.planning import Planning
from waterflow.cloud.settings import check_steps, of_step
from waterflow.data.fingerprints import text_digest
from waterflow.project.leaks import refuse_address
from waterflow.provider import PlannedJob
from waterflow.runs import lineage
from waterflow.spec.job import leaves, step_document
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands, value_name
from waterflow_toycloud import limits
from waterflow_toycloud.machines import table
from waterflow_toycloud.profile import ToyStepSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.project.profile import Profile
    from waterflow.provider import Build
    from waterflow_toycloud.profile import ToySettings

PROVIDER: Final = "toycloud"
PLATFORM: Final = "manylinux_2_28_x86_64"
_DAY: Final = 86_400


@cache
def programs() -> Mapping[str, bytes]:
    """Return the programs that travel with every step."""
    return job_programs(Path(__file__).parent / "job" / "place.py", {})


def pipeline_name(prefix: str, pipeline: str) -> str:
    """Return the name under which the toy cloud knows a pipeline."""
    return f"{prefix}-{pipeline}"


def compile_toy(build: Build, settings: ToySettings, profile: Profile) -> CloudDocument:
    """Translate a pipeline.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        profile: The profile.

    Raises:
        UnsupportedFeatureError: No machine offers what a step asks for.
    """
    check_steps(settings, build.spec, profile.name)
    return _Compiler(build, settings, profile).document()


def _entry_name(uri: str) -> str:
    """Return the name of the file or folder that an address of data names."""
    path = unquote(urlsplit(uri).path) if "://" in uri else uri
    return path.rstrip("/").rpartition("/")[2] or "data"


class _Compiler(Planning):
    """One compilation."""

    def __init__(self, build: Build, settings: ToySettings, profile: Profile) -> None:
        self.place = f"toy://{settings.bucket}/{settings.prefix}"
        super().__init__(
            build,
            settings,
            base=self.place,
            schemes=("toy",),
            entry_name=_entry_name,
            longest_image=limits.IMAGE.most,
        )
        self.settings = settings
        self.tags = lineage.tags(build, PROVIDER, profile.name)
        self.pinner = Pinner(
            build,
            Shipping(
                provider=PROVIDER,
                wheels=settings.libraries == "wheelhouse",
                platform=PLATFORM,
                tracking=("mlflow",),
                secrets=(),
            ),
        )
        self.control: dict[str, Control] = {}
        self.rows: list[PlannedJob] = []

    def document(self) -> CloudDocument:
        """Return the document."""
        name = pipeline_name(self.settings.prefix, self.pipeline.name)
        kept = f"builds/{text_digest(json.dumps(self.tags, sort_keys=True))}.json"
        steps = list(self._steps())
        definition: dict[str, Any] = {
            "pipeline": name,
            "place": self.place,
            "waterflow": {"build": self.uri(kept), "pipeline": self.pipeline.name},
            "parameters": {name: self._default(name) for name in self._encodings()},
            "steps": steps,
        }
        control = {step: one.launch | {"step": one.step} for step, one in self.control.items()}
        return CloudDocument(
            provider=PROVIDER,
            content={"definition": definition, "control": control},
            jobs=tuple(self.rows),
            notes=tuple(self.unpinned_note()),
            pipeline=name,
            definition=definition,
            tags=self.tags | {"waterflow.native_pipeline": name},
            build=kept,
            control=self.control,
            wheelhouses=self.pinner.wheelhouses,
            data={uri: self.data(uri) for uri in self.build.data},
            copies={uri: key for uri in self.build.data if (key := self.copy_of(uri)) is not None},
            none=self.none,
            encodings=self._encodings(),
        )

    # --- parameters and data --------------------------------------------------------------------

    def _encodings(self) -> dict[str, Any]:
        return {
            name: "data" if parameter.type == "data" else "json"
            for name, parameter in self.pipeline.parameters.items()
            if not parameter.static
        }

    def _default(self, name: str) -> str | None:
        parameter = self.pipeline.parameters[name]
        if parameter.required:
            return None
        if parameter.type != "data":
            return to_text(parameter.default)
        if parameter.default is None:
            return self.none
        return self.data(parameter.default) if parameter.default in self.build.data else None

    # --- steps ----------------------------------------------------------------------------------

    def _steps(self) -> Iterator[dict[str, Any]]:
        """Yield the native steps, each after all that it waits for."""
        yielded: set[str] = set()
        for step in self.pipeline.steps:
            yield from self._gates(step.branch, yielded)
            yield self._step(step)

    def _gates(self, branch: spec.Branch | None, yielded: set[str]) -> Iterator[dict[str, Any]]:
        if branch is None or branch.gate in yielded:
            return
        gate = next(gate for gate in self.pipeline.gates if gate.name == branch.gate)
        yield from self._gates(gate.within, yielded)
        yielded.add(gate.name)
        reads = [one.step for one in operands(gate.condition) if isinstance(one, spec.FromStep)]
        yield {
            "name": f"gate {gate.name}",
            "after": [*dict.fromkeys(reads), *self._when(gate.within)],
            "when": list(self._sides(gate.within)),
            "needs": [[name] for name in dict.fromkeys(reads)],
            "condition": self._condition(gate.condition),
        }

    def _sides(self, branch: spec.Branch | None) -> list[list[Any]]:
        """Return the gates behind which something stands, outermost first, and their sides."""
        if branch is None:
            return []
        gate = next(gate for gate in self.pipeline.gates if gate.name == branch.gate)
        return [*self._sides(gate.within), [f"gate {branch.gate}", branch.then]]

    def _when(self, branch: spec.Branch | None) -> list[str]:
        return [gate for gate, _ in self._sides(branch)]

    def _step(self, step: spec.Step) -> dict[str, Any]:
        needs: list[list[str]] = []
        for argument in step.inputs.values():
            source = argument.source
            if isinstance(source, spec.FromFirst):
                needs.append([option.step for option in source.options])
                continue
            items = source.items if isinstance(source, spec.FromList) else (source,)
            needs += [[item.step] for item in items if isinstance(item, spec.FromStep)]
        before = [name for group in needs for name in group]
        cached = step.cache and not isinstance(step.run, spec.Register) and self.is_pinned(step)
        return {
            "name": step.name,
            "after": list(dict.fromkeys([*before, *step.after, *self._when(step.branch)])),
            "when": self._sides(step.branch),
            "needs": needs,
            "job": self._job(step),
            "cache": self.settings.cache_days * _DAY if cached else None,
        }

    def _job(self, step: spec.Step) -> dict[str, Any]:
        own = of_step(self.settings.steps, ToyStepSettings(), self.pipeline.name, step.name)
        machine = self._machine(step, own)
        self.rows.append(
            PlannedJob(step=step.name, kind="job", machine=machine.type, price=machine.price)
        )
        image, python = self.environment(step, own, lambda version: f"python:{version}")
        inputs: dict[str, Any] = {}
        launch: dict[str, Any] = {}
        arguments: list[Any] = []
        for name, source in leaves(step):
            if isinstance(source, spec.FromStep):
                inputs[f"from/{source.step}"] = {"addresses": [{"step": source.step}]}
                kind = self.pipeline.step(source.step).outputs[source.output].type
                launch[name] = {"from": source.step, "output": source.output, "type": kind}
            elif isinstance(source, spec.FromData):
                inputs[f"data/{name}"] = {"addresses": [{"address": self.data(source.uri)}]}
                launch[name] = {"data": name, "optional": False}
            elif self.pipeline.parameters[source.name].type == "data":
                inputs[f"data/{name}"] = {"addresses": [self._parameter(source.name)]}
                optional = self.pipeline.parameters[source.name].optional
                launch[name] = {"data": name, "optional": optional}
            elif self.pipeline.parameters[source.name].static:
                text = to_text(self.pipeline.parameters[source.name].default)
                arguments.append(f"--param={name}={text}")
            else:
                arguments.append({"text": f"--param={name}=", "parameter": source.name})
        python = python or self.build.python
        libraries = self.pinner.of(step, python)
        control = self._control(step, launch, libraries, python)
        self.control[step.name] = control
        inputs["control"] = {"addresses": [{"address": self.uri(f"control/{control.digest}")}]}
        if libraries.wheels is not None:
            inputs["wheels"] = {"addresses": [{"address": self.uri(f"wheels/{libraries.wheels}")}]}
        return {
            "image": image,
            "machine": machine.type,
            "command": ["python3", f"/toy/in/control/{LAUNCH}", *arguments],
            "inputs": inputs,
            "hosts": step.resources.instances,
            "spot": step.resources.spot,
        }

    def _parameter(self, name: str) -> dict[str, str]:
        parameter = self.pipeline.parameters[name]
        if not parameter.static:
            return {"parameter": name}
        default = parameter.default
        return {"address": self.none if default is None else self.data(default)}

    def _machine(self, step: spec.Step, own: ToyStepSettings) -> machines.Machine:
        """Return the machine that the profile names for a step, or the cheapest that fits.

        Raises:
            UnsupportedFeatureError: None fits.
        """
        known = table().machines
        if own.machine is not None:
            return machines.named(known, own.machine, step.resources, step.name)
        allowed = [known[name] for name in self.settings.machines or known]
        machine = machines.cheapest(allowed, step.resources)
        if machine is None:
            raise machines.no_machine(
                allowed, step.resources, step.name, provider=PROVIDER, job="a job"
            )
        return machine

    # --- control --------------------------------------------------------------------------------

    def _control(
        self, step: spec.Step, inputs: dict[str, Any], libraries: Libraries, python: str
    ) -> Control:
        """Return what a job is given besides its inputs."""
        document = step_document(
            self.part(step), step, execution={"variable": "WATERFLOW_EXECUTION"}, frames=True
        )
        launch = {
            "version": 1,
            "python": python,
            "inputs": inputs,
            "mounts": {
                entry["from"]: entry["from"] for entry in inputs.values() if "from" in entry
            },
            "outputs": sorted(step.outputs),
            "values": self.keys(step.name),
            "checkpoint": step.resources.spot,
            "wheels": libraries.wheels is not None,
            "pins": list(libraries.pins),
            "registering": self._registering() if isinstance(step.run, spec.Register) else None,
        }
        target = self.build.tracking
        if self.build.speaks_to_mlflow(step.name) and target.uri.startswith("http"):
            launch["tracking"] = {"uri": target.uri, "experiment": target.experiment}
        code = self.build.code(step.name)
        digest = control_digest(launch, document, code, programs_digest(programs().values()))
        return Control(digest=digest, source=step.name, launch=launch, step=document)

    def _registering(self) -> dict[str, Any]:
        target = self.build.tracking
        refuse_address(target.uri, "MLflow")
        return {"uri": target.uri, "experiment": target.experiment, "tags": dict(self.tags)}

    # --- conditions -----------------------------------------------------------------------------

    def _condition(self, condition: spec.Condition) -> dict[str, Any]:
        if isinstance(condition, spec.Compare):
            return {
                "left": self._operand(condition.left),
                "operator": condition.operator,
                "right": self._operand(condition.right),
            }
        if isinstance(condition, spec.Not):
            return {"not": self._condition(condition.part)}
        word = "all" if isinstance(condition, spec.All) else "any"
        return {word: [self._condition(part) for part in condition.parts]}

    def _operand(self, operand: spec.Operand) -> dict[str, Any]:
        if isinstance(operand, spec.FromValue):
            return {"value": operand.value}
        if isinstance(operand, spec.FromStep):
            key = self.keys(operand.step)[value_name(operand)]
            return {"step": operand.step, "key": key}
        parameter = self.pipeline.parameters[operand.name]
        return {"value": parameter.default} if parameter.static else {"parameter": operand.name}
