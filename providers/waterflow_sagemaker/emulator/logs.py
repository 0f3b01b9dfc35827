"""What jobs write, as CloudWatch Logs of moto keeps it."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EVENT: Final = 256 * 1024
"""The most bytes of one event: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""


class Logs:
    """The log groups of a region.

    Args:
        region: The region.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._lock = threading.Lock()

    @property
    def backend(self) -> Any:
        """Moto's store."""
        from moto.logs.models import logs_backends

        return logs_backends[ACCOUNT][self._region]

    def open(self, group: str, stream: str) -> Callable[[list[tuple[int, str]]], None]:
        """Make a stream, and return what writes (milliseconds, line) into it."""
        with self._lock:
            if group not in self.backend.groups:
                self.backend.create_log_group(group, {})
            self.backend.ensure_log_stream(group, stream)

        def write(lines: list[tuple[int, str]]) -> None:
            events = [
                {"timestamp": moment, "message": part}
                for moment, line in lines
                for part in _parts(line)
            ]
            if events:
                with self._lock:
                    self.backend.put_log_events(group, stream, events)

        return write


class Metrics:
    """The metrics that a job's definitions find in its log.

    Args:
        definitions: Name -> regular expression, whose first group is the value.
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._expressions = {name: re.compile(text) for name, text in definitions.items()}
        self.last: dict[str, tuple[float, float]] = {}
        """Name -> its last value and the second it was written at."""

    def read(self, lines: list[tuple[int, str]]) -> None:
        """Look for values in lines."""
        for moment, line in lines:
            for name, expression in self._expressions.items():
                for match in expression.finditer(line):
                    try:
                        value = float(match.group(1) if expression.groups else match.group())
                    except ValueError:
                        continue
                    self.last[name] = (value, moment / 1000)


def _parts(line: str) -> list[str]:
    if len(line) * 4 <= _EVENT:
        return [line] if line else []  # the service takes no empty event
    data = line.encode()
    return [
        data[start : start + _EVENT].decode("utf-8", "ignore")
        for start in range(0, len(data), _EVENT)
    ]
