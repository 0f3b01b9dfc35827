"""AWS's wire: which operation a request names, what it says, how refusals are written."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Final, cast
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import Environ, Reply
from waterflow_sagemaker.definition import shapes

_SCOPE: Final = re.compile(
    r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
_XML: Final = frozenset({"s3", "iam", "sts"})
"""Services that speak XML."""
_FORMS: Final = frozenset({"iam", "sts"})
"""Services whose requests are forms."""


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


def service_of(environ: Environ) -> str:
    """Return the service that a request is signed for; "" when it is not signed."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return scope["service"] if scope else ""


def region_of(environ: Environ) -> str:
    """Return the region that a request is signed for; "" when it is not signed."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return scope["region"] if scope else ""


def access_key_of(authorization: str) -> str:
    """Return the access key that a request is signed with; "" when it is not signed.

    Args:
        authorization: Its header.
    """
    scope = _SCOPE.search(authorization)
    return scope["key"] if scope else ""


def operation_of(service: str, environ: Environ) -> str:
    """Return the operation that a request names; "" when its service has none such.

    Args:
        service: The service.
        environ: The request, its body in memory where the service takes forms.
    """
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2]
    if service in _FORMS:
        action = _form(environ).get("Action")
        return action[0] if action else ""
    return _rest(service, environ)


def parsed(service: str, operation: str, environ: Environ) -> dict[str, Any]:
    """Return a request as the service's own model has it; its body is in memory, and stays.

    Args:
        service: The service.
        operation: The operation.
        environ: The request.

    Raises:
        ValueError, TypeError, AttributeError, KeyError: It is not written as the protocol says.
    """
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.request import Request, determine_request_protocol
    from moto.core.routing import get_service_router
    from moto.core.utils import get_service_model

    model = get_service_model(service)
    request = Request({**environ, "wsgi.input": io.BytesIO(_body(environ))})
    protocol = determine_request_protocol(model, request.content_type)
    if protocol == "json":
        document = json.loads(_body(environ) or b"{}")
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        return cast("dict[str, Any]", document)
    _, named = get_service_router(service).match(request)
    body = request.get_data(parse_form_data=False, cache=True)
    if protocol == "rest-json":
        json.loads(body or b"{}")
    parser = PROTOCOL_PARSERS[protocol](model.operation_model(operation))
    return parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": named,
        }
    )


def violations(service: str, operation: str, request: dict[str, Any]) -> str:
    """Return all that a service's own model refuses in a request, as one text; "" for nothing."""
    from moto.core.utils import get_service_model

    from waterflow_sagemaker.checks import merged

    shape = get_service_model(service).operation_model(operation).input_shape
    if shape is None:
        return ""
    wrong = [
        f"1 validation error detected: {shapes.refusal(one)}"
        for one in shapes.Walk()(request, shape)
        if one.kind != "unknown"  # services of JSON read over what they do not know
    ]
    return merged(wrong) if wrong else ""


def _body(environ: Environ) -> bytes:
    """Return a body that is in memory, and leave it to be read again."""
    stream = environ.get("wsgi.input")
    return stream.getvalue() if isinstance(stream, io.BytesIO) else b""


def _form(environ: Environ) -> dict[str, list[str]]:
    text = environ.get("QUERY_STRING", "") or _body(environ).decode("utf-8", "replace")
    return parse_qs(text, keep_blank_values=True)


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
    if service in _XML:
        # S3 has a code of its own for this.
        code, status = ("SlowDown", 503) if service == "s3" else ("Throttling", status)
    return refusal(service, ServiceError(code, text, status))


def refusal(service: str, error: ServiceError) -> Reply:
    """Return a refusal as a service writes it."""
    code, status = error.code, error.status
    if service in _XML:
        body = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
        if service != "s3":
            body = f"<ErrorResponse>{body}</ErrorResponse>"
        kind = "text/xml"
    else:
        body = json.dumps({"__type": code, "message": error.message, "Message": error.message})
        kind = "application/x-amz-json-1.1"
    return Reply(status, body.encode(), (("Content-Type", kind), ("x-amzn-ErrorType", code)))
