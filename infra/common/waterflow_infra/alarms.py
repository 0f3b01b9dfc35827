"""What alarms say: who reads it knows what happened, where to look, and what to type."""

from __future__ import annotations

from typing import Final

NEXT: Final = "waterflow status RUN; waterflow logs RUN"
"""Where whoever is woken begins."""


def failed_run(zone: str, pipeline: str, run: str) -> str:
    """Return the message about a run that failed.

    Args:
        zone: The landing zone's name.
        pipeline: The pipeline, or what the cloud replaces by it.
        run: The run's native id, or what the cloud replaces by it.
    """
    return f"{zone}: a run of {pipeline} has failed ({run}). What happened: {NEXT}"


def failing_runs(zone: str, number: int, minutes: int) -> str:
    """Return the text of the alarm on several failures.

    Args:
        zone: The landing zone's name.
        number: How many runs it takes.
        minutes: Within which time.
    """
    return (
        f"{zone}: {number} or more runs have failed within {minutes} minutes, which is seldom the "
        f"pipelines' own doing: look for quotas, permissions or missing data. Next: waterflow runs"
    )


def stuck_run(zone: str, pipeline: str, run: str, hours: int) -> str:
    """Return the message about a run that does not end.

    Args:
        zone: The landing zone's name.
        pipeline: The pipeline, or what the cloud replaces by it.
        run: The run's native id, or what the cloud replaces by it.
        hours: After how many hours it is told, again and again.
    """
    return (
        f"{zone}: a run of {pipeline} still goes on, {hours} hours after it was last looked at "
        f"({run}), and costs money. Look: {NEXT}. To end it: waterflow cancel RUN"
    )


def blind_watch(zone: str) -> str:
    """Return the text of the alarm on the watch itself.

    Args:
        zone: The landing zone's name.
    """
    return f"{zone}: the watch over runs that do not end has itself failed, so none would be told"
