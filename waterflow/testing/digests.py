"""The reference: a pipeline run in this process, step after step, for the digests it gives."""

from __future__ import annotations

import contextlib
import tempfile
import typing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waterflow import artifacts, spec
from waterflow.artifacts import Context, by_name, type_name
from waterflow.artifacts.plain import as_value, entry, fitted, rebuild
from waterflow.language.signature import without_none
from waterflow.spec.conditions import SKIPPED, holds
from waterflow.spec.parameters import resolve
from waterflow.spec.references import branches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from waterflow.language.pipeline import Call

Key = tuple[str, str]
"""A step's name and its output's."""


def reference_digests(call: Call, folder: Path) -> dict[Key, str | None]:
    """Run a pipeline of function steps without outside data, and return its artifacts' digests.

    Args:
        call: The pipeline with parameters.
        folder: An empty folder for the artifacts.

    Returns:
        (step, output) -> sha256, or None for what was skipped.
    """
    return _Reference(call, folder).run()


class _Reference:
    """One such run."""

    def __init__(self, call: Call, folder: Path) -> None:
        self.call, self.folder = call, folder
        self.pipeline = call.spec
        self.parameters = resolve(call.spec, call.parameters)
        self.manifests: dict[Key, artifacts.Manifest] = {}
        self.gates = {gate.name: gate.condition for gate in call.spec.gates}
        self.context = Context(call.spec.trusted_types)

    def run(self) -> dict[Key, str | None]:
        for step in self.pipeline.steps:
            arguments = self._arguments(step) if self._open(step) else None
            if arguments is None:
                for name, output in step.outputs.items():
                    self.manifests[step.name, name] = artifacts.seal_skipped(
                        self._place(step.name, name), output.type
                    )
            else:
                self._step(step, arguments)
        return {key: manifest.sha256 for key, manifest in self.manifests.items()}

    def _place(self, step: str, output: str) -> Path:
        return self.folder / step / output

    def _function(self, step: spec.Step) -> Callable[..., Any]:
        return self.call.steps[step.name].function

    # --- gates ----------------------------------------------------------------------------------

    def _open(self, step: spec.Step) -> bool:
        return all(
            holds(self.gates[branch.gate], self._scalar) is branch.then
            for branch in branches(self.pipeline, step.branch)
        )

    def _scalar(self, operand: spec.Operand) -> Any:
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return self.parameters[operand.name]
        manifest = self.manifests[operand.step, operand.output]
        return SKIPPED if manifest.skipped else self._load(operand, Any)

    # --- arguments ------------------------------------------------------------------------------

    def _arguments(self, step: spec.Step) -> dict[str, Any] | None:
        """Return a step's arguments; None when something that it needs was skipped."""
        run = step.run
        over = run.over if isinstance(run, spec.Function) else None
        hints = typing.get_type_hints(self._function(step))
        values: dict[str, Any] = {}
        for name, argument in step.inputs.items():
            annotation = hints[name]
            source = argument.source
            if isinstance(source, spec.FromFirst):
                source = next((one for one in source.options if not self._skipped(one)), None)
            if source is None or self._skipped(source):
                return None
            values[name] = self._value(source, list[annotation] if name == over else annotation)
        return values

    def _skipped(self, source: spec.Source) -> bool:
        if isinstance(source, spec.FromList):
            return any(self._skipped(item) for item in source.items)
        return (
            isinstance(source, spec.FromStep) and self.manifests[source.step, source.output].skipped
        )

    def _value(self, source: spec.Source, annotation: Any) -> Any:
        if isinstance(source, spec.FromStep):
            return self._load(source, annotation)
        if isinstance(source, spec.FromList):
            inner = (typing.get_args(without_none(annotation)[0]) or (Any,))[0]
            return [self._value(item, inner) for item in source.items]
        if isinstance(source, spec.FromParameter):
            value = self.parameters[source.name]
        elif isinstance(source, spec.FromValue):
            value = as_value(source.value, annotation)
        else:
            raise TypeError(f"the reference run does not read {source}")
        return None if value is None else rebuild(value, annotation)

    def _load(self, source: spec.FromStep, annotation: Any) -> Any:
        folder = self._place(source.step, source.output)
        declared = type_name(annotation) if source.key is None else None
        kind = self.manifests[source.step, source.output].type
        serializer = by_name(kind if declared in (None, "any") else str(declared))
        value: Any = serializer.load(folder, Any if source.key else annotation, self.context)
        return value if source.key is None else fitted(entry(value, source.key), annotation)

    # --- the call -------------------------------------------------------------------------------

    def _step(self, step: spec.Step, arguments: dict[str, Any]) -> None:
        function = self._function(step)
        over = step.run.over if isinstance(step.run, spec.Function) else None
        with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
            if over is None:
                result: Any = function(**arguments)
            else:
                items = arguments.pop(over)
                result = [function(**arguments, **{over: item}) for item in items]
                named = self.call.steps[step.name].signature.named
                if named is not None:
                    result = named(
                        *([one[at] for one in result] for at in range(len(step.outputs)))
                    )
            declared = self._declared(step, over)
            single = list(step.outputs) == ["output"] and not hasattr(result, "_fields")
            for name, output in step.outputs.items():
                folder = self._place(step.name, name)
                folder.mkdir(parents=True)
                value = result if single else getattr(result, name)
                context = replace(self.context, declared=declared[name])
                by_name(output.type).save(value, folder, context)
                self.manifests[step.name, name] = artifacts.seal(folder, output.type)

    def _declared(self, step: spec.Step, over: str | None) -> dict[str, Any]:
        """Return what the function says of each output."""
        returned: Any = typing.get_type_hints(self._function(step)).get("return", Any)
        several = hasattr(returned, "_fields")
        said = typing.get_type_hints(returned) if several else dict.fromkeys(step.outputs, returned)
        return said if over is None else {name: list[one] for name, one in said.items()}
