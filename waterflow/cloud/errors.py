"""Native errors as Waterflow's own: kinds of them in tables, each with the next thing to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.errors import ProviderError


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
