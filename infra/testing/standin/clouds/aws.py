"""Amazon Web Services: how resources are named there, and which changes make a new resource.

Names, identifiers and replacements after the AWS provider's own documentation ("Forces new
resource", registry.terraform.io/providers/hashicorp/aws, 6.x, which pulumi-aws 7 is built on).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from standin.provider import Cloud, Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.values import Properties

ARN = "arn:{partition}:{service}:{region}:{account}:"
BUCKETS = "aws:s3/bucket"


def _in_bucket() -> Facts:
    return Facts(name="", id="{bucket}", replaces=("bucket",))


def _by_name(service: str, kind: str, *replaces: str, **others: Any) -> Facts:
    """Return the facts of what is called by its name, in an ARN such as `alarm:NAME`."""
    arn = f"arn:{{partition}}:{service}:{{region}}:{{account}}:{kind}{{name}}"
    return Facts(id="{name}", arn=arn, replaces=("name", "namePrefix", *replaces), **others)


def _by_number(prefix: str, *replaces: str, **others: Any) -> Facts:
    """Return the facts of what EC2 numbers, such as `vpc-0a1b2c3d`."""
    kind = {
        "sg": "security-group",
        "vpce": "vpc-endpoint",
        "rtb": "route-table",
        "fl": "vpc-flow-log",
    }
    arn = f"arn:{{partition}}:ec2:{{region}}:{{account}}:{kind.get(prefix, prefix)}/{{id}}"
    name = others.pop("name", "")
    return Facts(name=name, id=prefix + "-{hash}", arn=arn, replaces=replaces, **others)


FACTS: dict[str, Facts] = {
    # Storage
    f"{BUCKETS}:Bucket": Facts(
        name="bucket",
        id="{bucket}",
        arn="arn:{partition}:s3:::{bucket}",
        computed={
            "bucketDomainName": "{bucket}.s3.amazonaws.com",
            "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com",
            "bucketRegion": "{region}",
            "hostedZoneId": "Z3AQBSTGFYJSTF",
        },
        replaces=("bucket", "bucketPrefix", "objectLockEnabled"),
        length=63,
    ),
    **{
        f"{BUCKETS}{kind}:Bucket{kind}": _in_bucket()
        for kind in (
            "Versioning",
            "ServerSideEncryptionConfiguration",
            "PublicAccessBlock",
            "OwnershipControls",
            "Policy",
            "LifecycleConfiguration",
            "Logging",
            "Notification",
        )
    },
    # Keys and secrets
    "aws:kms/key:Key": Facts(
        name="",
        id="{uuid}",
        arn=ARN + "key/{uuid}",
        computed={"keyId": "{uuid}"},
        replaces=(
            "customerMasterKeySpec",
            "customKeyStoreId",
            "keyUsage",
            "multiRegion",
            "xksKeyId",
        ),
    ),
    "aws:kms/alias:Alias": Facts(
        id="{name}", arn=ARN + "{name}", prefix="alias/", replaces=("name", "namePrefix")
    ),
    "aws:kms/keyPolicy:KeyPolicy": Facts(name="", id="{keyId}", replaces=("keyId",)),
    "aws:secretsmanager/secret:Secret": Facts(
        id=ARN + "secret:{name}-{short}",
        arn=ARN + "secret:{name}-{short}",
        replaces=("name", "namePrefix"),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Facts(
        name="",
        id="{secretId}|{uuid}",
        arn="{secretId}",
        computed={"versionId": "{uuid}"},
        replaces=("secretId", "secretString", "secretBinary"),
    ),
    # Identity
    "aws:iam/role:Role": Facts(
        id="{name}",
        arn="arn:{partition}:iam::{account}:role{path}{name}",
        computed={
            "uniqueId": "AROA{short}",
            "createDate": "2026-01-01T00:00:00Z",
            "path": "{path}",
        },
        replaces=("name", "namePrefix", "path"),
    ),
    "aws:iam/rolePolicy:RolePolicy": Facts(
        id="{role}:{name}", replaces=("name", "namePrefix", "role"), length=128
    ),
    "aws:iam/policy:Policy": Facts(
        id="arn:{partition}:iam::{account}:policy{path}{name}",
        arn="arn:{partition}:iam::{account}:policy{path}{name}",
        computed={"policyId": "ANPA{short}", "path": "{path}"},
        replaces=("name", "namePrefix", "path", "description"),
        length=128,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Facts(
        name="", id="{role}-{hash}", replaces=("role", "policyArn")
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Facts(
        name="",
        id="arn:{partition}:iam::{account}:oidc-provider/{host}",
        arn="arn:{partition}:iam::{account}:oidc-provider/{host}",
        replaces=("url",),
    ),
    # Images
    "aws:ecr/repository:Repository": Facts(
        id="{name}",
        arn=ARN + "repository/{name}",
        computed={
            "repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
            "registryId": "{account}",
        },
        replaces=("name", "encryptionConfigurations"),
        length=256,
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Facts(
        name="", id="{repository}", computed={"registryId": "{account}"}, replaces=("repository",)
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Facts(
        name="", id="{repository}", computed={"registryId": "{account}"}, replaces=("repository",)
    ),
    # SageMaker
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": Facts(
        name="modelPackageGroupName",
        id="{modelPackageGroupName}",
        arn=ARN + "model-package-group/{modelPackageGroupName}",
        replaces=("modelPackageGroupName", "modelPackageGroupDescription"),
    ),
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": Facts(
        name="trackingServerName",
        id="{trackingServerName}",
        arn=ARN + "mlflow-tracking-server/{trackingServerName}",
        computed={"trackingServerUrl": "https://{short}.{region}.experiments.sagemaker.aws"},
        replaces=("trackingServerName",),
    ),
    "aws:sagemaker/mlflowApp:MlflowApp": Facts(
        id=ARN + "mlflow-app/app-{short}", arn=ARN + "mlflow-app/app-{short}", replaces=("name",)
    ),
    "aws:sagemaker/domain:Domain": Facts(
        name="domainName",
        id="d-{short}",
        arn=ARN + "domain/d-{short}",
        replaces=("domainName", "authMode", "vpcId", "kmsKeyId"),
        length=63,
    ),
    # Schedules, logs, alarms
    "aws:scheduler/scheduleGroup:ScheduleGroup": _by_name("scheduler", "schedule-group/"),
    "aws:scheduler/schedule:Schedule": Facts(
        id="{groupName}/{name}",
        arn=ARN + "schedule/{groupName}/{name}",
        replaces=("name", "namePrefix", "groupName"),
    ),
    "aws:cloudwatch/logGroup:LogGroup": _by_name("logs", "log-group:", "logGroupClass", length=512),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": Facts(
        id="{name}", replaces=("name", "logGroupName"), length=512
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Facts(
        name="policyName", id="{policyName}", replaces=("policyName",)
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _by_name("cloudwatch", "alarm:", length=255),
    "aws:cloudwatch/dashboard:Dashboard": Facts(
        name="dashboardName",
        id="{dashboardName}",
        computed={
            "dashboardArn": "arn:{partition}:cloudwatch::{account}:dashboard/{dashboardName}"
        },
        replaces=("dashboardName",),
    ),
    "aws:cloudwatch/eventRule:EventRule": _by_name("events", "rule/", "eventBusName"),
    "aws:cloudwatch/eventTarget:EventTarget": Facts(
        name="targetId", id="{rule}-{targetId}", replaces=("rule", "targetId", "eventBusName")
    ),
    "aws:sfn/stateMachine:StateMachine": Facts(
        id=ARN + "stateMachine:{name}",
        arn=ARN + "stateMachine:{name}",
        replaces=("name", "namePrefix", "type"),
        length=80,
    ),
    "aws:sns/topic:Topic": Facts(
        id=ARN + "{name}",
        arn=ARN + "{name}",
        computed={"owner": "{account}"},
        replaces=("name", "namePrefix", "fifoTopic"),
        length=256,
    ),
    "aws:sns/topicPolicy:TopicPolicy": Facts(
        name="", id="{arn}", computed={"owner": "{account}"}, replaces=("arn",)
    ),
    "aws:sns/topicSubscription:TopicSubscription": Facts(
        name="",
        id="{topic}:{uuid}",
        arn="{topic}:{uuid}",
        computed={"ownerId": "{account}"},
        replaces=("topic", "protocol", "endpoint"),
    ),
    "aws:sqs/queue:Queue": Facts(
        id="https://sqs.{region}.amazonaws.com/{account}/{name}",
        arn=ARN + "{name}",
        computed={"url": "https://sqs.{region}.amazonaws.com/{account}/{name}"},
        replaces=("name", "namePrefix", "fifoQueue"),
        length=80,
    ),
    "aws:budgets/budget:Budget": Facts(
        id="{account}:{name}",
        arn="arn:{partition}:budgets::{account}:budget/{name}",
        computed={"accountId": "{account}"},
        replaces=("name", "namePrefix", "accountId"),
        length=100,
    ),
    "aws:cloudtrail/trail:Trail": Facts(
        id=ARN + "trail/{name}",
        arn=ARN + "trail/{name}",
        computed={"homeRegion": "{region}"},
        replaces=("name",),
        length=128,
    ),
    # Networks
    "aws:ec2/vpc:Vpc": _by_number(
        "vpc",
        "cidrBlock",
        "instanceTenancy",
        computed={"defaultSecurityGroupId": "sg-{hash}", "mainRouteTableId": "rtb-{hash}"},
    ),
    "aws:ec2/subnet:Subnet": _by_number(
        "subnet", "vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "outpostArn"
    ),
    "aws:ec2/securityGroup:SecurityGroup": _by_number(
        "sg", "name", "namePrefix", "vpcId", "description", name="name", length=255
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _by_number("sg", "vpcId"),
    "aws:ec2/securityGroupRule:SecurityGroupRule": Facts(
        name="",
        id="sgrule-{short}",
        replaces=("securityGroupId", "type", "protocol", "fromPort", "toPort", "cidrBlocks"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Facts(
        name="", id="sgr-{hash}", replaces=("securityGroupId",)
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Facts(
        name="", id="sgr-{hash}", replaces=("securityGroupId",)
    ),
    "aws:ec2/routeTable:RouteTable": _by_number("rtb", "vpcId"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Facts(
        name="", id="rtbassoc-{hash}", replaces=("subnetId", "gatewayId")
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _by_number(
        "vpce",
        "vpcId",
        "serviceName",
        "vpcEndpointType",
        computed={"prefixListId": "pl-{short}", "state": "available"},
    ),
    "aws:ec2/flowLog:FlowLog": _by_number(
        "fl",
        "vpcId",
        "subnetId",
        "logDestination",
        "logDestinationType",
        "trafficType",
        "iamRoleArn",
    ),
    "aws:ec2/internetGateway:InternetGateway": _by_number("igw"),
}


def _policy_document(arguments: Properties, _: Mapping[str, str]) -> Properties:
    """Return a policy as JSON, as `aws.iam.get_policy_document` composes it."""
    statements: list[dict[str, Any]] = []
    for one in arguments.get("statements", []):
        statement: dict[str, Any] = {
            "Sid": one.get("sid", ""),
            "Effect": one.get("effect", "Allow"),
        }
        for ours, theirs in (
            ("actions", "Action"),
            ("notActions", "NotAction"),
            ("resources", "Resource"),
            ("notResources", "NotResource"),
        ):
            if one.get(ours):
                statement[theirs] = one[ours][0] if len(one[ours]) == 1 else one[ours]
        for principal in one.get("principals", []):
            statement.setdefault("Principal", {})[principal["type"]] = principal["identifiers"]
        for condition in one.get("conditions", []):
            tests = statement.setdefault("Condition", {}).setdefault(condition["test"], {})
            tests[condition["variable"]] = condition["values"]
        statements.append({key: value for key, value in statement.items() if value})
    document = {"Version": arguments.get("version", "2012-10-17"), "Statement": statements}
    texts = {"json": json.dumps(document, indent=2), "minifiedJson": json.dumps(document)}
    return {**arguments, "id": "0", **texts}


def _alias(arguments: Properties, words: Mapping[str, str]) -> Properties:
    base = f"arn:{words['partition']}:kms:{words['region']}:{words['account']}:"
    key, name = "00000000-0000-4000-8000-000000000000", arguments["name"]
    arns = {"id": base + name, "arn": base + name, "targetKeyArn": f"{base}key/{key}"}
    return {"name": name, "targetKeyId": key, **arns}


def _zones(_: Properties, words: Mapping[str, str]) -> Properties:
    names = [words["region"] + letter for letter in "abc"]
    return {
        "id": words["region"],
        "names": names,
        "zoneIds": [f"{words['region']}-az{number}" for number in (1, 2, 3)],
        "groupNames": [words["region"]],
    }


CLOUD = Cloud(
    facts=FACTS,
    functions={
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _, words: {
            "accountId": words["account"],
            "arn": f"arn:{words['partition']}:iam::{words['account']}:user/deployer",
            "id": words["account"],
            "userId": "AIDAEXAMPLE",
        },
        "aws:index/getPartition:getPartition": lambda _, words: {
            "dnsSuffix": "amazonaws.com",
            "id": words["partition"],
            "partition": words["partition"],
            "reverseDnsPrefix": "com.amazonaws",
        },
        "aws:index/getRegion:getRegion": lambda _, words: {
            "description": words["region"],
            "endpoint": f"ec2.{words['region']}.amazonaws.com",
            "id": words["region"],
            "name": words["region"],
            "region": words["region"],
        },
        "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
        "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
        "aws:kms/getAlias:getAlias": _alias,
    },
    surroundings={
        "account": "123456789012",
        "partition": "aws",
        "region": "us-east-1",
        "path": "/",
        "groupName": "default",
    },
    required=("region",),
    replaces_always=("region",),
    # An OpenID provider's ARN holds its address without the scheme.
    derived=lambda inputs: {"host": str(inputs.get("url", "")).removeprefix("https://")},
)
