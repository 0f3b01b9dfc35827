"""Requests over HTTPS as a cloud's own SDK sends them: by a proxy and its authorities."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 60.0
"""Seconds that a request, or what it began, may take."""


class Rest:
    """The way to a cloud's REST APIs.

    Args:
        variables: The environment: `HTTPS_PROXY` and `SSL_CERT_FILE`, as an emulator sets them.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        proxy = urllib.request.ProxyHandler({"https": variables["HTTPS_PROXY"]})
        self._opener = urllib.request.build_opener(
            proxy, urllib.request.HTTPSHandler(context=context)
        )

    def send(
        self, method: str, url: str, token: str, body: Any = None
    ) -> tuple[Any, Mapping[str, str]]:
        """Return the JSON that is answered, an empty object for nothing, and the headers.

        Args:
            method: `GET`.
            url: The address, quoted.
            token: The bearer's token.
            body: What is sent, as JSON; None for nothing.

        Raises:
            urllib.error.HTTPError: The cloud refuses.
        """
        request = urllib.request.Request(url, method=method)  # noqa: S310 a cloud's own addresses
        request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with self._opener.open(request, timeout=PATIENCE) as reply:
            text = reply.read()
            return (json.loads(text) if text else {}), reply.headers
