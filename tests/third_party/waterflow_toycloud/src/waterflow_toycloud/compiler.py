"""The compiler: a spec becomes a document of the toy cloud, one job a step; pure."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.artifacts import canonical
from waterflow.cloud.document import CloudDocument, Control, Wheelhouse
from waterflow.data.fingerprints import text_digest
from waterflow.packing.libraries import versions
from waterflow.project.leaks import refuse_address
from waterflow.provider import Job
from waterflow.runs import lineage
from waterflow.spec.job import leaves, step_document
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands, value_name
from waterflow_toycloud import machines

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
    return {"launch.py": (Path(__file__).parent / "job" / "launch.py").read_bytes()}


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
    return _Compiler(build, settings, profile).document()


class _Compiler:
    """One compilation."""

    def __init__(self, build: Build, settings: ToySettings, profile: Profile) -> None:
        self.build, self.settings, self.pipeline = build, settings, build.spec
        self.place = f"toy://{settings.bucket}/{settings.prefix}"
        self.tags = lineage.tags(build, PROVIDER, profile.name)
        self.control: dict[str, Control] = {}
        self.wheelhouses: dict[str, Wheelhouse] = {}
        self.rows: list[Job] = []

    def document(self) -> CloudDocument:
        """Return the document."""
        name = pipeline_name(self.settings.prefix, self.pipeline.name)
        kept = f"builds/{text_digest(json.dumps(self.tags, sort_keys=True))}.json"
        steps = list(self._steps())
        definition: dict[str, Any] = {
            "pipeline": name,
            "place": self.place,
            "waterflow": {"build": f"{self.place}/{kept}", "pipeline": self.pipeline.name},
            "parameters": {name: self._default(name) for name in self._encodings()},
            "steps": steps,
        }
        control = {step: one.launch | {"step": one.step} for step, one in self.control.items()}
        return CloudDocument(
            provider=PROVIDER,
            content={"definition": definition, "control": control},
            jobs=tuple(self.rows),
            pipeline=name,
            definition=definition,
            tags=self.tags | {"waterflow.native_pipeline": name},
            build=kept,
            control=self.control,
            wheelhouses=self.wheelhouses,
            data={uri: self._data(uri) for uri in self.build.data},
            copies={uri: self._copy(uri) for uri in self.build.data},
            none=f"{self.place}/none/none",
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
            return f"{self.place}/none/none"
        return self._data(parameter.default) if parameter.default in self.build.data else None

    def _copy(self, uri: str) -> str:
        """Return the name of the copy of outside data: of what it is, and what it is called."""
        pinned = self.build.data[uri]
        what = pinned.sha256 or pinned.version or "unpinned"
        return f"data/{text_digest(f'{uri} {what}')}"

    def _data(self, uri: str) -> str:
        return f"{self.place}/{self._copy(uri)}"

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
        for given in step.inputs.values():
            source = given.source
            if isinstance(source, spec.FromFirst):
                needs.append([option.step for option in source.options])
                continue
            items = source.items if isinstance(source, spec.FromList) else (source,)
            needs += [[item.step] for item in items if isinstance(item, spec.FromStep)]
        before = [name for group in needs for name in group]
        cached = step.cache and not isinstance(step.run, spec.Register) and self._pinned(step)
        return {
            "name": step.name,
            "after": list(dict.fromkeys([*before, *step.after, *self._when(step.branch)])),
            "when": self._sides(step.branch),
            "needs": needs,
            "job": self._job(step),
            "cache": self.settings.cache_days * _DAY if cached else None,
        }

    def _pinned(self, step: spec.Step) -> bool:
        """Say whether all outside data that a step may read is known by its content."""
        reads = any(
            isinstance(source, spec.FromData)
            or (
                isinstance(source, spec.FromParameter)
                and self.pipeline.parameters[source.name].type == "data"
            )
            for _, source in leaves(step)
        )
        return not reads or all(
            data.sha256 is not None or data.version is not None for data in self.build.data.values()
        )

    def _job(self, step: spec.Step) -> dict[str, Any]:
        machine = machines.choose(step)
        self.rows.append(Job(step=step.name, kind="job", machine=machine.name, price=machine.price))
        inputs: dict[str, Any] = {}
        launch: dict[str, Any] = {}
        arguments: list[Any] = []
        for name, source in leaves(step):
            if isinstance(source, spec.FromStep):
                inputs[f"from/{source.step}"] = {"addresses": [{"step": source.step}]}
                kind = self.pipeline.step(source.step).outputs[source.output].type
                launch[name] = {"from": source.step, "output": source.output, "type": kind}
            elif isinstance(source, spec.FromData):
                inputs[f"data/{name}"] = {"addresses": [{"address": self._data(source.uri)}]}
                launch[name] = {"data": name}
            elif self.pipeline.parameters[source.name].type == "data":
                inputs[f"data/{name}"] = {"addresses": [self._parameter(source.name)]}
                launch[name] = {"data": name}
            elif self.pipeline.parameters[source.name].static:
                text = to_text(self.pipeline.parameters[source.name].default)
                arguments.append(f"--param={name}={text}")
            else:
                arguments.append({"text": f"--param={name}=", "parameter": source.name})
        control, wheels = self._control(step, launch)
        self.control[step.name] = control
        inputs["control"] = {"addresses": [{"address": f"{self.place}/control/{control.digest}"}]}
        if wheels is not None:
            inputs["wheels"] = {"addresses": [{"address": f"{self.place}/wheels/{wheels}"}]}
        return {
            "image": self.settings.image,
            "machine": machine.name,
            "command": ["python3", "/toy/in/control/launch.py", *arguments],
            "inputs": inputs,
            "hosts": step.resources.instances,
            "spot": step.resources.spot,
        }

    def _parameter(self, name: str) -> dict[str, str]:
        parameter = self.pipeline.parameters[name]
        if not parameter.static:
            return {"parameter": name}
        none = f"{self.place}/none/none"
        return {"address": none if parameter.default is None else self._data(parameter.default)}

    # --- control --------------------------------------------------------------------------------

    def _control(self, step: spec.Step, inputs: dict[str, Any]) -> tuple[Control, str | None]:
        """Return what a job is given besides its inputs, and the digest of its wheelhouse."""
        pins, wheels = self._libraries(step)
        document = step_document(
            self.pipeline, step, execution={"variable": "WATERFLOW_EXECUTION"}, frames=True
        )
        launch = {
            "python": self.settings.python,
            "inputs": inputs,
            "outputs": sorted(step.outputs),
            "values": sorted(document["values"]),
            "checkpoint": step.resources.spot,
            "pins": pins,
            "registering": self._registering() if isinstance(step.run, spec.Register) else None,
        }
        bundle = self.build.bundles.get(step.name)
        parts = [canonical(launch), canonical(document), (bundle.digest if bundle else "").encode()]
        digest = hashlib.sha256(b"\0".join([*parts, *programs().values()])).hexdigest()
        return Control(digest=digest, source=step.name, launch=launch, step=document), wheels

    def _registering(self) -> dict[str, Any]:
        target = self.build.tracking
        refuse_address(target.uri, "MLflow")
        return {"uri": target.uri, "experiment": target.experiment, "tags": dict(self.tags)}

    def _libraries(self, step: spec.Step) -> tuple[list[str], str | None]:
        """Return what a step's jobs need, pinned, and the digest of what brings it."""
        needed = dict(self.build.versions.get(step.name, {}))
        if isinstance(step.run, spec.Register):
            needed |= versions((), ("mlflow",))
            model = step.inputs["model"].source
            if isinstance(model, spec.FromStep):
                needed |= self.build.versions.get(model.step, {})
        pins = sorted(
            f"{name}=={version}" for name, version in needed.items()
            if name != "waterflow" and not name.startswith("module ")
        )  # fmt: skip
        pins += sorted(step.environment.requirements)
        if not pins or self.settings.libraries == "image":
            return pins, None
        digest = text_digest("\n".join([PLATFORM, self.settings.python, *pins]))
        self.wheelhouses[digest] = Wheelhouse(
            platform=PLATFORM, python=self.settings.python, requirements=tuple(pins)
        )
        return pins, digest

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
            return {"step": operand.step, "key": value_name(operand)}
        parameter = self.pipeline.parameters[operand.name]
        return {"value": parameter.default} if parameter.static else {"parameter": operand.name}
