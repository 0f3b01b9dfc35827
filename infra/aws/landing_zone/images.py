"""The repository of the container images of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi_aws as aws
from waterflow_infra.zone import UNTAGGED_DAYS

from landing_zone.component import Component, text

if TYPE_CHECKING:
    import pulumi

_KEPT: Final = 50


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """What the repository is made of.

    Attributes:
        key_arn: The key that encrypts it; None for AWS's own.
        protect: Whether it can be destroyed by no one command.
    """

    key_arn: pulumi.Input[str] | None
    protect: bool


class Images(Component[ImagesArgs]):
    """The repository: each push is scanned, and a tag is given once."""

    def _make(self, name: str, args: ImagesArgs) -> None:
        repository = aws.ecr.Repository(
            name,
            image_scanning_configuration={"scan_on_push": True},
            image_tag_mutability="IMMUTABLE",
            encryption_configurations=[
                {"encryption_type": "AES256"}
                if args.key_arn is None
                else {"encryption_type": "KMS", "kms_key": args.key_arn}
            ],
            force_delete=not args.protect,
            opts=self.child(protect=args.protect),
        )
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=text(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            "description": "Without a tag no pipeline names it",
                            "selection": {
                                "tagStatus": "untagged",
                                "countType": "sinceImagePushed",
                                "countUnit": "days",
                                "countNumber": UNTAGGED_DAYS,
                            },
                            "action": {"type": "expire"},
                        },
                        {
                            "rulePriority": 2,
                            "description": "The newest are kept",
                            "selection": {
                                "tagStatus": "any",
                                "countType": "imageCountMoreThan",
                                "countNumber": _KEPT,
                            },
                            "action": {"type": "expire"},
                        },
                    ]
                }
            ),
            opts=self.child(),
        )
        self.url = repository.repository_url
        self.arn = repository.arn
        self.register_outputs({"url": self.url})
