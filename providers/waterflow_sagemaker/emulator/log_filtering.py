"""FilterLogEvents with all its filters: moto reads prefixes, identifiers and most patterns over."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator.filter_patterns import PatternError, matcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow_sagemaker.emulator.moto_services import Caller

Request = dict[str, Any]
Response = dict[str, Any]

_MOST: Final = 10_000
"""Events of a page."""
_BYTES: Final = 1024 * 1024
"""Bytes of a page: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
_NEWEST_FIRST: Final = 1_704_067_200_000
"""What `startTime` is at least, where events come newest first: 2024-01-01."""


class LogEvents:
    """The operation that looks for events in a log group."""

    OPERATIONS: ClassVar[dict[str, str]] = {"FilterLogEvents": "filter_log_events"}
    """The service's operations -> our methods."""

    def filter_log_events(self, request: Request, caller: Caller) -> Response:
        """FilterLogEvents: streams are always interleaved, whatever `interleaved` says."""
        group = _group(request, caller)
        streams = _streams(request, group)
        try:
            takes = matcher(request.get("filterPattern", ""))
        except PatternError as error:
            raise _invalid(str(error)) from None
        start, end = request.get("startTime", 0), request.get("endTime", float("inf"))
        newest = not request.get("startFromHead", True)
        if newest and start < _NEWEST_FIRST:
            raise _invalid("startFromHead=false needs a startTime on or after 2024-01-01.")
        after = None
        if "nextToken" in request:  # it says the direction too
            newest, after = _read(request["nextToken"])
        events = sorted(
            (
                (event.timestamp, event.ingestion_time, event.event_id, stream, event)
                for stream in streams
                for event in list(stream.events)
                if start <= event.timestamp <= end and takes(event.message)
            ),
            key=lambda one: one[:3],
            reverse=newest,
        )
        if after is not None:
            # Where the last page ended, whatever was written before it since.
            events = [one for one in events if one[:3] != after and (one[:3] < after) is newest]
        some = events[: _size([one[-1] for one in events], int(request.get("limit", _MOST)))]
        answer: Response = {
            "events": [_row(stream, event) for *_, stream, event in some],
            "searchedLogStreams": [],
        }
        if len(some) < len(events):
            answer["nextToken"] = _written(newest, some[-1][:3])
        return answer


def _size(events: Sequence[Any], most: int) -> int:
    """Return how many events a page has: as many as are asked for, and a page's bytes can hold."""
    size = 0
    for count, event in enumerate(events[:most]):
        size += len(event.message.encode())
        if count and size > _BYTES:
            return count
    return most


def _written(newest: bool, place: tuple[int, int, int]) -> str:
    text = json.dumps([newest, *place])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(token: str) -> tuple[bool, tuple[int, int, int]]:
    """Return the direction of a token, and the place that it stands for."""
    try:
        newest, *place = json.loads(base64.urlsafe_b64decode(token))
        time, ingestion, number = map(int, place)
    except (ValueError, TypeError):
        raise _invalid("The specified nextToken is invalid.") from None
    return bool(newest), (time, ingestion, number)


def _group(request: Request, caller: Caller) -> Any:
    from moto.logs.models import logs_backends

    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) is (identifier is None):
        raise _invalid("Exactly one of logGroupName and logGroupIdentifier must be specified.")
    region = caller.region
    if identifier is not None:
        name = identifier
        if identifier.startswith("arn:"):
            parts = identifier.split(":")
            region, name = parts[3], ":".join(parts[6:])
    groups: Any = logs_backends[caller.account][caller.region].groups
    if region != caller.region or name not in groups:
        raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
    return groups[name]


def _streams(request: Request, group: Any) -> list[Any]:
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise _invalid("logStreamNamePrefix and logStreamNames cannot both be specified.")
    streams: dict[str, Any] = dict(group.streams)
    if names is None:
        return [one for name, one in streams.items() if name.startswith(prefix or "")]
    if any(name not in streams for name in names):
        raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
    return [streams[name] for name in dict.fromkeys(names)]


def _row(stream: Any, event: Any) -> Response:
    return {
        "logStreamName": stream.log_stream_name,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingestion_time,
        "eventId": f"{event.event_id:056d}",
    }


def _invalid(text: str) -> ServiceError:
    return ServiceError("InvalidParameterException", text)
