"""What can be wrong with a pipeline, before it runs and while it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
FAILED_PRECONDITION: Final = 9
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
CANCELLED: Final = 1


class SpecError(Exception):
    """A document cannot be run: the message is for who wrote it."""


class TaskError(Exception):
    """A task has failed.

    Args:
        message: Why.
        code: The code of google.rpc.Code that says what kind of failure it is.
    """

    def __init__(self, message: str, code: int = FAILED_PRECONDITION) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Failure:
    """Why something has failed, as clouds tell it.

    Attributes:
        message: The words.
        code: A code of google.rpc.Code.
    """

    message: str
    code: int = FAILED_PRECONDITION

    def describe(self) -> dict[str, Any]:
        """Return it in JSON."""
        return {"code": self.code, "message": self.message}
