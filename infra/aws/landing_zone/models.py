"""The group in SageMaker's model registry that models go to which are approved for use."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws

from landing_zone.component import Component


@dataclass(frozen=True, kw_only=True)
class ModelsArgs:
    """What the group is made of.

    Attributes:
        group: Its name: SageMaker wants one.
        protect: Whether it can be destroyed by no one command.
    """

    group: str
    protect: bool


class Models(Component[ModelsArgs]):
    """The model package group."""

    def _make(self, name: str, args: ModelsArgs) -> None:
        group = aws.sagemaker.ModelPackageGroup(
            name,
            model_package_group_name=args.group,
            model_package_group_description="Models of Waterflow's pipelines, approved for use",
            opts=self.child(protect=args.protect),
        )
        self.arn = group.arn
        self.register_outputs({"arn": self.arn})
