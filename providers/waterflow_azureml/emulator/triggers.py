"""When schedules are due: the triggers of Azure ML, cron and recurrence, in their time zones."""

from __future__ import annotations

import calendar
import itertools
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from cronsim import CronSim, CronSimError

from waterflow_azureml.emulator.zones import zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

_STEPS: Final = {"minute": 60, "hour": 3600}
_PATTERNS: Final = ("day", "week", "month")
_WEEKDAYS: Final = tuple(name.lower() for name in calendar.day_name)
_FARTHEST: Final = 5 * 366
"""Days after which a schedule that was not due is taken for one that never is."""
_FIELDS: Final = 5


class TriggerError(ValueError):
    """A trigger is none that the service takes."""


@dataclass(frozen=True)
class Trigger:
    """When a schedule is due.

    Attributes:
        said: The trigger, as it was put.
        zone: Its time zone.
        start: The first moment that counts, in seconds since the epoch; None for its making.
        end: The last one; None for none.
    """

    said: Mapping[str, Any]
    zone: ZoneInfo
    start: float | None
    end: float | None

    @property
    def expression(self) -> str:
        """The trigger as text, by which a changed one is known."""
        return json.dumps(self.said, sort_keys=True)

    def next(self, after: float, begin: float) -> float | None:
        """Return when it is due for the first time after a moment; None for never.

        Args:
            after: The moment, in seconds since the epoch.
            begin: When the schedule was made: it counts from then where it names no start.
        """
        start = begin if self.start is None else self.start
        # What is due at the start itself counts.
        moment = self._following(max(after, start - 1e-3), start)
        return None if moment is None or (self.end is not None and moment > self.end) else moment

    def _following(self, after: float, start: float) -> float | None:
        if self.said["triggerType"] == "Cron":
            cron = CronSim(_cron(self.said["expression"]), datetime.fromtimestamp(after, self.zone))
            following = next(cron, None)
            return None if following is None else following.timestamp()
        frequency, interval = str(self.said["frequency"]).lower(), int(self.said["interval"])
        if frequency in _STEPS:
            step = _STEPS[frequency] * interval
            return start + step * max(0, int((after - start) // step) + 1)
        first = datetime.fromtimestamp(start, self.zone)
        here = datetime.fromtimestamp(after, self.zone).date()
        for day in itertools.islice(_days(here), _FARTHEST):
            if not self._is_day(day, first.date(), frequency, interval):
                continue
            for clock in self._clocks(first):
                moment = datetime.combine(day, clock, self.zone).timestamp()
                if moment > after:
                    return moment
        return None

    def _is_day(self, day: date, first: date, frequency: str, interval: int) -> bool:
        pattern: Mapping[str, Any] = self.said.get("schedule") or {}
        weekdays = {str(one).lower() for one in pattern.get("weekDays") or ()}
        month_days = {int(one) for one in pattern.get("monthDays") or ()}
        if day < first:
            return False
        if frequency == "day":
            return (day - first).days % interval == 0
        if frequency == "week":
            week = (_monday(day) - _monday(first)).days // 7
            named = _WEEKDAYS[day.weekday()] in (weekdays or {_WEEKDAYS[first.weekday()]})
            return week % interval == 0 and named
        month = (day.year - first.year) * 12 + day.month - first.month
        if month % interval:
            return False
        if weekdays:
            return _WEEKDAYS[day.weekday()] in weekdays
        last = calendar.monthrange(day.year, day.month)[1]
        wanted = month_days or {first.day}
        # A day that is counted from the end: -1 is a month's last.
        return day.day in wanted or day.day - last - 1 in wanted

    def _clocks(self, first: datetime) -> list[time]:
        pattern: Mapping[str, Any] = self.said.get("schedule") or {}
        hours = [int(one) for one in pattern.get("hours") or ()]
        minutes = [int(one) for one in pattern.get("minutes") or ()]
        if not hours and not minutes:
            return [first.time().replace(microsecond=0)]
        pairs = itertools.product(hours or [first.hour], minutes or [0])
        return sorted(time(hour, minute) for hour, minute in pairs)


def trigger(body: Mapping[str, Any]) -> Trigger:
    """Return a trigger of its body.

    Args:
        body: What a schedule's properties say.

    Raises:
        TriggerError: It is none that the service takes.
    """
    kind = str(body.get("triggerType", ""))
    try:
        place = zone(str(body.get("timeZone") or "UTC"))
    except ValueError as error:
        raise TriggerError(str(error)) from None
    if kind == "Cron":
        _check_cron(str(body.get("expression", "")), place)
    elif kind == "Recurrence":
        _check_recurrence(body)
    else:
        raise TriggerError(f"there is no trigger of type '{kind}': use Cron or Recurrence")
    start, end = _moment(body, "startTime", place), _moment(body, "endTime", place)
    if start is not None and end is not None and end < start:
        raise TriggerError("the end time is before the start time")
    return Trigger(dict(body), place, start, end)


def _cron(expression: str) -> str:
    """Return an expression as the service reads it: days and months count for nothing.

    https://learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job
    """
    minute, hour, _, _, weekday = expression.split()
    return f"{minute} {hour} * * {weekday}"


def _check_cron(expression: str, place: ZoneInfo) -> None:
    if len(expression.split()) != _FIELDS:
        raise TriggerError(f"the cron expression '{expression}' must have {_FIELDS} fields")
    try:
        CronSim(_cron(expression), datetime.now(place))
    except CronSimError as error:
        raise TriggerError(f"the cron expression '{expression}' is wrong: {error}") from None


def _check_recurrence(body: Mapping[str, Any]) -> None:
    frequency = str(body.get("frequency", "")).lower()
    if frequency not in (*_STEPS, *_PATTERNS):
        raise TriggerError(f"there is no frequency '{body.get('frequency')}'")
    interval = body.get("interval")
    if not isinstance(interval, int) or interval < 1:
        raise TriggerError(f"the interval must be a whole number from 1: {interval!r}")
    pattern = cast("Mapping[str, Any]", body.get("schedule") or {})
    for name, least, most in (("hours", 0, 23), ("minutes", 0, 59), ("monthDays", -31, 31)):
        for one in pattern.get(name) or ():
            if not isinstance(one, int) or not least <= one <= most:
                raise TriggerError(f"schedule.{name} must be from {least} to {most}: {one!r}")
    for one in pattern.get("weekDays") or ():
        if str(one).lower() not in _WEEKDAYS:
            raise TriggerError(f"there is no day of the week '{one}'")


def _moment(body: Mapping[str, Any], name: str, place: ZoneInfo) -> float | None:
    text = body.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise TriggerError(f"{name} '{text}' is no time: write it as 2026-01-31T09:00:00") from None
    return moment.replace(tzinfo=moment.tzinfo or place).astimezone(UTC).timestamp()


def _days(first: date) -> Iterator[date]:
    for number in itertools.count():
        yield first + timedelta(days=number)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
