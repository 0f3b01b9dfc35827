"""What goes wrong in an emulated cloud: a request is refused, a job cannot go on."""

from __future__ import annotations


class ServiceError(Exception):
    """A request is refused, or the service fails.

    Args:
        code: The error's code, as the cloud's API writes it.
        message: What the client reads.
        status: The HTTP status; 400 for what the client did, 5xx for the service.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(f"{code}: {message}")


class JobError(Exception):
    """A job cannot go on; its text becomes the reason that the cloud gives for its failure."""
