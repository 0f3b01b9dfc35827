"""Requests to the toy cloud, tried again when they meet what passes, and its errors as ours."""

from __future__ import annotations

import http.client
import json
import os
import time
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from waterflow.cloud.errors import ErrorKind, as_error
from waterflow.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    TransientError,
)

PASSING = ErrorKind(TransientError, "Try again.", retryable=True)
_TRIES = 6
_KINDS = {
    403: ErrorKind(PermissionDeniedError),
    404: ErrorKind(NotFoundError),
    409: ErrorKind(ConflictError),
    429: PASSING,
    503: PASSING,
}
"""How the statuses of refusals are told."""


def endpoint() -> str:
    """Return the toy cloud's address.

    Raises:
        ConfigurationError: Nothing says where it is.
    """
    address = os.environ.get("TOY_ENDPOINT")
    if not address:
        raise ConfigurationError(
            "TOY_ENDPOINT does not say where the toy cloud is. Start one: "
            "waterflow emulate toycloud -- COMMAND"
        )
    return address


def request(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request, and again when it meets what passes; return status, headers and body.

    Args:
        method: HTTP's method.
        path: The path, quoted, with the query.
        body: The body.
        headers: Headers besides.

    Raises:
        OSError: The service cannot be reached.
        http.client.HTTPException: Its answers break off.
    """
    place = urlsplit(endpoint())
    for left in reversed(range(_TRIES)):
        client = http.client.HTTPConnection(place.netloc, timeout=60)
        try:
            client.request(method, path, body, headers or {})
            reply = client.getresponse()
            content = reply.read()
            if reply.status in (429, 503) and left:
                raise BlockingIOError(f"HTTP {reply.status}")
        except (OSError, http.client.HTTPException):
            if not left:
                raise
            time.sleep(0.1 * (_TRIES - left))
        else:
            names = {name.lower(): value for name, value in reply.getheaders()}
            return reply.status, names, content
        finally:
            client.close()
    raise AssertionError("unreachable")


def call(
    operation: str, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
) -> Any:
    """Return what the service answers to a request.

    Args:
        operation: The operation, for errors.
        method: HTTP's method.
        path: The path.
        body: What is sent, as JSON.
        query: The query.

    Raises:
        ProviderError: It refuses, or cannot be reached.
    """
    target = quote(path) + (f"?{urlencode(query)}" if query else "")
    content = None if body is None else json.dumps(body).encode()
    try:
        status, _, answer = request(method, target, content)
    except (OSError, http.client.HTTPException) as error:
        raise as_error(
            PASSING,
            provider="toycloud",
            operation=operation,
            code=type(error).__name__,
            message=f"The toy cloud cannot be reached: {error}",
        ) from error
    value = json.loads(answer) if answer else {}
    if status < 400:
        return value
    code = str(value.get("code", status))
    raise as_error(
        _KINDS.get(status, ErrorKind(ProviderError)),
        provider="toycloud",
        operation=operation,
        code=code,
        message="The toy cloud refuses",
    )
