"""Native errors as Waterflow's own: kinds of them in tables, each with the next thing to do."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConflictError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from waterflow.errors import ProviderError, WaterflowError


@dataclass(frozen=True)
class ErrorKind:
    """How a family of native errors is told.

    Attributes:
        error: Waterflow's class.
        hint: The next thing to do; empty where there is none to name.
        retryable: Whether trying again may succeed.
    """

    error: type[ProviderError]
    hint: str = ""
    retryable: bool = False


CONFLICT: Final = ErrorKind(
    ConflictError, "It is there already or is being changed: look at it, then try again"
)
TRANSIENT: Final = ErrorKind(TransientError, "This passes: try again in a minute", retryable=True)


def by_name(*rows: tuple[ErrorKind, Iterable[str]]) -> Mapping[str, ErrorKind]:
    """Return a table by the names that a cloud has for its errors.

    Args:
        rows: A kind, and the codes or names of classes that are told so.
    """
    return {name: kind for kind, names in rows for name in names}


def as_error(
    kind: ErrorKind, *, provider: str, operation: str, code: str, message: str
) -> ProviderError:
    """Return the error for what a cloud answered.

    Args:
        kind: How it is told.
        provider: The provider's name.
        operation: The cloud's name of the operation.
        code: The cloud's code, or the name of the SDK's class.
        message: The cloud's own words, in one or more lines.
    """
    words = " ".join(message.split()).rstrip(".")
    hint = f" {kind.hint}" if kind.hint else ""
    return kind.error(
        f"{operation}: {words} ({code}).{hint}",
        provider=provider,
        operation=operation,
        native_code=code,
        retryable=kind.retryable,
    )


@contextmanager
def raised_as(
    translation: Callable[[BaseException, str], WaterflowError | None], operation: str
) -> Generator[None]:
    """Raise what a cloud's SDK raises inside as Waterflow's errors.

    Args:
        translation: Returns a native error of an operation as one of Waterflow's; None for an
            error that is not of the cloud.
        operation: The cloud's name of the operation.

    Raises:
        WaterflowError: What the translation returned.
    """
    try:
        yield
    except Exception as error:
        translated = translation(error, operation)
        if translated is None:
            raise
        raise translated from error
