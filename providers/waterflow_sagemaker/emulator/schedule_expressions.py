"""EventBridge Scheduler's expressions: the times that cron(), rate() and at() stand for."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

_CALL = re.compile(r"(?P<kind>cron|rate|at)\((?P<inside>[^()]*)\)")
_RATE = re.compile(r"(?P<value>[1-9]\d*) (?P<unit>minute|hour|day)s?")
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS: Final = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS: Final = {
    name: number
    for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)
}
_YEARS: Final = (1970, 2199)
_FIELDS: Final = 6


@dataclass(frozen=True)
class Expression:
    """A schedule's expression.

    Attributes:
        kind: "cron", "rate" or "at".
        after: The first time after one (seconds since the epoch), given when a rate begins; None
            when there is none.
    """

    kind: str
    after: Callable[[float, float], float | None]


def parse(text: str, timezone: str = "UTC") -> Expression:
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


def _rate(inside: str) -> Expression:
    rate = _RATE.fullmatch(inside)
    if rate is None:
        raise ValueError("a rate is a number and minutes, hours or days")
    interval = int(rate["value"]) * _UNITS[rate["unit"]]

    def after(moment: float, begin: float) -> float:
        return begin if moment < begin else begin + ((moment - begin) // interval + 1) * interval

    return Expression("rate", after)


def _at(inside: str, zone: ZoneInfo) -> Expression:
    moment = datetime.strptime(inside, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
    return Expression("at", lambda after, _begin: moment if moment > after else None)


def _cron(inside: str, zone: ZoneInfo) -> Expression:
    fields = inside.upper().split()
    if len(fields) != _FIELDS:
        raise ValueError(f"cron has {_FIELDS} fields: minute hour day month weekday year")
    minutes, hours = _numbers(fields[0], 0, 59), _numbers(fields[1], 0, 23)
    months = _numbers(fields[3], 1, 12, _MONTHS)
    years = _numbers(fields[5], *_YEARS)
    day = _day(fields[2], fields[4])
    times = [time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)]

    def after(moment: float, _begin: float) -> float | None:
        at = datetime.fromtimestamp(moment, zone).date()
        while at.year <= max(years):
            if at.year not in years:
                at = date(at.year + 1, 1, 1)
                continue
            if at.month not in months:
                at = at.replace(day=_last(at)) + timedelta(days=1)
                continue
            if day(at):
                for hour in times:
                    # A time that the clocks skip is skipped; one that comes twice counts once.
                    local = datetime.combine(at, hour, zone)
                    moment_of_day = local.timestamp()
                    real = datetime.fromtimestamp(moment_of_day, zone).time() == hour
                    if real and moment_of_day > moment:
                        return moment_of_day
            at += timedelta(days=1)
        return None

    return Expression("cron", after)


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    """Return the numbers that a field lists: `*`, `1,2`, `3-5`, `*/10`, `5/10`, `MON-FRI`."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and (not step.isdecimal() or int(step) < 1):
            raise ValueError(f"'{part}' has no step of 1 or more")
        if span == "*":
            first, last = low, high
        else:
            start, dash, stop = span.partition("-")
            first = _number(start, low, high, names)
            last = _number(stop, low, high, names) if dash else high if slash else first
        if first > last:
            raise ValueError(f"'{part}' begins after its end")
        numbers |= set(range(first, last + 1, int(step or 1)))
    return numbers


def _number(text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"'{text}' is not between {low} and {high}")
    return int(text)


def _day(of_month: str, of_week: str) -> Callable[[date], bool]:
    """Return which days two fields mean; exactly one of them must say nothing."""
    if (of_month == "?") == (of_week == "?"):
        raise ValueError("exactly one of day and weekday is ?")
    if of_week == "?":
        return _day_of_month(of_month)
    return _day_of_week(of_week)


def _day_of_month(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == _last(day)
    if field == "LW":
        return lambda day: day.day == _weekday_near(day, _last(day))
    if field.endswith("W"):
        near = _number(field[:-1], 1, 31, None)
        return lambda day: near <= _last(day) and day.day == _weekday_near(day, near)
    days = _numbers(field, 1, 31)
    return lambda day: day.day in days


def _day_of_week(field: str) -> Callable[[date], bool]:
    if "#" in field:
        name, _, count = field.partition("#")
        weekday, nth = _number(name, 1, 7, _DAYS), _number(count, 1, 5, None)
        return lambda day: _of_week(day) == weekday and (day.day - 1) // 7 == nth - 1
    if field == "L":
        return lambda day: _of_week(day) == 7  # Saturday
    if field.endswith("L"):
        last = _number(field[:-1], 1, 7, _DAYS)
        return lambda day: _of_week(day) == last and day.day > _last(day) - 7
    days = _numbers(field, 1, 7, _DAYS)
    return lambda day: _of_week(day) in days


def _of_week(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _weekday_near(month: date, day: int) -> int:
    """Return the weekday closest to a day, in the same month."""
    weekday = month.replace(day=day).isoweekday()
    if weekday == 6:  # Saturday
        return day - 1 if day > 1 else day + 2
    if weekday == 7:  # Sunday
        return day + 1 if day < _last(month) else day - 2
    return day


def written(moment: float) -> str:
    """Return seconds since the epoch as the Scheduler writes a scheduled time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
