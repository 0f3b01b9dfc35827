"""Makes AWS resources with boto3 at an endpoint, so that what a stack made is what a run meets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError

from standin.carriers import aws_kinds
from standin.provider import ProviderError
from standin.values import Properties

GONE = {
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
}


@dataclass
class AwsCarrier:
    """Carries AWS resources out at an endpoint, such as that of `waterflow emulate sagemaker`.

    Types that it does not take stay with the stand-in, as do all that this list leaves out:

    Args:
        endpoint: The address, such as `http://127.0.0.1:4566`.
        region: The region that the endpoint plays.
        leave: Types not to carry, though this could.
    """

    endpoint: str
    region: str = "us-east-1"
    leave: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._session = Session(
            aws_access_key_id="stand-in",
            aws_secret_access_key="stand-in",  # noqa: S106 nobody asks for a true one
            region_name=self.region,
        )
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service at the endpoint."""
        if service not in self._clients:
            config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
            self._clients[service] = self._session.client(
                service,  # pyright: ignore[reportArgumentType,reportCallIssue]
                endpoint_url=self.endpoint,
                config=config,
            )
        return self._clients[service]

    def takes(self, token: str) -> bool:
        """Whether this makes resources of a type."""
        return token in aws_kinds.KINDS and token not in self.leave

    def create(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Make a resource; what AWS answers stands above what the stand-in made up."""
        kind = aws_kinds.KINDS[token]
        return self._answer(token, lambda client: kind.create(client, inputs, outputs))

    def read(self, token: str, outputs: Properties) -> Properties | None:
        """Return what AWS has now, None where it has none."""
        kind = aws_kinds.KINDS[token]
        try:
            return kind.read(self.client(kind.service), outputs)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in GONE or "NotFound" in code or code.startswith("NoSuch"):
                return None
            raise ProviderError(f"AWS refused: {error}") from error

    def update(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Change a resource."""
        kind = aws_kinds.KINDS[token]
        return self._answer(token, lambda client: kind.update(client, inputs, outputs))

    def delete(self, token: str, outputs: Properties) -> None:
        """Remove a resource; one that is gone already is no error."""
        if self.read(token, outputs) is not None:
            kind = aws_kinds.KINDS[token]
            self._answer(token, lambda client: kind.delete(client, outputs))

    def _answer(self, token: str, work: Callable[[Any], Any]) -> Any:
        try:
            return work(self.client(aws_kinds.KINDS[token].service)) or {}
        except ClientError as error:
            raise ProviderError(f"AWS refused: {error}") from error
