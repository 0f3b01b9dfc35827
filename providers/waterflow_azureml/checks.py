"""A pipeline job against Azure ML's schema and limits, offline and without its SDK.

The tables here say what of azure-ai-ml's schema Waterflow writes: a test holds every name and every
choice in them against the SDK's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_azureml import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.limits import Bound

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "pipeline": frozenset({
        "$schema", "type", "display_name", "experiment_name", "description", "tags", "inputs",
        "settings", "jobs",
    }),
    "settings": frozenset({
        "default_compute", "default_datastore", "continue_on_step_failure", "force_rerun",
    }),
    "node": frozenset({
        "type", "display_name", "properties", "component", "environment_variables", "compute",
        "resources", "queue_settings", "limits", "identity", "inputs", "outputs",
    }),
    "component": frozenset({
        "type", "display_name", "is_deterministic", "command", "environment", "inputs", "outputs",
        "distribution",
    }),
    "environment": frozenset({"image", "conda_file"}),
    "resources": frozenset({"instance_type", "instance_count", "shm_size"}),
    "queue_settings": frozenset({"job_tier"}),
    "limits": frozenset({"timeout"}),
    "identity": frozenset({"type", "client_id"}),
    "pytorch": frozenset({"type", "process_count_per_instance"}),
    "mpi": frozenset({"type", "process_count_per_instance"}),
    "tensorflow": frozenset({"type", "worker_count"}),
}  # fmt: skip
"""Part of a pipeline job -> the fields that it may have here."""
CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "job_tier": frozenset({"spot"}),
    "distribution": frozenset({"pytorch", "mpi", "tensorflow"}),
    "identity": frozenset({"managed"}),
    "input mode": frozenset({"ro_mount", "download"}),
    "output mode": frozenset({"upload", "rw_mount"}),
    "folder": frozenset({"uri_folder"}),
    "literal": frozenset({"string"}),
}
"""What a field may be here."""
KEY: Final = re.compile(r"[a-z_][a-z0-9_]*")
"""A node's name: "a valid python identifier (lower letters, numbers, underscore)"."""
_PARENT: Final = re.compile(
    r"\$\{\{parent\.(?:inputs\.(?P<input>\w+)|jobs\.(?P<job>\w+)\.outputs\.(?P<output>\w+))\}\}"
)
_OWN: Final = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
_EXPRESSION: Final = re.compile(r"\$\{\{.*?\}\}")


def document_errors(definition: Mapping[str, Any]) -> list[str]:
    """Return what Azure ML would refuse of a pipeline job, a line each.

    Args:
        definition: The pipeline job, as `az ml job create` takes it.
    """
    errors = [*_unknown("the pipeline job", "pipeline", definition)]
    errors += _unknown("settings", "settings", definition["settings"])
    errors += _lengths(definition)
    before: dict[str, Mapping[str, Any]] = {}
    for name, node in definition["jobs"].items():
        if not KEY.fullmatch(name):
            errors.append(f"step '{name}': a node's name has lower-case letters, digits and _ only")
        errors += [f"step '{name}': {error}" for error in _node(definition, name, node, before)]
        before[name] = node
    return errors


def submission_errors(definition: Mapping[str, Any], parameters: Mapping[str, str]) -> list[str]:
    """Return what Azure ML would refuse of a run's parameters, a line each.

    Args:
        definition: The pipeline job.
        parameters: Name -> the text that it travels as, before it is quoted.
    """
    inputs: Mapping[str, Any] = definition.get("inputs") or {}
    errors = [
        f"the pipeline has no parameter '{name}'" for name in parameters if name not in inputs
    ]
    for name, text in parameters.items():
        errors += _longer(limits.PARAMETER, len(text), f"parameter '{name}'")
        if text.endswith("\n"):  # what a shell reads of a program loses its last line breaks
            errors.append(f"parameter '{name}': a text for a program cannot end in a line break")
    return errors


