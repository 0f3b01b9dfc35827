"""The settings that the landing zones of all clouds have, and what must hold of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pulumi

from waterflow_infra.naming import Names
from waterflow_infra.settings import mapping, matching, within

BUDGET_STEPS: Final = (("actual", 80), ("actual", 100), ("forecasted", 100))
"""What of the budget is told: which costs, at which percentage."""
UNTAGGED_DAYS: Final = 14
"""Days after which an image without a tag goes: no pipeline names it."""


@dataclass(frozen=True, kw_only=True)
class ZoneSettings:
    """The settings of a stack of any cloud; Pulumi.yaml says what each is."""

    region: str
    environment: str
    prefix: str
    profile_name: str
    tags: tuple[str, ...]
    submitters: tuple[str, ...]
    ci_repository: str | None
    ci_subjects: tuple[str, ...]
    secrets: tuple[str, ...]
    machine_families: tuple[str, ...]
    image_tag: str | None
    python: str
    retention_days: int
    checkpoint_days: int
    log_retention_days: int
    protect: bool
    private_network: bool
    mlflow_uri: str | None
    alert_emails: tuple[str, ...]
    failing_runs: int
    stuck_hours: int
    monthly_budget: int

    @property
    def names(self) -> Names:
        """The names of what the stack makes."""
        return Names(self.prefix, self.environment)

    @property
    def own_tags(self) -> Mapping[str, str]:
        """The tags of everything that bears tags, of runs and jobs too."""
        return {"environment": self.environment, **mapping(self.tags)}

    @property
    def stack_tags(self) -> Mapping[str, str]:
        """The tags of everything that the stack makes."""
        return {
            "managed-by": "pulumi",
            "stack": f"{pulumi.get_project()}/{pulumi.get_stack()}",
            "waterflow": self.prefix,
            **self.own_tags,
        }

    def checks(self, families: Mapping[str, object]) -> tuple[Callable[[], None], ...]:
        """Return the checks of what all clouds have.

        Args:
            families: The families of machines that the cloud has.
        """
        return (
            lambda: matching("environment", self.environment, r"[a-z][a-z0-9-]{0,10}", "dev"),
            lambda: matching(
                "profile_name", self.profile_name, r"[A-Za-z0-9][A-Za-z0-9_-]*", "shop"
            ),
            lambda: matching("python", self.python, r"3\.\d+", "3.12"),
            self._check_tags,
            self._check_workflows,
            lambda: self._check_families(families),
            lambda: within("retention_days", self.retention_days, 1, 36500),
            lambda: within("checkpoint_days", self.checkpoint_days, 1, self.retention_days),
            lambda: within("failing_runs", self.failing_runs, 1, 1000),
            lambda: within("monthly_budget", self.monthly_budget, 1, 10_000_000),
            self._check_emails,
        )

    def _check_tags(self) -> None:
        mapping(self.tags)

    def _check_workflows(self) -> None:
        if self.ci_repository is None:
            return
        matching("ci_repository", self.ci_repository, r"[\w.-]+/[\w.-]+", "OWNER/NAME")
        if not self.ci_subjects or any("*" in subject for subject in self.ci_subjects):
            raise ValueError(
                'ci_subjects: name each subject whole, such as "ref:refs/heads/main"; a star '
                "would let every branch and pull request submit"
            )

    def _check_families(self, families: Mapping[str, object]) -> None:
        unknown = sorted(set(self.machine_families) - families.keys())
        if unknown or not self.machine_families:
            raise ValueError(
                f"machine_families: {', '.join(unknown) or 'none'} cannot be; "
                f"there are: {', '.join(families)}"
            )

    def _check_emails(self) -> None:
        for mail in self.alert_emails:
            matching("alert_emails", mail, r"[^@\s]+@[^@\s]+\.[^@\s]+", "team@example.com")
