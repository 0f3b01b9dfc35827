"""Where requests enter: faults strike here, before and after what answers them."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from waterflow_sagemaker.emulator.errors import ServiceError
from waterflow_sagemaker.emulator.services import INTERNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow_sagemaker.emulator.faults import Faults

    Start = Callable[..., Any]
    App = Callable[[dict[str, Any], Start], Iterable[bytes]]

CONTROL: Final = "/_waterflow/"
"""Paths that are the emulator's own, no bucket's: bucket names have no underscores."""

_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


class Gate:
    """The application that the server runs.

    Args:
        app: Moto's.
        faults: What is to go wrong.
    """

    def __init__(self, app: App, faults: Faults) -> None:
        self._app, self._faults = app, faults
        self.controls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        """What the emulator's owner may ask of it beside the cloud's API, under CONTROL."""
        self.checks: dict[str, Callable[[dict[str, Any]], None]] = {}
        """Operation of moto's -> refuses, by ServiceError, a request that moto would take."""

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(CONTROL):
            return self._control(path.removeprefix(CONTROL), environ, start)
        if INTERNAL in environ.get("HTTP_USER_AGENT", ""):
            return self._app(environ, start)
        if not self._faults.shares and "/scheduler/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._app(environ, start)  # to find out what is asked for takes time
        service, operation = asked(environ)
        return self._struck(environ, start, service, operation)

    def _control(self, name: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        control = self.controls.get(name)
        if control is None or environ["REQUEST_METHOD"] != "POST":
            return _answer(start, 404, {"message": f"there is no {name}"})
        try:
            return _answer(start, 200, control(json.loads(_body(environ))))
        except (ValueError, KeyError, TypeError) as error:
            return _answer(start, 400, {"message": f"{type(error).__name__}: {error}"})

    def _checked(
        self, environ: dict[str, Any], start: Start, service: str, operation: str
    ) -> Iterable[bytes]:
        check = self.checks.get(operation)
        if check is not None:
            data = _body(environ)
            environ["wsgi.input"] = io.BytesIO(data)
            try:
                check(json.loads(data))
            except ServiceError as error:
                return _refuse(environ, start, service, error.code, error.message, error.status)
            except ValueError:
                pass  # moto refuses what is not JSON
        return self._app(environ, start)

    def _struck(
        self, environ: dict[str, Any], start: Start, service: str, operation: str
    ) -> Iterable[bytes]:
        faults = self._faults
        if faults.request("throttle", service, operation):
            return _refuse(environ, start, service, "ThrottlingException", "Rate exceeded", 400)
        if faults.request("error503", service, operation):
            text = "The service is unavailable. Please try again shortly."
            return _refuse(environ, start, service, "ServiceUnavailable", text, 503)
        late = faults.request("slow", service, operation)
        lost = faults.request("lost", service, operation)
        if not lost:
            if late:
                time.sleep(faults.slow_for)
            return self._checked(environ, start, service, operation)
        answer = self._checked(environ, _unsaid, service, operation)
        for _ in answer:
            pass
        if late:
            time.sleep(faults.slow_for)
        # The request is carried out; its client sees the connection end without a reply.
        connection: socket.socket = environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError


def asked(environ: dict[str, Any]) -> tuple[str, str]:
    """Return the service and the operation that a request asks for; "" for what it does not say."""
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return "", ""
    service = found["service"]
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return service, target.rpartition(".")[2]
    query = parse_qs(environ.get("QUERY_STRING", ""))
    if "Action" in query:
        return service, query["Action"][0]
    return service, _rest(service, environ)


def _rest(service: str, environ: dict[str, Any]) -> str:
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


def _unsaid(*_: object) -> Callable[[bytes], None]:
    """Take the beginning of a reply that nobody will read."""

    def write(_data: bytes) -> None:
        return None

    return write


def _body(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return environ["wsgi.input"].read(length) if length else b""


def _answer(start: Start, status: int, value: dict[str, Any]) -> Iterable[bytes]:
    data = json.dumps(value).encode()
    start(
        f"{status} {HTTPStatus(status).phrase}",
        [("Content-Type", "application/json"), ("Content-Length", str(len(data)))],
    )
    return [data]


def _refuse(
    environ: dict[str, Any], start: Start, service: str, code: str, text: str, status: int
) -> Iterable[bytes]:
    _body(environ)  # unread, it would break the connection
    if service in ("s3", "iam", "sts"):
        # S3 has a code of its own for this, and it speaks XML.
        code, status = ("SlowDown", 503) if service == "s3" else ("Throttling", status)
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
        if service != "s3":
            body = f"<ErrorResponse>{body}</ErrorResponse>"
        kind = "text/xml"
    else:
        body = json.dumps({"__type": code, "message": text, "Message": text})
        kind = "application/x-amz-json-1.1"
    data = body.encode()
    start(
        f"{status} {HTTPStatus(status).phrase}",
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("x-amzn-ErrorType", code),
        ],
    )
    return [data]
