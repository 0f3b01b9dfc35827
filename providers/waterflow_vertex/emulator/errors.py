"""Google's refusals: errors that reach the client with the code, words and shape of its service."""

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

_CODES: Final = {
    "OK": (200, 0), "CANCELLED": (499, 1), "UNKNOWN": (500, 2), "INVALID_ARGUMENT": (400, 3),
    "DEADLINE_EXCEEDED": (504, 4), "NOT_FOUND": (404, 5), "ALREADY_EXISTS": (409, 6),
    "PERMISSION_DENIED": (403, 7), "RESOURCE_EXHAUSTED": (429, 8), "FAILED_PRECONDITION": (400, 9),
    "ABORTED": (409, 10), "OUT_OF_RANGE": (400, 11), "UNIMPLEMENTED": (501, 12),
    "INTERNAL": (500, 13), "UNAVAILABLE": (503, 14), "UNAUTHENTICATED": (401, 16),
}  # fmt: skip
"""Code -> its HTTP status and its number.

https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
"""
_REASONS: Final = {
    400: "invalid", 401: "required", 403: "forbidden", 404: "notFound", 409: "conflict",
    412: "conditionNotMet", 416: "requestedRangeNotSatisfiable", 429: "rateLimitExceeded",
    501: "notImplemented", 503: "backendError",
}  # fmt: skip
"""HTTP status -> the reason that Cloud Storage gives."""
_XML_CODES: Final = {
    400: "InvalidArgument", 401: "AuthenticationRequired", 403: "AccessDenied", 404: "NoSuchKey",
    409: "Conflict", 412: "PreconditionFailed", 416: "InvalidRange", 429: "SlowDown",
    501: "NotImplemented", 503: "ServiceUnavailable",
}  # fmt: skip


class Refusal(ServiceError):  # noqa: N818 - what it is, and said as often as an error is
    """A request is refused.

    Args:
        code: The canonical code: `NOT_FOUND`.
        message: What the client reads.
        status: The HTTP status, where it is not the code's own.
        details: What is wrong in particular, as `google.rpc` writes it.
        headers: Headers that the refusal bears beside its body.
        reason: What Cloud Storage calls it, where the status does not say.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: tuple[dict[str, Any], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        reason: str = "",
    ) -> None:
        super().__init__(code, message, status or _CODES[code][0])
        self.details, self.headers, self.reason = details, headers, reason


def number(code: str) -> int:
    """Return a code's number."""
    return _CODES.get(code, (500, 2))[1]


def invalid(message: str, **fields: str) -> Refusal:
    """Return the refusal of a wrong request.

    Args:
        message: What is wrong with it.
        fields: Field -> what is wrong with it.
    """
    violations = [{"field": name, "description": text} for name, text in fields.items()]
    kind = "type.googleapis.com/google.rpc.BadRequest"
    details = ({"@type": kind, "fieldViolations": violations},) if violations else ()
    return Refusal("INVALID_ARGUMENT", message, details=details)


def missing(message: str) -> Refusal:
    """Return the refusal of a name that there is not."""
    return Refusal("NOT_FOUND", message)


def exists(message: str) -> Refusal:
    """Return the refusal of a name that is taken."""
    return Refusal("ALREADY_EXISTS", message)


def unready(message: str) -> Refusal:
    """Return the refusal of what stands against the state of things."""
    return Refusal("FAILED_PRECONDITION", message)


def unanswered(operation: str, instead: str = "") -> Refusal:
    """Return the refusal of an operation that is not run here, which says how to do without.

    Args:
        operation: What was asked for, as its users call it.
        instead: What to do instead.
    """
    more = instead or "leave it out, or test it against Google Cloud"
    return Refusal(
        "UNIMPLEMENTED", f"Waterflow's emulator of Google Cloud does not have {operation}: {more}"
    )


def refused_by_fault(fault: str) -> Refusal:
    """Return the refusal of a request that meets a fault.

    Args:
        fault: `throttle` or `error503`.
    """
    if fault == "throttle":
        return Refusal(
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.",
            details=(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "googleapis.com",
                },
            ),
        )
    return Refusal("UNAVAILABLE", "The service is currently unavailable.")


def rendered(refusal: ServiceError, shape: str) -> Reply:
    """Return a refusal in the shape of a service.

    Args:
        refusal: What is refused.
        shape: `json` for most APIs, `storage`, `xml` or `oauth` for those with a shape of their
            own.
    """
    more = refusal.headers if isinstance(refusal, Refusal) else ()
    status, code, message = refusal.status, refusal.code, refusal.message
    if status == 401:
        more = (*more, ("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"'))
    if shape == "xml":
        reason = refusal.reason if isinstance(refusal, Refusal) else ""
        text = (
            "<?xml version='1.0' encoding='UTF-8'?>"
            f"<Error><Code>{escape(reason or _XML_CODES.get(status, code))}</Code>"
            f"<Message>{escape(message)}</Message></Error>"
        )
        kind = ("Content-Type", "application/xml; charset=UTF-8")
        return Reply(status, text.encode(), (kind, *more))
    body: dict[str, Any]
    if shape == "oauth":
        word = refusal.reason if isinstance(refusal, Refusal) else ""
        body = {"error": word or "invalid_request", "error_description": message}
    elif shape == "storage":
        reason = (refusal.reason if isinstance(refusal, Refusal) else "") or _REASONS.get(
            status, "backendError"
        )
        one = {"message": message, "domain": "global", "reason": reason}
        body = {"error": {"code": status, "message": message, "errors": [one]}}
    else:
        details = refusal.details if isinstance(refusal, Refusal) else ()
        body = {"error": {"code": status, "message": message, "status": code}}
        if details:
            body["error"]["details"] = list(details)
    kind = ("Content-Type", "application/json; charset=UTF-8")
    return Reply(status, json.dumps(body).encode(), (kind, *more))


class Headless(Reply):
    """An answer without a body: to HEAD, or with a status that has none."""

    def send(self, start: Start) -> Iterable[bytes]:
        """Begin the answer, without a body."""
        names = {name.lower() for name, _ in self.headers}
        own = [] if "content-length" in names else [("Content-Length", str(len(self.body)))]
        word = {308: "Resume Incomplete"}.get(self.status) or HTTPStatus(self.status).phrase
        start(f"{self.status} {word}", [*self.headers, *own])
        return []


def headless(reply: Reply) -> Reply:
    """Return an answer without its body; the length is told that it would have to HEAD."""
    body = b"" if reply.status in (204, 304, 308) else reply.body
    return Headless(reply.status, body, reply.headers)
