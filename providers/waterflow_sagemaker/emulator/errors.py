"""SageMaker's own refusals: errors that reach the client with the service's code and words."""

from __future__ import annotations

from waterflow.emulation.errors import ServiceError


def invalid(message: str) -> ServiceError:
    """Return the refusal of a wrong request."""
    return ServiceError("ValidationException", message)


def in_use(message: str) -> ServiceError:
    """Return the refusal of a name that is taken."""
    return ServiceError("ResourceInUse", message)


def missing(message: str) -> ServiceError:
    """Return the refusal of a name that there is not."""
    return ServiceError("ResourceNotFound", message)
