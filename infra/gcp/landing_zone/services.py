"""The services (APIs) that the project has to have on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pulumi_gcp import projects

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi

    from landing_zone.place import Place

ALWAYS: Final = (
    "aiplatform", "artifactregistry", "cloudquotas", "cloudresourcemanager", "iam",
    "iamcredentials", "logging", "monitoring", "pubsub", "secretmanager", "serviceusage", "storage",
    "sts",
)  # fmt: skip
KEYS: Final = ("cloudkms",)
TRACKING: Final = ("cloudscheduler", "run", "sqladmin")
NETWORK: Final = ("compute", "dns", "servicenetworking")
BUDGET: Final = ("billingbudgets",)


@dataclass(frozen=True, kw_only=True)
class ServicesArgs:
    """Which services are on.

    Attributes:
        place: Where.
        names: Their names, without googleapis.com.
    """

    place: Place
    names: tuple[str, ...]


class Services(Component[ServicesArgs]):
    """The services; they stay on when the stack goes, as others may use them."""

    def _make(self, name: str, args: ServicesArgs) -> None:
        self.all: list[pulumi.Resource] = [
            projects.Service(
                f"{name}-{service}",
                project=args.place.project,
                service=f"{service}.googleapis.com",
                disable_on_destroy=False,
                opts=self.child(),
            )
            for service in args.names
        ]
        self.register_outputs({})
