"""Cron expressions in the words of EventBridge Scheduler: the six fields that AWS reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.errors import DefinitionError
from waterflow.language import cron

if TYPE_CHECKING:
    from collections.abc import Collection

_WEEK: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MINUTES: Final = range(60)
_HOURS: Final = range(24)
_DAYS: Final = range(1, 32)
_MONTHS: Final = range(1, 13)


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
    meaning = cron.read(schedule)
    days, weekdays = _day_fields(schedule, meaning)
    minutes, hours = _field(meaning.minutes, _MINUTES), _field(meaning.hours, _HOURS)
    months = _field(meaning.months, _MONTHS)
    # However odd, it stays below the 256 characters that AWS takes of an expression.
    return f"cron({minutes} {hours} {days} {months} {weekdays} *)"


def _day_fields(schedule: str, meaning: cron.Cron) -> tuple[str, str]:
    """Return the day of month and the day of week, of which AWS takes one only."""
    every_day = len(meaning.days) == len(_DAYS)
    every_weekday = len(meaning.weekdays) == len(_WEEK)
    if not every_day and not every_weekday:
        raise _unsaid(
            schedule,
            "AWS cannot say both a day of month and a day of week. Leave one of them *, or make "
            "two pipelines",
        )
    if every_weekday if meaning.both else every_day or every_weekday:
        return _field(meaning.days if meaning.both else _DAYS, _DAYS), "?"
    return "?", _week(meaning.weekdays)


def _field(values: Collection[int], every: range) -> str:
    """Return a field's values as AWS reads them: all, from-by, ranges and single ones."""
    if len(values) == len(every):
        return "*"
    ordered = sorted(values)
    step = ordered[1] - ordered[0] if len(ordered) > 2 else 0
    # "first/step" goes on to the field's end, so it must be all that is meant.
    if step > 1 and ordered == list(range(ordered[0], every.stop, step)):
        return f"{ordered[0]}/{step}"
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in _runs(ordered)
    )


def _week(days: Collection[int]) -> str:
    return ",".join(
        _WEEK[first] if first == last else f"{_WEEK[first]}-{_WEEK[last]}"
        for first, last in _runs(sorted(days))
    )


def _runs(values: list[int]) -> list[tuple[int, int]]:
    """Return runs of values that follow each other, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _unsaid(schedule: str, why: str) -> DefinitionError:
    return DefinitionError(f'schedule="{schedule}" cannot be kept by EventBridge Scheduler: {why}.')