def _node(
    definition: Mapping[str, Any],
    name: str,
    node: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    component: Mapping[str, Any] = node["component"]
    yield from _unknown("its node", "node", node)
    yield from _unknown("its component", "component", component)
    for part in ("resources", "queue_settings", "limits", "identity"):
        yield from _unknown(part, part, node.get(part) or {})
    distribution: Mapping[str, Any] = component.get("distribution") or {}
    if distribution and not _is_choice("distribution", distribution.get("type")):
        yield f"distribution.type is {distribution.get('type')!r}"
    elif distribution:
        yield from _unknown("distribution", str(distribution["type"]), distribution)
    if isinstance(component["environment"], dict):
        yield from _unknown("environment", "environment", component["environment"])
    for part, field in (("queue_settings", "job_tier"), ("identity", "type")):
        value = (node.get(part) or {}).get(field)
        if value is not None and not _is_choice(field if part != "identity" else part, value):
            yield f"{part}.{field} is {value!r}"
    yield from _bindings(definition, node, before)
    yield from _command(component)
    spot = "queue_settings" in node
    longest = limits.SPOT_SECONDS if spot else limits.SECONDS
    yield from _longer(longest, limits.seconds(node), "limits.timeout")
    yield from _longer(limits.NODES, limits.instances(node), "resources.instance_count")
    yield from _longer(limits.KEY, len(name), "its name")


def _bindings(
    definition: Mapping[str, Any],
    node: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Yield what is wrong between a component's inputs and outputs and what is bound to them."""
    component = node["component"]
    for kind in ("inputs", "outputs"):
        declared: Mapping[str, Any] = component.get(kind) or {}
        bound: Mapping[str, Any] = node.get(kind) or {}
        for name in declared.keys() ^ bound.keys():
            yield f"{kind}.{name} is {'bound to nothing' if name in declared else 'not declared'}"
        for name, entry in declared.items():
            folder = _is_choice("folder", entry["type"])
            if not folder and not (kind == "inputs" and _is_choice("literal", entry["type"])):
                yield f"{kind}.{name} has type {entry['type']!r}"
            if folder and not _is_choice(f"{kind[:-1]} mode", entry.get("mode")):
                yield f"{kind}.{name} has mode {entry.get('mode')!r}"
    for name, value in (node.get("inputs") or {}).items():
        if isinstance(value, str):
            wrong = _binding(definition, value, before)
            if wrong is not None:
                yield f"inputs.{name} is bound to {wrong}"


def _binding(
    definition: Mapping[str, Any], value: str, before: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """Return what is wrong with a binding."""
    binding = _PARENT.fullmatch(value)
    if binding is None:
        return f"{value!r}, which is no binding" if _EXPRESSION.search(value) else None
    parameter, job, output = binding["input"], binding["job"], binding["output"]
    if parameter is not None:
        known = parameter in (definition.get("inputs") or {})
        return None if known else f"the pipeline's input '{parameter}', which there is not"
    if job not in before:
        return f"'{job}', which does not come before it"
    if output not in before[job]["component"]["outputs"]:
        return f"the output '{output}', which '{job}' has not"
    return None


def _command(component: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a command: it names what is declared, and is not too long."""
    text = str(component["command"])
    for kind, name in _OWN.findall(text):
        if name not in (component.get(kind) or {}):
            yield f"its command names {kind}.{name}, which is not declared"
    for expression in _EXPRESSION.findall(text):
        if not _OWN.fullmatch(expression):
            yield f"its command has {expression}, which is nothing of its own"
    yield from _longer(limits.COMMAND, len(text.encode()), "its command")


def _lengths(definition: Mapping[str, Any]) -> Iterator[str]:
    for field, bound in (
        ("display_name", limits.DISPLAY_NAME),
        ("experiment_name", limits.EXPERIMENT_NAME),
        ("description", limits.DESCRIPTION),
    ):
        yield from _longer(bound, len(definition.get(field) or ""), field)
    tags: Mapping[str, str] = definition.get("tags") or {}
    yield from _longer(limits.TAGS, len(tags), "tags")
    for key, value in tags.items():
        yield from _longer(limits.TAG_KEY, len(key), f"tags.{key:.40}")
        yield from _longer(limits.TAG_VALUE, len(value), f"tags.{key:.40}")


def _longer(bound: Bound, number: int, where: str) -> Iterator[str]:
    if number > bound.most:
        yield f"{where} has {number:,} {bound.unit}s; Azure ML takes {bound.most:,}"


def _unknown(where: str, part: str, fields: Mapping[str, Any]) -> list[str]:
    known = FIELDS[part]
    return [f"{where} has a field '{name}', which Azure ML does not know" for name in fields
            if name not in known]  # fmt: skip


def _is_choice(field: str, value: object) -> bool:
    return cast("Any", value) in CHOICES[field]
