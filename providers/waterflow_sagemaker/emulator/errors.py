"""The service's refusals: errors that reach the client with the real service's code and words."""

from __future__ import annotations


class ServiceError(Exception):
    """A request is refused, or the service fails.

    Args:
        code: The error's code, as the service's API writes it.
        message: What the client reads.
        status: The HTTP status; 400 for what the client did, 5xx for the service.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(f"{code}: {message}")


class JobError(Exception):
    """A job cannot go on; its text becomes the job's FailureReason."""


def invalid(message: str) -> ServiceError:
    """Return the refusal of a wrong request."""
    return ServiceError("ValidationException", message)


def in_use(message: str) -> ServiceError:
    """Return the refusal of a name that is taken."""
    return ServiceError("ResourceInUse", message)
