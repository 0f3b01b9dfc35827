"""Reading back a pipeline job of Waterflow's own: its origin, its steps, what reuse compares."""

from __future__ import annotations

import json
import math
import re
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.fingerprint import Fingerprint, NativeExpression
from waterflow.cloud.service import Origin
from waterflow.cloud.states import NativeStep
from waterflow_azureml.translation import naming, quoting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BINDING: Final = re.compile(
    r"\$\{\{parent\.(?:inputs\.(?P<input>\w+)|jobs\.(?P<job>\w+)\.outputs\.\w+)\}\}"
)
RENEWED: Final = "WATERFLOW_RENEWED"
"""The job whose result was lost, as a variable: Azure's reuse compares those."""


def origin(definition: Mapping[str, Any]) -> Origin | None:
    """Return what a pipeline job says of its origin; None for one that is none of Waterflow's."""
    tags: Mapping[str, str] = definition.get("tags") or {}
    if "waterflow.build" not in tags or "waterflow.pipeline" not in tags:
        return None
    return Origin(tags["waterflow.build"], tags["waterflow.pipeline"])


def natives(definition: Mapping[str, Any]) -> dict[str, NativeStep]:
    """Return the nodes of a pipeline job, each after what it stands on."""
    steps: dict[str, NativeStep] = {}
    nodes: Mapping[str, Mapping[str, Any]] = definition["jobs"]
    for name in _ordered(nodes):
        node = nodes[name]
        about: Mapping[str, str] = node.get("properties") or {}
        chain = [(str(gate), bool(side)) for gate, side in _listed(about, "chain")]
        needs = [tuple(map(str, group)) for group in _listed(about, "needs")]
        steps[name] = NativeStep(
            name,
            about.get("waterflow.step"),
            about.get("waterflow.gate"),
            tuple(chain),
            tuple(needs),
            _image(node["component"].get("environment")),
        )
    return steps


def _image(environment: Any) -> str:
    """Return the image of an environment, or the name of one that is registered."""
    if isinstance(environment, dict):
        return str(cast("dict[str, Any]", environment).get("image") or "")
    return str(environment or "")


def _ordered(nodes: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Return nodes, each after those that it is bound to: JSON may have sorted them."""
    bound = {
        name: dict.fromkeys(
            binding["job"]
            for value in (node.get("inputs") or {}).values()
            if isinstance(value, str) and (binding := _BINDING.fullmatch(value)) and binding["job"]
        )
        for name, node in nodes.items()
    }
    return TopologicalSorter(bound).static_order()


def _listed(about: Mapping[str, str], what: str) -> list[Any]:
    return json.loads(about.get(f"waterflow.{what}", "[]"))


# --- what Azure's reuse sees ----------------------------------------------------------------------


def fingerprints(definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
    """Return what Azure's reuse knows nodes by: component, inputs, outputs and run settings.

    https://learn.microsoft.com/azure/machine-learning/how-to-debug-pipeline-reuse-issues
    """
    forced = bool((definition.get("settings") or {}).get("force_rerun"))
    return {
        # Of a job that was to answer nothing by earlier results, nobody says that its own count.
        name: Fingerprint(_marked(_compared(node)), None if forced else _lifetime(node))
        for name, node in definition["jobs"].items()
    }


def _compared(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in node.items() if key not in ("properties", "display_name")}


def _lifetime(node: Mapping[str, Any]) -> float | None:
    """Return for how long a result may stand for a node: Azure knows no end of it."""
    return math.inf if node["component"].get("is_deterministic") else None


def _marked(part: Any) -> Any:
    """Return a part of a node with an `NativeExpression` for each binding in it."""
    if isinstance(part, dict):
        return {key: _marked(value) for key, value in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_marked(item) for item in cast("list[Any]", part)]
    binding = _BINDING.fullmatch(part) if isinstance(part, str) else None
    if binding is None:
        return part
    if binding["input"] is not None:
        return NativeExpression(part, parameters=frozenset({binding["input"]}))
    return NativeExpression(part, places=frozenset({binding["job"]}))


def declared(definition: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the texts of the defaults of a pipeline job's inputs; None for required ones."""
    return {
        name: _text(value)
        for name, value in (definition.get("inputs") or {}).items()
        if name != naming.STARTED
    }


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        path = str(cast("dict[str, Any]", value)["path"])
        return None if path.endswith("/required/") else path
    return quoting.plain(value) if value else None


# --- the same steps -------------------------------------------------------------------------------


def same_steps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two pipeline jobs run the same, whatever the cache may answer.

    What a register step writes down of its origins, such as the commit, is no part of that, nor
    which lost results are passed over.
    """
    return bool(_steps(one) == _steps(other))


def _steps(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _step(node) for name, node in definition["jobs"].items()}


def _step(node: Mapping[str, Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = dict(node.get("inputs") or {})
    if naming.STARTED in inputs:
        inputs.pop(naming.CONTROL)
    variables = dict(node.get("environment_variables") or {})
    variables.pop(RENEWED, None)
    component = {**node["component"], "is_deterministic": None}
    return {
        **node, "component": component, "inputs": inputs, "environment_variables": variables
    }  # fmt: skip


def renewed(definition: Mapping[str, Any], jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return a pipeline job in which former results of some nodes do not stand for them.

    Args:
        definition: The pipeline job.
        jobs: Node -> the job whose result is gone.
    """
    nodes = dict(definition["jobs"])
    for name, job in jobs.items():
        variables = nodes[name].get("environment_variables") or {}
        variables = {**variables, RENEWED: job.rpartition("/")[2]}
        nodes[name] = {**nodes[name], "environment_variables": variables}
    return {**definition, "jobs": nodes}


def uncached(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pipeline job in which no earlier result may stand for a step."""
    return {**definition, "settings": {**definition["settings"], "force_rerun": True}}
