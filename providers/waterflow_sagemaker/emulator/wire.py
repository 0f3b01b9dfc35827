"""AWS's wire: which operation a request names, how refusals are written, what moto takes unread."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import App, Environ, Reply, Start, read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Check = Callable[[dict[str, Any]], None]

_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
_XML: Final = frozenset({"s3", "iam", "sts"})
"""Services that speak XML."""


def identify(environ: Environ) -> tuple[str, str]:
    """Return the service and the operation that a request names; "" for what it does not say."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return "", ""
    service = scope["service"]
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return service, target.rpartition(".")[2]
    query = parse_qs(environ.get("QUERY_STRING", ""))
    if "Action" in query:
        return service, query["Action"][0]
    return service, _rest(service, environ)


def _rest(service: str, environ: Environ) -> str:
    """Return the operation of a REST protocol, by method and path as its model has them."""
    from botocore.exceptions import BotoCoreError
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    try:
        # A copy, since reading a request's form would use up the body.
        operation, _ = get_service_router(service).match(
            Request({**environ, "wsgi.input": None, "CONTENT_LENGTH": "0"})
        )
    except (NotFound, NotImplementedError, ValueError, LookupError, BotoCoreError):
        return ""
    return str(operation.name)


def fault_reply(service: str, fault: str) -> Reply:
    """Return a service's words for `throttle` or `error503`."""
    code, text, status = {
        "throttle": ("ThrottlingException", "Rate exceeded", 400),
        "error503": (
            "ServiceUnavailable",
            "The service is unavailable. Please try again shortly.",
            503,
        ),
    }[fault]
    return refusal(service, ServiceError(code, text, status))


def refusal(service: str, error: ServiceError) -> Reply:
    """Return a refusal as a service writes it."""
    code, status = error.code, error.status
    if service in _XML:
        # S3 has a code of its own for this.
        code, status = ("SlowDown", 503) if service == "s3" else ("Throttling", status)
        body = f"<Error><Code>{code}</Code><Message>{error.message}</Message></Error>"
        if service != "s3":
            body = f"<ErrorResponse>{body}</ErrorResponse>"
        kind = "text/xml"
    else:
        body = json.dumps({"__type": code, "message": error.message, "Message": error.message})
        kind = "application/x-amz-json-1.1"
    return Reply(status, body.encode(), (("Content-Type", kind), ("x-amzn-ErrorType", code)))


def checked(app: App, service: str, checks: Mapping[str, Check]) -> App:
    """Return an application that refuses requests which moto would take unread.

    Args:
        app: Moto's.
        service: The service whose requests are checked.
        checks: Operation -> refuses a request, by ServiceError; may be filled later.
    """

    def enter(environ: Environ, start: Start) -> Iterable[bytes]:
        # To find out what a request names takes time.
        if f"/{service}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return app(environ, start)
        check = checks.get(identify(environ)[1])
        if check is not None:
            data = read_body(environ)
            environ["wsgi.input"] = io.BytesIO(data)
            try:
                check(json.loads(data))
            except ServiceError as error:
                return refusal(service, error).send(start)
            except ValueError:
                pass  # moto refuses what is not JSON
        return app(environ, start)

    return enter
