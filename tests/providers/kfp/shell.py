"""Components whose jobs are plain shell, and pipelines of them."""

from __future__ import annotations

from typing import Any

from tests.providers.kfp.running import (
    artifact,
    parameters,
    pipeline,
    sh,
    task,
)

OUT = "{{$.outputs.parameters['out'].output_file}}"
IN = "{{$.inputs.parameters['x']}}"
DATA = "{{$.outputs.artifacts['data'].path}}"

# One component of each kind; what they do is in the executors below.
COMPONENTS: dict[str, Any] = {
    "say": {
        "executorLabel": "say",
        "inputDefinitions": parameters(x="STRING"),
        "outputDefinitions": parameters(out="STRING"),
    },
    "list": {"executorLabel": "list", "outputDefinitions": parameters(out="LIST")},
    "double": {
        "executorLabel": "double",
        "inputDefinitions": parameters(x="NUMBER_INTEGER"),
        "outputDefinitions": parameters(out="NUMBER_INTEGER"),
    },
    "show": {
        "executorLabel": "show",
        "inputDefinitions": parameters(x="LIST"),
        "outputDefinitions": parameters(out="STRING"),
    },
    "write": {
        "executorLabel": "write",
        "inputDefinitions": parameters(x="STRING"),
        "outputDefinitions": {"artifacts": {"data": artifact()}},
    },
    "read": {
        "executorLabel": "read",
        "inputDefinitions": {"artifacts": {"data": artifact()}},
        "outputDefinitions": parameters(out="STRING"),
    },
    "read-all": {
        "executorLabel": "read-all",
        "inputDefinitions": {"artifacts": {"data": artifact(isArtifactList=True)}},
        "outputDefinitions": parameters(out="STRING"),
    },
    "fail": {"executorLabel": "fail"},
    "sleep": {"executorLabel": "sleep"},
    "status": {
        "executorLabel": "status",
        "inputDefinitions": parameters(x="TASK_FINAL_STATUS"),
        "outputDefinitions": parameters(out="STRUCT"),
    },
}
_READ_ALL = """
import json, sys
uris = [one["uri"] for one in json.loads(sys.argv[1])]
open(sys.argv[2], "w").write(" ".join(open(uri.replace("gs:/", "/gcs")).read() for uri in uris))
"""
_EXECUTORS: dict[str, Any] = {
    "say": sh('printf %s "$1" > "$2"', IN, OUT),
    "list": sh('printf "[1, 2, 3]" > "$1"', OUT),
    "double": sh('printf %s $(($1 * 2)) > "$2"', IN, OUT),
    "show": sh('printf %s "$1" > "$2"', IN, OUT),
    "write": sh('printf %s "$1" > "$2"', IN, DATA),
    "read": sh('cat "$1" > "$2"', "{{$.inputs.artifacts['data'].path}}", OUT),
    "read-all": {
        "container": {
            "image": "python",
            "command": ["python3", "-c", _READ_ALL],
            "args": ["{{$.inputs.artifacts['data'].value}}", OUT],
        }
    },
    "fail": sh("exit 3"),
    "sleep": sh("trap 'echo bye; exit 1' TERM; echo up; sleep 60 & wait"),
    "status": sh('printf %s "$1" > "$2"', IN, OUT),
}


def shell_pipeline(
    tasks: dict[str, Any],
    components: dict[str, Any] | None = None,
    executors: dict[str, Any] | None = None,
    **root: Any,
) -> dict[str, Any]:
    return pipeline(
        tasks, {**COMPONENTS, **(components or {})}, {**_EXECUTORS, **(executors or {})}, **root
    )


def dag(tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    outputs = more.pop("outputs", None)
    dag: dict[str, Any] = {"tasks": tasks}
    if outputs:
        dag["outputs"] = outputs
    return {"dag": dag, **more}


def value_of(subtask: str, key: str = "out") -> dict[str, Any]:
    return {"producerSubtask": subtask, "outputParameterKey": key}


def out_of(execution: Any, name: str) -> Any:
    return task(execution, name).outputs.parameters["out"]
