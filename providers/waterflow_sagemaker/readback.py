"""Reading back a pipeline definition of Waterflow's own: its origin, its steps, what caches see."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.fingerprint import Fingerprint, NativeExpression
from waterflow.cloud.service import Origin
from waterflow.cloud.states import NativeStep
from waterflow_sagemaker.caching import KEYS, duration
from waterflow_sagemaker.definition.document import is_expression, step_entries, step_path
from waterflow_sagemaker.translation.naming import REGISTERED_AT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ADDRESS: Final = re.compile(
    r"\.ModelArtifacts\.S3ModelArtifacts|\.ProcessingOutputConfig\.Outputs\['[^']*'\]\.S3Output\.S3Uri"
)
_PARAMETER: Final = "Parameters."
_STABLE: Final = ("Execution.PipelineName", "Execution.PipelineArn")
"""Variables that are the same in every execution of a pipeline."""


def origin(definition: Mapping[str, Any]) -> Origin | None:
    """Return what a definition says of its origin; None for one that is none of Waterflow's."""
    own = about(definition)
    return Origin(str(own["build"]), str(own["pipeline"])) if "build" in own else None


def about(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a definition of Waterflow's says of itself; nothing for another's."""
    return (definition.get("Metadata") or {}).get("waterflow") or {}


def natives(definition: Mapping[str, Any]) -> dict[str, NativeStep]:
    """Return the steps of a definition by native name, each after the conditions it stands on."""
    own = about(definition)
    steps: Mapping[str, str] = own.get("steps", {})
    gates: Mapping[str, str] = own.get("gates", {})
    return {
        entry.name: NativeStep(
            entry.name,
            steps.get(entry.name),
            gates.get(entry.name),
            entry.chain,
            image=_image(entry.source.get("Arguments") or {}),
        )
        for entry in step_entries(definition)
    }


def _image(arguments: Mapping[str, Any]) -> str:
    """Return the image of a job; "" for what is no job."""
    processing: Mapping[str, Any] = arguments.get("AppSpecification") or {}
    training: Mapping[str, Any] = arguments.get("AlgorithmSpecification") or {}
    return str(processing.get("ImageUri") or training.get("TrainingImage") or "")


# --- what caches see ------------------------------------------------------------------------------


def fingerprints(definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
    """Return what SageMaker's cache knows steps by, and what conditions compare.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html
    """
    return {entry.name: _fingerprint(entry.source) for entry in step_entries(definition)}


def _fingerprint(step: Mapping[str, Any]) -> Fingerprint:
    kind, arguments = step["Type"], step["Arguments"]
    if kind == "Condition":
        return Fingerprint(_marked(arguments["Conditions"]))
    caching = step.get("CacheConfig") or {}
    lifetime = None
    if caching.get("Enabled") and kind in KEYS:
        lifetime = duration(str(caching["ExpireAfter"]))
    part = {name: _marked(arguments.get(name)) for name in KEYS.get(kind, ())}
    return Fingerprint({"Type": kind, **part}, lifetime)


def _marked(part: Any) -> Any:
    """Return a part of a definition with an `NativeExpression` for each expression in it."""
    if isinstance(part, list):
        return [_marked(item) for item in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    if is_expression(fields):
        return _expression(fields)
    return {key: _marked(value) for key, value in fields.items()}


def _expression(fields: dict[str, Any]) -> NativeExpression:
    parameters: set[str] = set()
    addresses: set[str] = set()
    contents: set[str] = set()
    opaque = False
    for path, read in _references(fields):
        step = step_path(path)
        if path.startswith(_PARAMETER):
            parameters.add(path.removeprefix(_PARAMETER))
        elif step is not None:
            name, what = step
            address = not read and _ADDRESS.fullmatch(what)
            (addresses if address else contents).add(name)
        elif path not in _STABLE:
            opaque = True
    return NativeExpression(
        json.dumps(fields, sort_keys=True),
        frozenset(parameters),
        frozenset(addresses - contents),
        frozenset(contents),
        opaque,
    )


def _references(part: Any, read: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the paths of all references in an expression, and whether a file there is read."""
    if isinstance(part, list):
        for item in cast("list[Any]", part):
            yield from _references(item, read)
    elif isinstance(part, dict):
        for key, value in cast("dict[str, Any]", part).items():
            if key == "Get":
                yield str(value), read
            else:
                yield from _references(value, read or key == "Std:JsonGet")


def declared(definition: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the texts of the defaults of a definition's parameters; None for required ones."""
    return {
        str(one["Name"]): str(one["DefaultValue"]) if "DefaultValue" in one else None
        for one in definition.get("Parameters") or ()
    }


def parameter_key(definition: Mapping[str, Any], name: str, text: str) -> str | None:
    """Return what tells a parameter's value from others: SageMaker may write 1e-05 as 1.0E-5.

    Args:
        definition: The definition that declares it.
        name: The parameter.
        text: Its text.

    Returns:
        None for a text that its type cannot hold.
    """
    types = {str(one["Name"]): str(one.get("Type")) for one in definition.get("Parameters") or ()}
    kind = types.get(name, "String")
    try:
        if kind == "Float":
            return f"{kind} {float(text)!r}"
        if kind == "Integer":
            return f"{kind} {int(text)}"
    except ValueError:
        return None
    return f"{kind} {text.lower() if kind == 'Boolean' else text}"


# --- the same steps -------------------------------------------------------------------------------


def same_steps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two definitions run the same, whatever the cache may answer.

    What a register step writes down of its origins, such as the commit, is no part of that, nor
    which lost results are passed over.
    """
    old, new = (_without_origins(uncached(part["Steps"])) for part in (one, other))
    return bool(old == new)


def _without_origins(part: Any) -> Any:
    """Return a definition without the control inputs of register steps."""
    if isinstance(part, list):
        return [_without_origins(item) for item in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    environment = fields.get("Environment") or {}
    registers = REGISTERED_AT in environment
    if RENEWED in environment:  # only so that the cache passes a lost result over
        kept = {name: value for name, value in environment.items() if name != RENEWED}
        fields = {key: value for key, value in fields.items() if key != "Environment"}
        fields |= {"Environment": kept} if kept else {}
    return {
        key: [item for item in value if item["InputName"] != "control"]
        if registers and key == "ProcessingInputs"
        else _without_origins(value)
        for key, value in fields.items()
    }


RENEWED: Final = "WATERFLOW_RENEWED"
"""The job whose result was lost, as a variable: SageMaker's cache compares those."""


def renewed(part: Any, jobs: Mapping[str, str]) -> Any:
    """Return a definition in which former results of some steps do not stand for them.

    Args:
        part: The definition, or a part of it.
        jobs: Native step -> the job whose result is gone.
    """
    if isinstance(part, list):
        return [renewed(item, jobs) for item in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = {key: renewed(value, jobs) for key, value in cast("dict[str, Any]", part).items()}
    if "Type" in fields and fields.get("Name") in jobs:
        arguments = fields["Arguments"]
        variable = {RENEWED: jobs[fields["Name"]].rpartition("/")[2]}
        environment = {**arguments.get("Environment", {}), **variable}
        fields["Arguments"] = {**arguments, "Environment": environment}
    return fields


def uncached(part: Any) -> Any:
    """Return a definition in which no earlier result may stand for a step."""
    if isinstance(part, dict):
        return {
            key: {"Enabled": False} if key == "CacheConfig" else uncached(value)
            for key, value in cast("dict[str, Any]", part).items()
        }
    if isinstance(part, list):
        return [uncached(item) for item in cast("list[Any]", part)]
    return part
