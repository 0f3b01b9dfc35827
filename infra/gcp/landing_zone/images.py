"""The registry of the container images of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_gcp import artifactregistry
from waterflow_infra.zone import UNTAGGED_DAYS

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.place import Place

_DAY_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """What the registry is made of.

    Attributes:
        place: Where it is.
        repository: Its name.
        key: The key that it is encrypted by; None for Google's own.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    repository: str
    key: pulumi.Input[str] | None
    protect: bool


class Images(Component[ImagesArgs]):
    """The registry: images without a tag go after a while."""

    def _make(self, name: str, args: ImagesArgs) -> None:
        place = args.place
        repository = artifactregistry.Repository(
            name,
            project=place.project,
            location=place.region,
            repository_id=args.repository,
            format="DOCKER",
            kms_key_name=args.key,
            cleanup_policies=[
                {
                    "id": "untagged",
                    "action": "DELETE",
                    "condition": {
                        "tag_state": "UNTAGGED",
                        "older_than": f"{UNTAGGED_DAYS * _DAY_SECONDS}s",
                    },
                }
            ],
            opts=self.child(protect=args.protect),
        )
        self.name = repository.repository_id
        self.address = pulumi.Output.concat(
            place.region, "-docker.pkg.dev/", place.project, "/", self.name
        )
        self.register_outputs({"address": self.address})
