"""Cron expressions: five fields as everywhere, in UTC, to the six that AWS reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
_LONGEST: Final = 256
"""Characters of an expression: the limit on CreateSchedule's ScheduleExpression."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """What may stand for the numbers, from `low` on."""


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


def aws_cron(schedule: str) -> str:
    """Translate a cron expression with five fields.

    AWS numbers the days of the week from 1 (SUN), wants `?` in one of the two day fields, and
    takes steps only where they count from one value:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based

    Args:
        schedule: Minute, hour, day of month, month, day of week; in UTC.

    Returns:
        "cron(...)" with AWS's six fields.

    Raises:
        DefinitionError: It is no cron expression, or AWS cannot say it.
    """
    texts = schedule.split()
    if len(texts) != len(_FIELDS):
        raise _wrong(schedule, "it has not five fields")
    found = [_values(schedule, text, field) for text, field in zip(texts, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = found
    weekdays = sorted({day % 7 for day in weekdays})
    every_day, every_weekday = len(days) == 31, len(weekdays) == 7
    if not every_day and not every_weekday:
        raise _wrong(
            schedule,
            "AWS cannot say both a day of month and a day of week. Leave one of them *, or make "
            "two pipelines",
        )
    if all(min(days) > _LONGEST_MONTHS[month - 1] for month in months):
        raise _wrong(schedule, "that day never comes")
    fields = (
        _written(minutes, _FIELDS[0]),
        _written(hours, _FIELDS[1]),
        _written(days, _FIELDS[2]) if every_weekday else "?",
        _written(months, _FIELDS[3]),
        "?" if every_weekday else _week(weekdays),
        "*",
    )
    expression = f"cron({' '.join(fields)})"
    if len(expression) > _LONGEST:
        raise _wrong(schedule, f"AWS's form of it has more than {_LONGEST} characters")
    return expression


def _values(schedule: str, text: str, field: _Field) -> list[int]:
    """Return the values that a field means, in order."""
    values: set[int] = set()
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        if matched is None:
            raise _wrong(schedule, f"'{part}' is no {field.name}")
        first, last, step = matched.groups()
        if first == "*":
            if last is not None:
                raise _wrong(schedule, f"'{part}' is no {field.name}")
            low, high = field.low, field.high
        else:
            low = _number(schedule, first, field)
            high = field.high if step else low
            high = _number(schedule, last, field) if last is not None else high
        if low > high:
            raise _wrong(schedule, f"'{part}' goes backwards: write it as two parts")
        if step is not None and int(step) == 0:
            raise _wrong(schedule, f"'{part}' has a step of 0")
        if field.high == 7 and last is None:
            high = min(high, 6) if low < 7 else high  # 7 is Sunday again, not an eighth day
        values.update(range(low, high + 1, int(step or 1)))
    return sorted(values)


def _number(schedule: str, text: str, field: _Field) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.low
    if not text.isascii() or not text.isdigit() or not field.low <= int(text) <= field.high:
        raise _wrong(schedule, f"'{text}' is no {field.name}")
    return int(text)


def _written(values: Sequence[int], field: _Field) -> str:
    """Return a field's values as AWS reads them: all, from-by, ranges and single ones."""
    if len(values) == field.high - field.low + 1:
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 0
    # "first/step" goes on to the field's end, so it must be all that is meant.
    if step > 1 and list(values) == list(range(values[0], field.high + 1, step)):
        return f"{values[0]}/{step}"
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in _runs(values)
    )


def _week(days: Sequence[int]) -> str:
    return ",".join(
        _DAYS[first] if first == last else f"{_DAYS[first]}-{_DAYS[last]}"
        for first, last in _runs(days)
    )


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of values that follow each other, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _wrong(schedule: str, why: str) -> DefinitionError:
    return DefinitionError(
        f'schedule="{schedule}" cannot be kept by EventBridge Scheduler: {why}. '
        'Five fields in UTC are wanted, such as "0 3 * * 1" (Mondays at three).'
    )
