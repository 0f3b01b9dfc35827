"""Tags that every resource has to bear: whose it is, and in which environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.subject import Subject, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUIRED: Final = ("stack", "environment")

# Types that a landing zone makes and that bear tags; what is a part of another bears none.
AWS: Final = {
    "budgets/budget:Budget",
    "cloudtrail/trail:Trail",
    "cloudwatch/eventRule:EventRule",
    "cloudwatch/logGroup:LogGroup",
    "cloudwatch/metricAlarm:MetricAlarm",
    "ec2/flowLog:FlowLog",
    "ec2/routeTable:RouteTable",
    "ec2/securityGroup:SecurityGroup",
    "ec2/subnet:Subnet",
    "ec2/vpc:Vpc",
    "ec2/vpcEndpoint:VpcEndpoint",
    "ecr/repository:Repository",
    "iam/openIdConnectProvider:OpenIdConnectProvider",
    "iam/policy:Policy",
    "iam/role:Role",
    "kms/key:Key",
    "s3/bucket:Bucket",
    "sagemaker/domain:Domain",
    "sagemaker/mlflowApp:MlflowApp",
    "sagemaker/mlflowTrackingServer:MlflowTrackingServer",
    "sagemaker/modelPackageGroup:ModelPackageGroup",
    "scheduler/scheduleGroup:ScheduleGroup",
    "secretsmanager/secret:Secret",
    "sns/topic:Topic",
    "sqs/queue:Queue",
}
AZURE: Final = {
    "applicationinsights:Component",
    "containerregistry:Registry",
    "keyvault:Vault",
    "machinelearningservices:Compute",
    "machinelearningservices:Workspace",
    "managedidentity:UserAssignedIdentity",
    "monitor:ActionGroup",
    "monitor:ScheduledQueryRule",
    "network:NetworkSecurityGroup",
    "network:PrivateEndpoint",
    "network:VirtualNetwork",
    "operationalinsights:Workspace",
    "privatedns:PrivateZone",
    "resources:ResourceGroup",
    "storage:StorageAccount",
}
GOOGLE: Final = {
    "artifactregistry/repository:Repository",
    "cloudrunv2/service:Service",
    "kms/cryptoKey:CryptoKey",
    "pubsub/subscription:Subscription",
    "pubsub/topic:Topic",
    "secretmanager/secret:Secret",
    "storage/bucket:Bucket",
    "vertex/aiEndpoint:AiEndpoint",
    "vertex/aiTensorboard:AiTensorboard",
}
BEARERS: Final = {
    **{f"aws:{one}": "tags" for one in AWS},
    **{f"azure-native:{one}": "tags" for one in AZURE},
    **{f"gcp:{one}": "labels" for one in GOOGLE},
}


def missing(subject: Subject, required: Sequence[str]) -> Iterator[str]:
    """Yield each required tag that a resource has not, whichever case its name is written in."""
    name = BEARERS.get(subject.type)
    if name is None or not known(subject.get(name)):
        return
    tags = {str(tag).lower() for tag, value in (subject.get(name) or {}).items() if value != ""}
    absent = [tag for tag in required if tag.lower() not in tags]
    if absent:
        yield f"{name} lack {', '.join(absent)}: let the stack's transform set them on everything"
