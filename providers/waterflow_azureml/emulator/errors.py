"""Azure's refusals: errors that reach the client with the code, words and shape of its host."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.emulation.wire import Start

XML: Final = (("Content-Type", "application/xml"),)


class Refusal(ServiceError):  # noqa: N818 - what it is, and said as often as an error is
    """A request is refused.

    Args:
        status: The HTTP status.
        code: The error's code, as the cloud's API writes it.
        message: What the client reads.
        headers: Headers that the refusal bears beside its body: `Retry-After`.
        details: What is wrong in particular: (code, message).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        details: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(code, message, status)
        self.headers, self.details = headers, details


def invalid(message: str, *details: str) -> Refusal:
    """Return the refusal of a wrong request.

    Args:
        message: What is wrong with it.
        details: What is wrong in particular, one text each.
    """
    return Refusal(
        400, "UserError", message, details=tuple(("InvalidParameter", one) for one in details)
    )


def missing(message: str, code: str = "UserError") -> Refusal:
    """Return the refusal of a name that there is not."""
    return Refusal(404, code, message)


def conflict(message: str, code: str = "UserError") -> Refusal:
    """Return the refusal of what stands against what is there."""
    return Refusal(409, code, message)


def unanswered(operation: str, instead: str) -> Refusal:
    """Return the refusal of an operation that is not run here, which says how to do without.

    Args:
        operation: What was asked for, as its users call it.
        instead: What to do instead.
    """
    return Refusal(
        501, "NotImplemented", f"Waterflow's emulator of Azure does not have {operation}: {instead}"
    )


def rendered(refusal: ServiceError, service: str) -> Reply:
    """Return a refusal in the shape of a service.

    Args:
        refusal: What is refused.
        service: As `routes.service` names it.
    """
    more = refusal.headers if isinstance(refusal, Refusal) else ()
    code, message = refusal.code, refusal.message
    if service == "blob":
        text = (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        )
        return Reply(refusal.status, text.encode(), (*XML, ("x-ms-error-code", code), *more))
    body: dict[str, Any] = {"error": {"code": code, "message": message}}
    if service == "login":
        body = {"error": code, "error_description": message}
    elif service == "mlflow":
        body = {"error_code": code, "message": message}
    elif service == "azureml":
        details = refusal.details if isinstance(refusal, Refusal) else ()
        body["error"] |= {
            "details": [{"code": one, "message": text, "details": []} for one, text in details],
            "additionalInfo": [
                {"type": "ComponentName", "info": {"value": "managementfrontend"}},
            ],
        }
    headers = (("Content-Type", "application/json"), ("x-ms-error-code", code), *more)
    return Reply(refusal.status, json.dumps(body).encode(), headers)


_THROTTLED: Final = Refusal(
    429,
    "TooManyRequests",
    "The request is being throttled as the limit has been reached. Retry after some time.",
    headers=(("Retry-After", "1"),),
)
_FAILING: Final = Refusal(503, "ServiceUnavailable", "The service is temporarily unavailable.")
_BUSY: Final = Refusal(503, "ServerBusy", "The server is busy.")


def faulty(service: str, fault: str) -> Refusal:
    """Return the refusal of a request that meets a fault.

    Args:
        service: The service.
        fault: `throttle` or `error503`.
    """
    if service == "blob":
        return _BUSY  # its word for both
    return _THROTTLED if fault == "throttle" else _FAILING


class Headless(Reply):
    """An answer to HEAD: its headers are those of the whole answer, and the body stays away."""

    def send(self, start: Start) -> Iterable[bytes]:
        """Begin the answer, without a body."""
        names = {name.lower() for name, _ in self.headers}
        own = [] if "content-length" in names else [("Content-Length", str(len(self.body)))]
        start(f"{self.status} {HTTPStatus(self.status).phrase}", [*self.headers, *own])
        return []


def headless(reply: Reply) -> Reply:
    """Return the answer to HEAD for what would be answered to GET."""
    return Headless(reply.status, reply.body, reply.headers)
