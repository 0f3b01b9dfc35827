"""One task that an executor runs: what its container reads, and what is made of what it left."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from waterflow_kfp.emulator import work as works
from waterflow_kfp.emulator.documents import made
from waterflow_kfp.emulator.errors import INTERNAL, TaskError
from waterflow_kfp.emulator.placeholders import Scope, rendered, structured
from waterflow_kfp.emulator.records import Values
from waterflow_kfp.emulator.values import checked, kind, plain, read
from waterflow_kfp.emulator.work import Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_kfp.emulator.caching import Catalogue
    from waterflow_kfp.emulator.graphs import Unit
    from waterflow_kfp.emulator.layouts import Inside, Layout
    from waterflow_kfp.emulator.records import Artifact


class Leaf:
    """One attempt at a task that a container runs.

    Args:
        unit: The task.
        executor: What runs it.
        layout: Where artifacts and files are.
        catalogue: The metadata store.
        about: What placeholders say of the run and the task.
    """

    def __init__(
        self,
        unit: Unit,
        executor: Mapping[str, Any],
        layout: Layout,
        catalogue: Catalogue,
        about: Mapping[str, str],
    ) -> None:
        self._unit, self._executor, self._layout = unit, executor, layout
        self._made: dict[str, Artifact] = {
            name: catalogue.new(
                str(spec.get("artifactType", {}).get("schemaTitle", "system.Artifact")),
                layout.uri(unit.record, name),
                cast("Mapping[str, Any]", spec.get("metadata", {})),
                str(spec.get("artifactType", {}).get("schemaVersion", "0.0.1")),
            )
            for name, spec in made(unit.component, "artifacts").items()
        }
        self.outputs = Values()
        """What it has made, once it is collected."""
        given = [one for some in unit.inputs.artifacts.values() for one in some]
        uris = {one.uri for one in (*given, *self._made.values())}
        self._scope = Scope(
            run=about,
            executor_input=self._executor_input(),
            paths={uri: layout.path(uri) for uri in uris},
        )

    def work(self, name: str, platform: Mapping[str, Any]) -> Work:
        """Return what its job is to run.

        Args:
            name: By which faults know it.
            platform: What the platform's own document says of it.

        Raises:
            TaskError: It cannot be run.
        """
        if "customJob" in self._executor:
            held = works.of_custom_job(self._executor["customJob"]["customJob"], self._scope)
        else:
            held = works.of_container(self._executor, self._scope)
        return Work(
            name=name,
            mounts=self._layout.mounts,
            platform=structured(dict(platform), self._scope),
            prepare=self._prepare,
            collect=self._collect,
            **held,
        )

    def _executor_input(self) -> dict[str, Any]:
        unit, layout = self._unit, self._layout
        document: dict[str, Any] = {"inputs": {}, "outputs": {}}
        if unit.inputs.parameters:
            document["inputs"]["parameterValues"] = plain(unit.inputs.parameters)
        if unit.inputs.artifacts:
            document["inputs"]["artifacts"] = {
                name: {"artifacts": [one.runtime() for one in some]}
                for name, some in unit.inputs.artifacts.items()
            }
        outputs = made(unit.component, "parameters")
        if outputs:
            document["outputs"]["parameters"] = {
                name: {"outputFile": layout.parameter_file(unit.record, name)} for name in outputs
            }
        if self._made:
            document["outputs"]["artifacts"] = {
                name: {"artifacts": [one.runtime()]} for name, one in self._made.items()
            }
        document["outputs"]["outputFile"] = layout.output_file(unit.record)
        return document

    # --- on this machine --------------------------------------------------------------------------

    def _prepare(self, inside: Inside) -> None:
        record, layout = self._unit.record, self._layout
        inputs = [one.uri for some in self._unit.inputs.artifacts.values() for one in some]
        files = [layout.parameter_file(record, n) for n in made(self._unit.component, "parameters")]
        files.append(layout.output_file(record))
        for file in files:  # what an earlier attempt said does not count
            inside(file).unlink(missing_ok=True)
        places = [layout.path(one.uri) for one in self._made.values()]
        layout.prepare(inside, inputs, [*files, *places])

    def _collect(self, inside: Inside) -> None:
        account = self._account(inside)
        for name, spec in made(self._unit.component, "parameters").items():
            self.outputs.parameters[name] = self._parameter(name, kind(spec), account, inside)
        said = cast("Mapping[str, Any]", account.get("artifacts", {}))
        for name, artifact in self._made.items():
            some = said.get(name, {}).get("artifacts") or [{}]
            self.outputs.artifacts[name] = [
                self._artifact(artifact, one, inside, first=number == 0)
                for number, one in enumerate(some)
            ]

    def _account(self, inside: Inside) -> Mapping[str, Any]:
        """Return the job's own account of its outputs; nothing where it left none."""
        file = inside(self._layout.output_file(self._unit.record))
        if not file.is_file():
            return {}
        try:
            account = json.loads(file.read_text("utf-8"))
        except (ValueError, OSError) as error:
            raise TaskError(f"failed to read the executor output file: {error}", INTERNAL) from None
        if not isinstance(account, dict):
            raise TaskError("failed to read the executor output file: it is no object", INTERNAL)
        return cast("Mapping[str, Any]", account)

    def _parameter(self, name: str, of: str, account: Mapping[str, Any], inside: Inside) -> Any:
        values = account.get("parameterValues") or {}
        if name in values:
            try:
                return checked(name, values[name], of)
            except TaskError as error:
                raise TaskError(str(error).replace("input", "output", 1)) from None
        legacy = (account.get("parameters") or {}).get(name)
        if legacy:
            return next(iter(legacy.values()))
        file = inside(self._layout.parameter_file(self._unit.record, name))
        try:
            return read(name, file.read_text("utf-8"), of)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise TaskError(
                f"failed to read output parameter name={name!r} type={of!r} "
                f"path={self._layout.parameter_file(self._unit.record, name)!r}: {reason}"
            ) from None

    def _artifact(
        self, artifact: Artifact, said: Mapping[str, Any], inside: Inside, *, first: bool
    ) -> Artifact:
        layout = self._layout
        uri = str(said.get("uri") or artifact.uri)
        whole = replace(
            artifact,
            name=artifact.name if first else f"{artifact.name}-{said.get('name', uri)}",
            uri=uri,
            metadata={**artifact.metadata, **plain(said.get("metadata") or {})},
            custom_path=str(said.get("customPath") or said.get("custom_path") or ""),
        )
        place = whole.custom_path or layout.path(uri)
        try:
            layout.take(inside, uri, place)
        except ValueError:  # it lies in no folder of the job's own: elsewhere
            if whole.custom_path:
                raise TaskError(
                    f"failed to upload the output artifact {artifact.uri}: its path "
                    f"{whole.custom_path} is not kept"
                ) from None
        return replace(whole, custom_path="")


