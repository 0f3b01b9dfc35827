"""What the roles' policies speak of: the zone's things by their addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from landing_zone.policies import Place
    from landing_zone.settings import Settings

JOBS: Final = ("processing", "training")
"""Kinds of SageMaker's jobs that steps become."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What there is to be allowed.

    Attributes:
        place: Where it is.
        settings: The stack's settings.
        bucket: The bucket's name.
        repository_arn: The image repository's ARN.
        jobs_role_arn: The role of pipelines and jobs.
        scheduler_role_arn: The role by which schedules start pipelines.
        key_arn: The key of data; None for AWS's own.
        mlflow_arn: The managed MLflow; None for another.
        own_mlflow: Whether its artifacts are in the bucket.
        subnets: The jobs' subnets.
        security_groups: The jobs' security groups.
    """

    place: Place
    settings: Settings
    bucket: str
    repository_arn: str
    jobs_role_arn: str
    scheduler_role_arn: str
    key_arn: str | None
    mlflow_arn: str | None
    own_mlflow: bool
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]

    @property
    def pipelines(self) -> tuple[str, ...]:
        """ARNs of the prefix's pipelines and of their executions; SageMaker writes them small."""
        return (self.place.arn("sagemaker", f"pipeline/{self.settings.prefix}-*"),)

    @property
    def roles(self) -> str:
        """ARNs of the zone's roles, by their path."""
        return self.place.role(f"{self.settings.prefix}/{self.settings.environment}/*")

    @property
    def jobs(self) -> tuple[str, ...]:
        """ARNs of the jobs that pipelines start: SageMaker's names for them."""
        return tuple(self.place.arn("sagemaker", f"{kind}-job/pipelines-*") for kind in JOBS)

    @property
    def logs(self) -> tuple[str, ...]:
        """ARNs of the jobs' log groups, and of the streams in them."""
        return tuple(
            self.place.arn("logs", f"log-group:/aws/sagemaker/{kind.title()}Jobs*") for kind in JOBS
        )

    @property
    def schedule_group(self) -> str:
        """The name of the group of schedules, as the application has it."""
        return schedule_group(self.settings.prefix)


def schedule_group(prefix: str) -> str:
    """Return the name under which the application looks for a prefix's schedules."""
    return prefix if prefix == "waterflow" else f"waterflow-{prefix}"
