"""The emulator's own services, as its engine calls them: through boto3, at its own address."""

from __future__ import annotations

import threading
from typing import Any, Final

INTERNAL: Final = "waterflow-emulator-internal"
"""What marks the engine's own calls in their user agent: no fault is injected into them."""


class Services:
    """Clients of the emulator itself, each made once.

    Args:
        address: Where the emulator answers.
        region: The region it stands for.
    """

    def __init__(self, address: str, region: str) -> None:
        self.address, self.region = address, region
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, name: str) -> Any:
        """Return the client of a service, such as `s3`."""
        import boto3
        from botocore.config import Config

        with self._lock:
            if name not in self._clients:
                session = boto3.session.Session(
                    aws_access_key_id="emulator",
                    aws_secret_access_key="emulator",  # noqa: S106  # nobody asks for a true one
                    region_name=self.region,
                )
                config = Config(user_agent_extra=INTERNAL, s3={"addressing_style": "path"})
                self._clients[name] = session.client(  # pyright: ignore[reportCallIssue]
                    name,  # pyright: ignore[reportArgumentType]
                    endpoint_url=self.address,
                    config=config,
                )
            return self._clients[name]
