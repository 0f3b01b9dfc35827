"""The log entries that Vertex AI itself writes of a pipeline job, by which alarms are told.

Which logs, types and severities there are: https://cloud.google.com/logging/docs/api/platform-logs;
of the members of their payloads only those are written that are documented or widely relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written
from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.entries import entry

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_PAYLOADS: Final = "type.googleapis.com/google.cloud.aiplatform.logging"
_FAILED: Final = "FAILED"


def note(world: World, one: Any) -> None:
    """Write what is written when a pipeline job has come to another state.

    Args:
        world: The cloud.
        one: The job as it is now.
    """
    project = world.projects.of(one.name)
    state = sdk.vertex("pipeline_state", "PipelineState")(one.state).name
    tasks = sdk.vertex("pipeline_job", "PipelineTaskDetail").State
    name = str(one.pipeline_spec.fields["pipelineInfo"].struct_value.fields["name"].string_value)
    failed = [
        task
        for task in one.job_detail.task_details
        if tasks.Name(task.state) == _FAILED and task.executor_detail.WhichOneof("details")
    ]
    common: dict[str, Any] = {
        "resource": {
            "type": "aiplatform.googleapis.com/PipelineJob",
            "labels": {
                "resource_container": project.id,
                "location": one.name.split("/")[3],
                "pipeline_job_id": one.name.rpartition("/")[2],
            },
        },
    }
    moment, logs = written(world.clock.now()), f"projects/{project.id}/logs"
    lines = [
        *(("pipeline_job_task_events", "PipelineJobTaskLogEntry", {}, True) for _ in failed),
        ("pipeline_job_events", "PipelineJobLogEntry", {"state": state}, state.endswith(_FAILED)),
    ]
    world.logs.add(
        [
            entry(
                f"{logs}/aiplatform.googleapis.com%2F{log}",
                moment,
                {"@type": f"{_PAYLOADS}.{kind}", "pipelineName": name, **more},
                severity="ERROR" if wrong else "INFO",
                labels={"pipeline_name": name},
                **common,
            )
            for log, kind, more, wrong in lines
        ]
    )
