"""What every suite of a managed cloud's provider stands on: the cloud, and an MLflow server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from waterflow.testing.tracking_server import TrackingServer, tracking_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.testing.remote_cloud import RemoteCloud


class CloudSuite:
    """Tests of a cloud.

    Attributes:
        cloud: The cloud under test.
    """

    cloud: ClassVar[RemoteCloud]

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
        """A real MLflow server; override it to share one with other tests."""
        with tracking_server(tmp_path_factory.mktemp("tracking")) as running:
            yield running
