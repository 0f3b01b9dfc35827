"""Cron expressions: five fields, as Debian's cron reads them: checked, and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from waterflow.errors import DefinitionError
from waterflow.language.values import definition_error

_FIELDS: Final = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of week", "0 to 7, both Sunday, or SUN to SAT"),
)
_DAY_FIELDS: Final = (2, 4)
_FORM: Final = (
    "Write five fields in UTC (minute, hour, day of month, month, day of week), such as "
    '"0 3 * * 1" for Mondays at three'
)
_BEYOND_DEBIAN: Final = "L#"
"""Signs in day fields that the library reads and Debian's cron does not: `L`, `MON#2`."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """What a cron expression means.

    Attributes:
        minutes: 0 to 59.
        hours: 0 to 23.
        days: Days of the month, 1 to 31.
        months: 1 to 12.
        weekdays: Days of the week, 0 for Sunday to 6.
        both: Whether a day must match both day fields; otherwise one of them suffices. Debian's
            cron asks for both where one of the fields begins with `*`.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both: bool


def check_schedule(schedule: object) -> None:
    """Refuse what is no cron expression of five fields.

    Raises:
        DefinitionError: It is none, or means a day that never comes.
    """
    if not isinstance(schedule, str):
        raise definition_error(f"schedule={schedule!r} is no cron expression. {_FORM}.")
    try:
        import cronsim  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError:
        # Inside a job there is the standard library alone, and a step's module may define the
        # pipeline too: its schedule was checked where the run was submitted.
        return
    try:
        read(schedule)
    except DefinitionError as error:
        raise definition_error(str(error)) from None


def read(schedule: str) -> Cron:
    """Return what a cron expression means.

    Args:
        schedule: Minute, hour, day of month, month, day of week; in UTC.

    Raises:
        DefinitionError: It is no expression of five fields, or means a day that never comes.
    """
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    fields = schedule.upper().split()
    if len(fields) != len(_FIELDS):
        count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
        raise _wrong(schedule, f"it has {count}")
    for number, field in enumerate(fields):
        for part in field.split(","):
            _check_part(schedule, number, part)
    try:
        meaning = CronSim(schedule, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        # Each field by itself is right, so it is what they mean together.
        raise _wrong(schedule, "that day never comes") from None
    days: Any = meaning.days
    weekdays: Any = meaning.weekdays
    return Cron(
        minutes=frozenset(meaning.minutes),
        hours=frozenset(meaning.hours),
        days=frozenset(days),
        months=frozenset(meaning.months),
        weekdays=frozenset(day % 7 for day in weekdays),
        both=meaning.day_and,
    )


def _check_part(schedule: str, number: int, part: str) -> None:
    """Refuse one part of a field's list, in words that say what is wrong with it."""
    from cronsim import CronSimError
    from cronsim.cronsim import Field

    name, values = _FIELDS[number]
    parser = Field(number + 1)  # the library's first field is the second
    span, slash, step = part.partition("/")
    why = f"'{part}' is no {name} ({values})"
    if number in _DAY_FIELDS and any(sign in part for sign in _BEYOND_DEBIAN):
        raise _wrong(schedule, why)
    try:
        parser.parse(part)
    except CronSimError:
        if slash and step.isdecimal() and int(step) == 0:
            why = f"'{part}' has a step of 0"
        elif _is_backwards(parser, span):
            why = f"'{part}' goes backwards: write it as two parts"
        raise _wrong(schedule, why) from None


def _is_backwards(parser: Any, span: str) -> bool:
    from cronsim import CronSimError

    first, dash, last = span.partition("-")
    try:
        return bool(dash) and parser.int(first) > parser.int(last)
    except CronSimError:
        return False


def _wrong(schedule: str, why: str) -> DefinitionError:
    return DefinitionError(f"schedule={schedule!r} is no cron expression: {why}. {_FORM}.")