def imported(
    unit: Unit,
    executor: Mapping[str, Any],
    catalogue: Catalogue,
    about: Mapping[str, str],
) -> Values:
    """Return the artifact that an importer imports: one there is already, unless it is told not to.

    Raises:
        TaskError: It has no address.
    """
    spec = cast("Mapping[str, Any]", executor["importer"])
    given = Scope(run=about, executor_input={"inputs": {"parameterValues": unit.inputs.parameters}})
    source = spec.get("artifactUri", {})
    if "runtimeParameter" in source:
        uri = unit.inputs.parameters.get(source["runtimeParameter"])
    else:
        uri = source.get("constant", next(iter(source.get("constantValue", {}).values()), None))
    if not isinstance(uri, str) or not uri:
        raise TaskError("the importer has no artifact URI")
    uri = rendered(uri, given)
    schema = spec.get("typeSchema", {})
    title = str(schema.get("schemaTitle", "system.Artifact"))
    metadata = plain(structured(dict(spec.get("metadata", {})), given))
    earlier = None if spec.get("reimport") else catalogue.find(title, uri, metadata)
    artifact = earlier or catalogue.new(
        title, uri, metadata, str(schema.get("schemaVersion", "0.0.1"))
    )
    catalogue.keep([artifact])
    names = list(made(unit.component, "artifacts")) or ["artifact"]
    return Values(artifacts={name: [artifact] for name in names})
