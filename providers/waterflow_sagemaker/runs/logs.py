"""Logs of jobs: read from CloudWatch, merged by time, without what only Waterflow reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import NotFoundError
from waterflow.provider import LogLine
from waterflow.tracking.spool import FRAME
from waterflow_sagemaker.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.client import Client
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.runs.states import StepRun

GROUPS: Final = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
}
VALUE: Final = "::waterflow-value:: "
"""What a line begins with that tells SageMaker a metric."""
_FIRST: Final = "algo-1-"
"""What the log streams of a job's first machine are called, after the job."""
_POLL: Final = 2.0
"""Seconds between two looks at the logs of a run that is followed, at most."""


class Logs:
    """The logs of one profile's runs.

    Args:
        connections: The AWS clients.
        client: The runs.
    """

    def __init__(self, connections: Connections, client: Client) -> None:
        self._connections, self._client = connections, client

    def lines(self, run_id: str, step: str | None, follow: bool) -> Iterator[LogLine]:
        """Yield the lines of steps' logs in the order of their times.

        Args:
            run_id: The run.
            step: Only this step.
            follow: Go on until the run ends.

        Raises:
            NotFoundError: There is no such run, or no such step in it.
        """
        found = self._client.execution(run_id)
        names = [one.name for one in found.spec.steps]
        if step is not None and step not in names:
            raise NotFoundError(
                f"Run '{run_id}' has no step '{step}'; it has: {', '.join(names)}.",
                provider="sagemaker", operation="read logs",
            )  # fmt: skip
        tokens: dict[tuple[str, str], str] = {}
        pause = min(_POLL, self._client.settings.poll)
        while True:
            # Asked before reading: what a step wrote last is then surely read.
            ended = self._client.status(run_id).status.final
            batch: list[LogLine] = []
            for run in self._client.steps(run_id).values():
                name = found.natives[run.native].step if run.native in found.natives else None
                mine = name is not None and step in (None, name) and run.origin == found.id
                if mine and name is not None:
                    lines = self._new(run, tokens)
                    batch += [
                        LogLine(step=name, text=text, time=moment)
                        for moment, text in lines
                        if _told(text)
                    ]
            yield from sorted(batch, key=lambda line: line.time or 0)
            if ended or not follow:
                return
            time.sleep(pause)

    def raw(self, run: StepRun) -> list[str]:
        """Return all lines of a step run's log, those for Waterflow too."""
        return [text for _, text in self._new(run, {})]

    def printed(self, run: StepRun) -> Iterator[tuple[int, str]]:
        """Yield what the first machine of a step run has printed: milliseconds and line."""
        return self._new(run, {}, _FIRST)

    def _new(
        self, run: StepRun, tokens: dict[tuple[str, str], str], host: str = ""
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines that have come since the last call with these tokens."""
        group = GROUPS.get(run.job_type)
        if group is None or not run.job:
            return
        for stream in self._streams(group, f"{run.job}/{host}"):
            yield from self._stream(group, stream, tokens)

    def _streams(self, group: str, prefix: str) -> list[str]:
        from botocore.exceptions import ClientError

        pages = self._connections.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, logStreamNamePrefix=prefix
        )
        with translated("DescribeLogStreams"):
            try:
                return [
                    one.get("logStreamName", "") for page in pages for one in page["logStreams"]
                ]
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                    return []  # the group comes with the first job that writes
                raise

    def _stream(
        self, group: str, stream: str, tokens: dict[tuple[str, str], str]
    ) -> Iterator[tuple[int, str]]:
        token = tokens.get((group, stream))
        while True:
            with translated("GetLogEvents"):
                where: Any = {"nextToken": token} if token is not None else {}
                page = self._connections.logs.get_log_events(
                    logGroupName=group, logStreamName=stream, startFromHead=True, **where
                )
            for event in page["events"]:
                yield event.get("timestamp", 0), event.get("message", "")
            following = page["nextForwardToken"]
            if following == token:
                return
            token = tokens[group, stream] = following


def _told(text: str) -> bool:
    return FRAME not in text and not text.startswith(VALUE)
