"""Errors as the API server answers them: grpc-gateway's shape."""

from __future__ import annotations

from typing import Final

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import Reply, json_reply

CODES: Final = {
    "INVALID_ARGUMENT": (3, 400),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "UNAUTHENTICATED": (16, 401),
}
"""Name of a code of gRPC -> its number, and the status of HTTP.
https://github.com/grpc-ecosystem/grpc-gateway/blob/main/runtime/errors.go"""


class ApiError(ServiceError):
    """A request is refused.

    Args:
        name: The name of a code of gRPC.
        message: What the client reads.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message, CODES[name][1])


def invalid(message: str) -> ApiError:
    """Return the refusal of a request that is wrong in itself."""
    return ApiError("INVALID_ARGUMENT", f"Invalid input error: {message}")


def missing(kind: str, name: str) -> ApiError:
    """Return the refusal of a request for what is not there."""
    return ApiError("NOT_FOUND", f"ResourceNotFoundError: {kind} {name} not found.")


def exists(kind: str, name: str) -> ApiError:
    """Return the refusal of a request for what is there already."""
    return ApiError(
        "ALREADY_EXISTS", f"Already exist error: The name {name} already exists as {kind}."
    )


def reply(error: ServiceError) -> Reply:
    """Return the answer of a refusal."""
    number, status = CODES[error.code]
    body = {
        "error": error.message,
        "code": number,
        "message": error.message,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.Status",
                "code": number,
                "message": error.message,
            }
        ],
    }
    return json_reply(body, status)
