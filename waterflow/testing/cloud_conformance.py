"""The provider suite against a cloud that the kit is told of: its emulator, a bucket, a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from waterflow.testing.cloud_suite import CloudSuite
from waterflow.testing.conformance import ProviderConformance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.provider import Artifact
    from waterflow.provider.emulators import Emulator
    from waterflow.testing.remote_cloud import RemoteCloud
    from waterflow.testing.tracking_server import TrackingServer
    from waterflow.testing.world import World


class CloudProviderConformance(CloudSuite, ProviderConformance):
    """What every provider must do, of a provider of a managed cloud."""

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Iterator[Emulator]:
        """The emulator, at which the environment points as long as the class has tests."""
        with cls.cloud.start() as running, cls.cloud.pointing(running):
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, service: Emulator, server: TrackingServer) -> dict[str, Any]:
        """Return the profile's table."""
        del service
        cls.cloud.make_bucket("conformance")
        own: dict[str, Any] = {"tracking": {"uri": server.url}, "poll": 0.2}
        return cls.cloud.profile("conformance", "waterflow") | own

    def tamper(self, world: World, artifact: Artifact) -> Any:
        """Change an artifact's bytes in the bucket."""
        run = next(run for run in world.started.values() if artifact in run.artifacts())
        folder = world.provider.download(run.id, artifact.step, artifact.output)
        (file,) = (path for path in folder.iterdir() if path.name != "manifest.json")
        altered = _Altered(self.cloud, f"{artifact.uri}{file.name}")
        altered.write_bytes(file.read_bytes()[::-1] + b"x")
        return altered


class _Altered:
    """An object with other bytes than its step wrote.

    Args:
        cloud: The cloud.
        uri: The object's address.
    """

    def __init__(self, cloud: RemoteCloud, uri: str) -> None:
        self._cloud, self._uri = cloud, uri

    def write_bytes(self, content: bytes) -> None:
        """Give it other bytes."""
        self._cloud.write(self._uri, content)
