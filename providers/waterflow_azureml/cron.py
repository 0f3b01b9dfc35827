"""Cron expressions as triggers of Azure ML's schedules: cron where it can say them, else months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import DefinitionError
from waterflow.language import cron

if TYPE_CHECKING:
    from collections.abc import Collection

_DAYS: Final = 31
_MONTHS: Final = 12
_WEEK: Final = 7
_ZONE: Final = "UTC"


def trigger(schedule: str) -> dict[str, Any]:
    """Translate a cron expression with five fields.

    Azure ML's cron takes no day of month and no month: what stands there it reads as `*`, without a
    word. Days of a month are said by a recurrence instead.
    https://learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job

    Args:
        schedule: Minute, hour, day of month, month, day of week; in UTC.

    Raises:
        DefinitionError: It is no cron expression, or Azure cannot say it.
    """
    meaning = cron.read(schedule)
    if len(meaning.months) != _MONTHS:
        raise _unsaid(schedule, "Azure ML cannot say months. Leave the fourth field *")
    every_day, every_weekday = len(meaning.days) == _DAYS, len(meaning.weekdays) == _WEEK
    if not every_day and not every_weekday:
        raise _unsaid(
            schedule,
            "Azure ML cannot say both a day of month and a day of week. Leave one of them *, or "
            "make two pipelines",
        )
    if not every_day and meaning.both:
        return {
            "triggerType": "Recurrence",
            "frequency": "Month",
            "interval": 1,
            "timeZone": _ZONE,
            "schedule": {
                "hours": sorted(meaning.hours),
                "minutes": sorted(meaning.minutes),
                "monthDays": sorted(meaning.days),
            },
        }
    # Of two fields of which one suffices, one that is always met makes it every day.
    weekdays = meaning.weekdays if meaning.both else range(_WEEK)
    fields = (
        _field(meaning.minutes, 60),
        _field(meaning.hours, 24),
        "*",
        "*",
        _field(weekdays, _WEEK),
    )
    return {"triggerType": "Cron", "expression": " ".join(fields), "timeZone": _ZONE}


def shown(kept: Any) -> str:
    """Return a trigger in words.

    Args:
        kept: The trigger, as Azure has it.
    """
    zone = kept.get("timeZone") or _ZONE
    if kept.get("triggerType") == "Cron":
        return f"{kept['expression']} {zone}"
    pattern = kept.get("schedule") or {}
    days = ",".join(map(str, pattern.get("monthDays") or ())) or "*"
    minutes, hours = (
        ",".join(map(str, pattern.get(name) or ())) or "*" for name in ("minutes", "hours")
    )
    return f"{minutes} {hours} {days} * * {zone}"


def _field(values: Collection[int], every: int) -> str:
    """Return a field's values: all, ranges and single ones."""
    if len(values) == every:
        return "*"
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _unsaid(schedule: str, why: str) -> DefinitionError:
    return DefinitionError(f'schedule="{schedule}" cannot be kept by Azure ML: {why}.')
