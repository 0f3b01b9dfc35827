"""SageMaker's own refusals: errors that reach the client with the service's code and words."""

from __future__ import annotations

from typing import Any, Final

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator import operations

_UNKNOWN: Final = {
    "s3": ("NotImplemented", 501),
    "iam": ("InvalidAction", 400),
    "sts": ("InvalidAction", 400),
}
"""Service -> code and status of an operation that it does not have."""


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


def unknown(service: str, operation: str) -> ServiceError:
    """Return the refusal of an operation that is not answered, which says how to do without.

    Args:
        service: The service, as requests are signed for it.
        operation: The operation; "" when none is named.
    """
    text = operations.reason(service, operation)
    if text is None:
        # The table has it, and this form of it is not answered all the same.
        text = f"Waterflow's emulator of {service} does not have this form of {operation}."
    code, status = _UNKNOWN.get(service, ("UnknownOperationException", 400))
    return ServiceError(code, text, status)
