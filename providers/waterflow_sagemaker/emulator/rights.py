"""What IAM is asked when AWS answers a request: actions, resources and what conditions look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.emulator.objects import ACCOUNT, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Request = dict[str, Any]

Context = dict[str, str | list[str]]
"""Condition key -> what a request has of it."""

FREE: Final = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""What IAM allows everybody.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""


@dataclass(frozen=True)
class Right:
    """One question that IAM answers.

    Attributes:
        action: The action, such as "s3:GetObject".
        resource: The resource's ARN; "*" where AWS knows none for the action.
        context: What conditions may look at.
    """

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict[str, "str | list[str]"])


def arn(service: str, region: str, rest: str) -> str:
    """Return an ARN of the emulated account.

    Args:
        service: The service.
        region: The region; "" for what is of no region.
        rest: What follows the account.
    """
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{rest}"


def pass_role(role: str, service: str) -> Right:
    """Return the right to hand a role to a service.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    return Right("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})


def job(kind: str, request: Request, region: str) -> Iterator[Right]:
    """Yield what whoever starts a processing or training job needs.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html

    Args:
        kind: "Processing" or "Training".
        request: The request that makes it.
        region: The region.
    """
    name = arn("sagemaker", region, f"{kind.lower()}-job/{request[f'{kind}JobName']}")
    yield Right(f"sagemaker:Create{kind}Job", name, _job_context(request))
    yield pass_role(request["RoleArn"], "sagemaker")
    if request.get("Tags"):
        yield Right("sagemaker:AddTags", name)


def cluster(request: Request) -> dict[str, Any]:
    """Return what a request for a job says of its machines."""
    return (
        request.get("ResourceConfig")
        or request.get("ProcessingResources", {}).get("ClusterConfig")
        or {}
    )


def network(request: Request) -> dict[str, Any] | None:
    """Return the network that a request for a job names; None for none."""
    return request.get("VpcConfig") or request.get("NetworkConfig", {}).get("VpcConfig")


def _job_context(request: Request) -> Context:
    machines, vpc = cluster(request), network(request)
    groups = machines.get("InstanceGroups") or [machines]
    output = request.get("ProcessingOutputConfig") or request.get("OutputDataConfig") or {}
    context: dict[str, Any] = {
        "sagemaker:InstanceTypes": [one["InstanceType"] for one in groups if "InstanceType" in one],
        "sagemaker:VolumeKmsKey": machines.get("VolumeKmsKeyId"),
        "sagemaker:OutputKmsKey": output.get("KmsKeyId"),
        "sagemaker:VpcSubnets": (vpc or {}).get("Subnets"),
        "sagemaker:VpcSecurityGroupIds": (vpc or {}).get("SecurityGroupIds"),
    }
    return {key: value for key, value in context.items() if value}


# --- requests of each service ---------------------------------------------------------------------


def of_request(service: str, operation: str, request: Request, region: str) -> list[Right]:
    """Return what a request asks of IAM.

    Args:
        service: The service, not S3.
        operation: The operation.
        request: What it says, as the service's model has it.
        region: The region that it is sent to.
    """
    rights = SERVICES[service](operation, request, region)
    return [one for one in rights if one.action not in FREE]


def _sagemaker(operation: str, request: Request, region: str) -> Iterator[Right]:
    if operation in ("CreateProcessingJob", "CreateTrainingJob"):
        yield from job(operation.removeprefix("Create").removesuffix("Job"), request, region)
        return
    resource = _sagemaker_resource(operation, request, region)
    yield Right(f"sagemaker:{operation}", resource)
    if operation.startswith("Create") and request.get("Tags"):
        yield Right("sagemaker:AddTags", resource)
    for member in ("RoleArn", "ExecutionRoleArn"):
        if member in request:
            yield pass_role(request[member], "sagemaker")
    place = request.get("PipelineDefinitionS3Location")
    if place is not None:
        yield Right("s3:GetObject", f"arn:aws:s3:::{place['Bucket']}/{place['ObjectKey']}")


_NAMED: Final = {
    "ProcessingJobName": "processing-job",
    "TrainingJobName": "training-job",
    "ModelName": "model",
    "EndpointConfigName": "endpoint-config",
    "EndpointName": "endpoint",
    "ModelPackageGroupName": "model-package-group",
    "ModelPackageName": "model-package",
    "TrialComponentName": "experiment-trial-component",
    "TrialName": "experiment-trial",
    "ExperimentName": "experiment",
}
"""What names a resource in a request -> the resource's kind."""


def _sagemaker_resource(operation: str, request: Request, region: str) -> str:
    for member in ("ResourceArn", "PipelineExecutionArn"):
        if member in request:
            return str(request[member])
    if "PipelineName" in request:
        name = str(request["PipelineName"])
        # SageMaker writes them small.
        return name if ":" in name else arn("sagemaker", region, f"pipeline/{name.lower()}")
    if not operation.startswith("List"):
        for member, kind in _NAMED.items():
            if member in request:
                name = str(request[member])
                return name if ":" in name else arn("sagemaker", region, f"{kind}/{name}")
    return "*"


def _scheduler(operation: str, request: Request, region: str) -> Iterator[Right]:
    group = request.get("GroupName", "default")
    if operation.startswith("List") and "ResourceArn" not in request:
        resource = "*"
    elif "ResourceArn" in request:
        resource = str(request["ResourceArn"])
    elif operation.endswith("Group"):
        resource = arn("scheduler", region, f"schedule-group/{request['Name']}")
    else:
        resource = arn("scheduler", region, f"schedule/{group}/{request['Name']}")
    yield Right(f"scheduler:{operation}", resource)
    if operation == "CreateScheduleGroup" and request.get("Tags"):
        yield Right("scheduler:TagResource", resource)
    if "Target" in request:
        yield pass_role(request["Target"]["RoleArn"], "scheduler")


def _logs(operation: str, request: Request, region: str) -> Iterator[Right]:
    resource = "*"
    if "logGroupName" in request:
        resource = arn("logs", region, f"log-group:{request['logGroupName']}")
        if operation in ("GetLogEvents", "PutLogEvents", "DeleteLogStream"):
            resource += f":log-stream:{request['logStreamName']}"
    yield Right(f"logs:{operation}", resource)


def _secrets(operation: str, request: Request, region: str) -> Iterator[Right]:
    name = request.get("SecretId") or request.get("Name")
    if name is None:
        yield Right(f"secretsmanager:{operation}")
    else:
        # Secrets Manager ends each name in a hyphen and six characters of its own.
        secret = name if ":" in name else arn("secretsmanager", region, f"secret:{name}-AbCdEf")
        yield Right(f"secretsmanager:{operation}", secret)


def _iam(operation: str, request: Request, region: str) -> Iterator[Right]:
    del region
    name, source = request.get("RoleName"), request.get("PolicySourceArn")
    yield Right(f"iam:{operation}", source or (_role(name) if name else "*"))


def _role(name: str) -> str:
    """Return the ARN of a role, with its path where there is such a role."""
    from moto.iam.models import iam_backends

    backend: Any = iam_backends[ACCOUNT]["aws"]
    role = next((one for one in backend.roles.values() if one.name == name), None)
    return arn("iam", "", f"role/{name}") if role is None else str(role.arn)


def _ecr(operation: str, request: Request, region: str) -> Iterator[Right]:
    names = request.get("repositoryNames") or [request.get("repositoryName")]
    for name in names:
        yield Right(f"ecr:{operation}", arn("ecr", region, f"repository/{name}") if name else "*")


def _kms(operation: str, request: Request, region: str) -> Iterator[Right]:
    name = request.get("KeyId")
    key = name if name is None or ":" in name else arn("kms", region, f"key/{name}")
    yield Right(f"kms:{operation}", key or "*")


def _sts(operation: str, request: Request, region: str) -> Iterator[Right]:
    del region
    yield Right(f"sts:{operation}", request.get("RoleArn", "*"))


def _sqs(operation: str, request: Request, region: str) -> Iterator[Right]:
    queue = str(request.get("QueueUrl") or request.get("QueueName") or "")
    resource = arn("sqs", region, queue.rpartition("/")[2]) if queue else "*"
    yield Right(f"sqs:{operation.removesuffix('Batch')}", resource)


SERVICES: Final[Mapping[str, Callable[[str, Request, str], Iterable[Right]]]] = {
    "sagemaker": _sagemaker,
    "scheduler": _scheduler,
    "logs": _logs,
    "secretsmanager": _secrets,
    "iam": _iam,
    "ecr": _ecr,
    "kms": _kms,
    "sts": _sts,
    "sqs": _sqs,
}
"""Service -> what yields the rights of an operation, a request and a region; S3 is apart."""


# --- what SageMaker does in the name of a job's role ----------------------------------------------


def of_job(kind: str, image: str, request: Request, region: str) -> Iterator[Right]:
    """Yield what SageMaker does by a job's role beside its data and its logs.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Args:
        kind: "Processing" or "Training".
        image: The image of its containers.
        request: The request that made it.
        region: The region.
    """
    host, _, path = image.partition("/")
    parts = host.split(".")
    if parts[1:3] == ["dkr", "ecr"]:
        yield Right("ecr:GetAuthorizationToken")
        name = path.partition("@")[0].partition(":")[0]
        repository = f"arn:aws:ecr:{parts[3]}:{parts[0]}:repository/{name}"
        for action in ("BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"):
            yield Right(f"ecr:{action}", repository)
    namespace = {"cloudwatch:namespace": f"/aws/sagemaker/{kind}Jobs"}
    yield Right("cloudwatch:PutMetricData", "*", dict(namespace))
    key = cluster(request).get("VolumeKmsKeyId")
    if key:
        key = key if ":" in key else arn("kms", region, f"key/{key}")
        yield Right("kms:DescribeKey", key)
        yield Right("kms:CreateGrant", key, {"kms:GrantIsForAWSResource": "true"})
    vpc = network(request)
    if vpc is not None:
        yield from _joining(vpc, region)


def _joining(vpc: dict[str, Any], region: str) -> Iterator[Right]:
    """Yield what gives a job its network interfaces, and takes them back."""
    interface = arn("ec2", region, "network-interface/eni-1")
    for kind, members in (("subnet", "Subnets"), ("security-group", "SecurityGroupIds")):
        for name in vpc[members]:
            yield Right("ec2:CreateNetworkInterface", arn("ec2", region, f"{kind}/{name}"))
    yield Right("ec2:CreateNetworkInterface", interface)
    for action in (
        "CreateNetworkInterfacePermission",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
    ):
        yield Right(f"ec2:{action}", interface)
    for noun in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Right(f"ec2:Describe{noun}")


def of_logs(group: str, stream: str, region: str) -> Iterator[Right]:
    """Yield what a job's container needs to have its lines in CloudWatch Logs."""
    resource = arn("logs", region, f"log-group:{group}")
    for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams"):
        yield Right(f"logs:{action}", resource)
    yield Right("logs:PutLogEvents", f"{resource}:log-stream:{stream}")


def of_input(uri: str) -> Right:
    """Return what finding the objects of an input needs."""
    bucket, key = split(uri)
    return Right("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": key})
