"""The words of Azure ML for where a job is in its life."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """A job's status, in the order of a job's life.

    https://learn.microsoft.com/javascript/api/@azure/arm-machinelearning/knownjobstatus
    """

    NOT_STARTED = "NotStarted"
    """It is known, and nothing was done for it."""
    PREPARING = "Preparing"
    """Its environment's image is looked for, or built."""
    QUEUED = "Queued"
    """It waits for all its nodes."""
    STARTING = "Starting"
    """Its nodes are there; its inputs are brought."""
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    """Its program has ended; its outputs are taken."""
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def final(self) -> bool:
        """Whether a job keeps this status."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELED)
