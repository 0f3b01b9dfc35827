"""The logs of SageMaker's jobs in CloudWatch: a log group a kind of job, a stream a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import NotFoundError
from waterflow_sagemaker.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_logs import CloudWatchLogsClient

    from waterflow.cloud.states import NativeRun

_GROUPS: Final = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
}
"""Kind of a job -> its log group."""
_FIRST: Final = "algo-1-"
"""What the log streams of a job's first machine are called, after the job."""
_TAIL: Final = 1000
"""How many of a stream's last lines are looked at."""
_VALUE: Final = "::waterflow-value:: "
"""What a line begins with that tells SageMaker a metric."""


def shows(line: str) -> bool:
    """Say whether a line is for people, and no metric for SageMaker."""
    return not line.startswith(_VALUE)


def lines(
    client: CloudWatchLogsClient,
    run: NativeRun,
    cursor: dict[str, str],
    *,
    first_machine: bool = False,
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a job's log streams, one stream after the other.

    Args:
        client: The client of CloudWatch Logs.
        run: The step, and its job.
        cursor: Where each stream was read to; brought forward.
        first_machine: Read the first machine's stream alone.

    Yields:
        Milliseconds since the epoch, and a line.
    """
    group = _GROUPS.get(run.kind)
    if group is None or not run.job:
        return
    host = _FIRST if first_machine else ""
    for stream in _streams(client, group, f"{run.job}/{host}"):
        yield from _stream(client, group, stream, cursor)


def tail(client: CloudWatchLogsClient, run: NativeRun) -> Iterator[str]:
    """Yield the last lines of a job's first machine, in one answer.

    Args:
        client: The client of CloudWatch Logs.
        run: The step, and its job.
    """
    group = _GROUPS.get(run.kind)
    if group is None or not run.job:
        return
    for stream in _streams(client, group, f"{run.job}/{_FIRST}"):
        with translated("GetLogEvents"):
            page = client.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=False, limit=_TAIL
            )
        for event in page["events"]:
            yield event.get("message", "")


def _streams(client: CloudWatchLogsClient, group: str, prefix: str) -> list[str]:
    """Return the names of a group's streams that begin with a prefix."""
    pages = client.get_paginator("describe_log_streams").paginate(
        logGroupName=group, logStreamNamePrefix=prefix
    )
    try:
        with translated("DescribeLogStreams"):
            streams = [stream for page in pages for stream in page["logStreams"]]
    except NotFoundError:
        return []  # the group comes with the first job that writes
    return [stream.get("logStreamName", "") for stream in streams]


def _stream(
    client: CloudWatchLogsClient, group: str, stream: str, cursor: dict[str, str]
) -> Iterator[tuple[int, str]]:
    key = f"{group} {stream}"
    token = cursor.get(key)
    while True:
        with translated("GetLogEvents"):
            start: Any = {"nextToken": token} if token is not None else {}
            page = client.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **start
            )
        for event in page["events"]:
            yield event.get("timestamp", 0), event.get("message", "")
        following = page["nextForwardToken"]
        if following == token:
            return
        token = cursor[key] = following
