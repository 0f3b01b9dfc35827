"""Connections to AWS: one client a service, made when it is first needed, with patient retries."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waterflow.errors import MissingDependencyError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from waterflow_sagemaker.profile import SageMakerSettings


class Connections:
    """The AWS clients of one profile; credentials and endpoints are found as by any AWS tool.

    Args:
        settings: The profile's settings.
    """

    def __init__(self, settings: SageMakerSettings) -> None:
        self.settings = settings
        self._making = threading.Lock()

    @cached_property
    def session(self) -> Any:
        """The session of boto3, in the profile's region."""
        try:
            import boto3
        except ModuleNotFoundError:
            raise MissingDependencyError(
                "boto3", "The SageMaker provider", "pip install 'waterflow[sagemaker]'"
            ) from None
        return boto3.session.Session(region_name=self.settings.region)

    def client(self, service: str) -> Any:
        """Return a client of an AWS service.

        Raises:
            MissingDependencyError: boto3 is not installed.
        """
        from botocore.config import Config

        # A session is not made for several threads; the clients that it makes are.
        with self._making:
            return self.session.client(
                service,
                config=Config(
                    retries={"mode": "adaptive", "max_attempts": 10},
                    connect_timeout=10,
                    read_timeout=60,
                    tcp_keepalive=True,
                    user_agent_extra="waterflow",
                ),
            )

    def make(self, service: str) -> None:
        """Make a client before several threads use it: making one is not safe there."""
        getattr(self, service)

    def endpoint(self, service: str) -> str:
        """Return the address of a service in the profile's region, as AWS's own tools find it."""
        from botocore.configprovider import ConfiguredEndpointProvider

        session = self.session._session  # noqa: SLF001 - boto3 hides what it stands on
        configured = ConfiguredEndpointProvider(
            full_config=session.full_config,
            scoped_config=session.get_scoped_config(),
            client_name=service,
        ).provide()
        if configured:
            return str(configured).rstrip("/")
        region = self.settings.region
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://{service}.{region}.{suffix}"

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        """The client of SageMaker."""
        return self.client("sagemaker")

    @cached_property
    def s3(self) -> S3Client:
        """The client of S3."""
        return self.client("s3")

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """The client of CloudWatch Logs."""
        return self.client("logs")

    @cached_property
    def scheduler(self) -> EventBridgeSchedulerClient:
        """The client of EventBridge Scheduler."""
        return self.client("scheduler")

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """The client of Secrets Manager."""
        return self.client("secretsmanager")
