"""EventBridge Scheduler's expressions: the times that cron(), rate() and at() stand for."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cronsim import CronSim

_CALL = re.compile(r"(?P<kind>cron|rate|at)\((?P<inside>[^()]*)\)")
_RATE = re.compile(r"(?P<value>[1-9]\d*) (?P<unit>minute|hour|day)s?")
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_NEAR: Final = re.compile(r"(?P<day>[1-9]|[12]\d|3[01])W")
_WEEKDAY: Final = re.compile(r"(?P<last>^L$)|(?<![#/\d])(?P<number>\d+)")
_YEAR: Final = re.compile(r"(?P<low>\*|\d{4})(?:-(?P<high>\d{4}))?(?:/(?P<step>\d+))?")
_YEARS: Final = (1970, 2199)
_FIELDS: Final = 6


@dataclass(frozen=True)
class ScheduleExpression:
    """A schedule's expression.

    Attributes:
        kind: "cron", "rate" or "at".
        after: The first time after one (seconds since the epoch), given when a rate begins; None
            when there is none.
    """

    kind: str
    after: Callable[[float, float], float | None]


def parse(text: str, timezone: str = "UTC") -> ScheduleExpression:
    """Read an expression.

    Args:
        text: `cron(0 3 ? * MON *)`, `rate(5 minutes)` or `at(2030-01-01T00:00:00)`.
        timezone: The IANA name of the time zone that cron and at mean.

    Raises:
        ValueError: It is none
            (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"Invalid ScheduleExpressionTimezone {timezone}.") from None
    call = _CALL.fullmatch(text)
    if call is None:
        raise ValueError(f"Invalid Schedule Expression {text}.")
    try:
        if call["kind"] == "rate":
            return _rate(call["inside"])
        return _at(call["inside"], zone) if call["kind"] == "at" else _cron(call["inside"], zone)
    except ValueError as error:
        raise ValueError(f"Invalid Schedule Expression {text}. ({error})") from None


def _rate(inside: str) -> ScheduleExpression:
    rate = _RATE.fullmatch(inside)
    if rate is None:
        raise ValueError("a rate is a number and minutes, hours or days")
    interval = int(rate["value"]) * _UNITS[rate["unit"]]

    def after(moment: float, begin: float) -> float:
        return begin if moment < begin else begin + ((moment - begin) // interval + 1) * interval

    return ScheduleExpression("rate", after)


def _at(inside: str, zone: ZoneInfo) -> ScheduleExpression:
    moment = datetime.strptime(inside, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
    return ScheduleExpression("at", lambda after, _begin: moment if moment > after else None)


def _cron(inside: str, zone: ZoneInfo) -> ScheduleExpression:
    """Read AWS's six fields: cronsim's five, but for `?`, weekdays from 1, `15W` and years."""
    fields = inside.upper().split()
    if len(fields) != _FIELDS:
        raise ValueError(f"cron has {_FIELDS} fields: minute hour day month weekday year")
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day and weekday is ?")
    near = _NEAR.fullmatch(day)
    target = int(near["day"]) if near else None
    days = "*" if day == "?" or near else day
    weekdays = "*" if weekday == "?" else _WEEKDAY.sub(_from_zero, weekday)
    five = f"{minute} {hour} {days} {month} {weekdays}"
    years = _years(year)
    _sim(f"{minute} {hour} {days} * {weekdays}", datetime(2000, 1, 1, tzinfo=zone))
    _sim(f"* * * {month} *", datetime(2000, 1, 1, tzinfo=zone))

    def after(moment: float, _begin: float) -> float | None:
        start = datetime.fromtimestamp(moment, zone)
        for number in years:
            first = datetime(number, 1, 1, tzinfo=zone) - timedelta(minutes=1)
            if number < start.year:
                continue
            try:
                times = _sim(five, max(start, first))
            except ValueError:
                return None  # each field is right, and the day never comes
            for local in times:
                if local.year != number:
                    break
                # A time that the clocks skip is skipped: cron itself puts it off.
                put_off = local.hour not in times.hours or local.minute not in times.minutes
                if not put_off and target in (None, _near(local, target)):
                    return local.timestamp()
        return None

    return ScheduleExpression("cron", after)


def _sim(five: str, after: datetime) -> CronSim:
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(five, after)
    except CronSimError as error:
        raise ValueError(str(error)) from None


def _from_zero(weekday: re.Match[str]) -> str:
    """Return a day of the week as cron numbers it: AWS's 1 is Sunday."""
    if weekday["last"] is not None:
        return "6"  # an L of its own is Saturday
    number = int(weekday["number"])
    if not 1 <= number <= 7:
        raise ValueError(f"'{number}' is not between 1 and 7")
    return str(number - 1)


def _years(field: str) -> list[int]:
    """Return the years that a field lists: `*`, `2030,2032`, `2030-2035`, `2030/2`."""
    first, last = _YEARS
    years: set[int] = set()
    for part in field.split(","):
        year = _YEAR.fullmatch(part)
        if year is None:
            raise ValueError(f"'{part}' is no year")
        low = first if year["low"] == "*" else int(year["low"])
        high = int(year["high"]) if year["high"] else last if "*" in part or "/" in part else low
        if not first <= low <= high <= last or year["step"] == "0":
            raise ValueError(f"'{part}' is not between {first} and {last}")
        years |= set(range(low, high + 1, int(year["step"] or 1)))
    return sorted(years)


def _near(month: date, day: int | None) -> int | None:
    """Return the working day closest to a day, in the same month; None for one it has not."""
    last = calendar.monthrange(month.year, month.month)[1]
    if day is None or day > last:
        return None
    weekday = date(month.year, month.month, day).isoweekday()
    if weekday == 6:  # Saturday
        near = day - 1 if day > 1 else day + 2
    elif weekday == 7:  # Sunday
        near = day + 1 if day < last else day - 2
    else:
        near = day
    return day if month.day == near else None


def written(moment: float) -> str:
    """Return seconds since the epoch as the Scheduler writes a scheduled time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
