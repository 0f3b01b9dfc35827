"""Where the zone is, and how Google Cloud writes addresses there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the landing zone is.

    Attributes:
        project: The project's id.
        number: Its number, which Google's own service agents are named by.
        region: The region.
    """

    project: str
    number: str
    region: str

    def agent(self, service: str) -> str:
        """Return a service's own account in the project, as IAM names a member.

        https://cloud.google.com/iam/docs/service-agents

        Args:
            service: What its address holds, such as "gcp-sa-aiplatform".
        """
        return f"serviceAccount:service-{self.number}@{service}.iam.gserviceaccount.com"
