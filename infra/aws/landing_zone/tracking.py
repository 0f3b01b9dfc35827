"""MLflow, managed by SageMaker: an app, which costs nothing while it rests, or a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pulumi_aws as aws

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


@dataclass(frozen=True, kw_only=True)
class TrackingArgs:
    """What MLflow is made of.

    Attributes:
        kind: Whether it is an app or a server.
        name: Its name, which SageMaker wants and people see.
        size: The server's size.
        artifacts: Where models and files are kept, in S3.
        role_arn: The role by which it comes to them.
        after: What must be there before it looks at them.
        protect: Whether it can be destroyed by no one command.
    """

    kind: Literal["app", "server"]
    name: str
    size: str
    artifacts: pulumi.Input[str]
    role_arn: pulumi.Input[str]
    after: Sequence[pulumi.Resource]
    protect: bool


class Tracking(Component[TrackingArgs]):
    """The managed MLflow; `arn` is the address that clients take."""

    def _make(self, name: str, args: TrackingArgs) -> None:
        options = self.child(protect=args.protect, depends_on=args.after)
        # Waterflow registers in MLflow; what is approved goes to SageMaker's registry by itself.
        if args.kind == "app":
            self.arn = aws.sagemaker.MlflowApp(
                name,
                name=args.name,
                artifact_store_uri=args.artifacts,
                role_arn=args.role_arn,
                account_default_status="DISABLED",
                model_registration_mode="AutoModelRegistrationDisabled",
                opts=options,
            ).arn
        else:
            self.arn = aws.sagemaker.MlflowTrackingServer(
                name,
                tracking_server_name=args.name,
                tracking_server_size=args.size,
                artifact_store_uri=args.artifacts,
                role_arn=args.role_arn,
                automatic_model_registration=False,
                opts=options,
            ).arn
        self.register_outputs({"arn": self.arn})
