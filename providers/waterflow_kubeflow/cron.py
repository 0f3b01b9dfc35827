"""Cron expressions as triggers of Kubeflow's recurring runs: six fields, seconds before the others.

https://pkg.go.dev/github.com/robfig/cron#hdr-CRON_Expression_Format
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import DefinitionError
from waterflow.language import cron

if TYPE_CHECKING:
    from collections.abc import Collection

_DAYS: Final = range(1, 32)
_WEEK: Final = range(7)


def trigger(schedule: str) -> dict[str, Any]:
    """Translate a cron expression with five fields.

    Kubeflow's own reading of them is the usual one: of a day of month and a day of week that are
    both said, one is enough.

    Args:
        schedule: Minute, hour, day of month, month, day of week; in UTC.

    Raises:
        DefinitionError: It is no cron expression, or Kubeflow cannot say it.
    """
    meaning = cron.read(schedule)
    days, weekdays = set(meaning.days), set(meaning.weekdays)
    every_day, every_weekday = days == set(_DAYS), weekdays == set(_WEEK)
    if not every_day and not every_weekday and meaning.both:
        raise DefinitionError(
            f'schedule="{schedule}" cannot be kept by Kubeflow Pipelines: a day of month and a day '
            "of week that must both hold cannot be said. Leave one of them *, or make two pipelines"
        )
    fields = (
        "0",
        _field(meaning.minutes, range(60)),
        _field(meaning.hours, range(24)),
        _field(days, _DAYS),
        _field(set(meaning.months), range(1, 13)),
        _field(weekdays, _WEEK),
    )
    return {"cron_schedule": {"cron": " ".join(fields)}}


def shown(kept: Any) -> str:
    """Return a trigger in words.

    Args:
        kept: The trigger, as Kubeflow has it.
    """
    expression = str((kept.get("cron_schedule") or {}).get("cron") or "")
    if expression:
        seconds, _, rest = expression.partition(" ")
        return f"{rest} UTC" if seconds == "0" else f"{expression} UTC, with seconds"
    interval = (kept.get("periodic_schedule") or {}).get("interval_second")
    return f"every {interval} seconds"


def _field(values: Collection[int], whole: range) -> str:
    """Return a field's values: all, ranges and single ones."""
    if set(values) == set(whole):
        return "*"
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
