"""SageMaker's own refusals: errors that reach the client with the service's code and words."""

from __future__ import annotations

from typing import Any

from waterflow.emulation.errors import ServiceError


def check(operation: str, request: dict[str, Any]) -> None:
    """Refuse a request that the service's own model does not allow.

    Args:
        operation: The operation.
        request: The request.

    Raises:
        ServiceError: ValidationException, with all that is wrong.
    """
    # Botocore's model takes a while to read: what needs none of it must not wait.
    from waterflow_sagemaker.checks import merged, request_errors

    if violations := request_errors(operation, request):
        raise invalid(merged(violations))


def invalid(message: str) -> ServiceError:
    """Return the refusal of a wrong request."""
    return ServiceError("ValidationException", message)


def in_use(message: str) -> ServiceError:
    """Return the refusal of a name that is taken."""
    return ServiceError("ResourceInUse", message)


def missing(message: str) -> ServiceError:
    """Return the refusal of a name that there is not."""
    return ServiceError("ResourceNotFound", message)
