"""What Vertex AI writes of runs into Cloud Logging, as far as alarms go by it."""

from __future__ import annotations

from typing import Final

RUN: Final = "aiplatform.googleapis.com/PipelineJob"
"""https://cloud.google.com/monitoring/api/resources#tag_aiplatform.googleapis.com/PipelineJob"""


def failed_runs(project: str) -> str:
    """Return the filter of the one entry that is written when a run has failed.

    Of severity ERROR there is an entry of another log for each step that has failed, too:
    https://cloud.google.com/logging/docs/api/platform-logs#vertex_ai.

    Args:
        project: Id of the project.
    """
    log = f"projects/{project}/logs/aiplatform.googleapis.com%2Fpipeline_job_events"
    return (
        f'logName="{log}" AND resource.type="{RUN}" AND jsonPayload.state="PIPELINE_STATE_FAILED"'
    )
