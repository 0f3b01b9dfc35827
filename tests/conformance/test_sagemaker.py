"""SageMaker, as the emulator runs it, does what every provider must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from waterflow_sagemaker.emulator import Emulator

from waterflow.testing import ProviderConformance
from waterflow.testing.contract import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server
    from waterflow.provider import Artifact
    from waterflow.testing import World

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ml:3.11"


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator() as emulator, pytest.MonkeyPatch.context() as patch:
        for name in emulator.unset:
            patch.delenv(name, raising=False)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield emulator


class TestSageMaker(ProviderConformance):
    image = IMAGE

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, service: Emulator, server: Server) -> dict[str, Any]:
        import boto3

        boto3.client("s3").create_bucket(Bucket="conformance")
        return {
            "provider": "sagemaker",
            "region": "us-east-1",
            "role": "arn:aws:iam::123456789012:role/jobs",
            "bucket": "conformance",
            "image": IMAGE,
            "python": "3.11",
            "libraries": "image",
            "poll": 0.2,
            "tracking": {"uri": server.url},
        }

    @pytest.fixture(scope="class")
    @classmethod
    def secret(cls, service: Emulator) -> str:
        import boto3

        boto3.client("secretsmanager").create_secret(Name="conformance-token", SecretString=SECRET)
        return SECRET

    def tamper(self, world: World, artifact: Artifact) -> Any:
        import boto3

        place = urlsplit(artifact.uri)
        objects = boto3.resource("s3").Bucket(place.netloc).objects
        found = next(
            one for one in objects.filter(Prefix=place.path[1:]) if "manifest" not in one.key
        )
        return Altered(found)


class Altered:
    """An object of S3 with other bytes than its step wrote."""

    def __init__(self, found: Any) -> None:
        self._object = found.Object()
        self.write_bytes(self._object.get()["Body"].read()[::-1] + b"x")

    def write_bytes(self, content: bytes) -> None:
        self._object.put(Body=content)
