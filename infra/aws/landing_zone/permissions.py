"""What each role may do: as much as `waterflow plan --permissions` lists, below the prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from landing_zone import machines
from landing_zone.policies import EVERYTHING, Statement
from landing_zone.scope import JOBS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from landing_zone.policies import Place
    from landing_zone.scope import Scope

MLFLOW_KEY: Final = "mlflow"
"""What the keys of the managed MLflow's artifacts begin with, beside the application's prefix."""

MLFLOW: Final = tuple(
    f"sagemaker-mlflow:{action}"
    for action in (
        "CreateExperiment", "CreateModelVersion", "CreateRegisteredModel", "CreateRun",
        "DeleteRegisteredModelAlias", "DeleteTag", "FinalizeLoggedModel",
        "GetDownloadURIForModelVersionArtifacts", "GetExperiment", "GetExperimentByName",
        "GetLatestModelVersions", "GetLoggedModel", "GetMetricHistory", "GetModelVersion",
        "GetModelVersionByAlias", "GetRegisteredModel", "GetRun", "ListArtifacts",
        "ListLoggedModelArtifacts", "LogBatch", "LogInputs", "LogLoggedModelParams", "LogMetric",
        "LogModel", "LogOutputs", "LogParam", "SearchExperiments", "SearchLoggedModels",
        "SearchModelVersions", "SearchRegisteredModels", "SearchRuns", "SetExperimentTag",
        "SetLoggedModelTags", "SetModelVersionTag", "SetRegisteredModelAlias",
        "SetRegisteredModelTag", "SetTag", "UpdateExperiment", "UpdateModelVersion",
        "UpdateRegisteredModel", "UpdateRun",
    )
)  # fmt: skip
"""To run and to register; to administer a server, or to see all traces, is nobody's here.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sagemaker-mlflow.html
"""


def of_jobs(scope: Scope) -> list[Statement]:
    """Return what pipelines and jobs may do."""
    return [
        *_running(scope),
        *_bucket(scope, "read code and data and write results", deletes=False),
        Statement(
            why="find the bucket",
            actions=("s3:GetBucketLocation",),
            resources=(scope.place.s3(scope.bucket),),
        ),
        Statement(
            why="write logs",
            actions=(
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ),
            resources=scope.logs,
        ),
        Statement(
            why="write metrics of jobs",
            actions=("cloudwatch:PutMetricData",),
            resources=EVERYTHING,
            conditions={
                "StringEquals": {
                    "cloudwatch:namespace": [f"/aws/sagemaker/{k.title()}Jobs" for k in JOBS]
                }
            },
        ),
        *_images(scope),
        *_key(scope, grants=True),
        *_network(scope),
        *_tracking(scope),
        Statement(
            why="read secrets of steps",
            actions=("secretsmanager:GetSecretValue",),
            resources=_secrets(scope),
        ),
        *_data(scope, versions=False),
    ]


def of_submitter(scope: Scope) -> list[Statement]:
    """Return what whoever runs `waterflow` may do."""
    return [
        Statement(
            why="deploy pipelines and start and follow runs",
            actions=(
                "sagemaker:CreatePipeline",
                "sagemaker:UpdatePipeline",
                "sagemaker:DescribePipeline",
                "sagemaker:ListPipelineVersions",
                "sagemaker:StartPipelineExecution",
                "sagemaker:StopPipelineExecution",
                "sagemaker:RetryPipelineExecution",
                "sagemaker:UpdatePipelineExecution",
                "sagemaker:DescribePipelineExecution",
                "sagemaker:ListPipelineExecutions",
                "sagemaker:ListPipelineExecutionSteps",
                "sagemaker:ListPipelineParametersForExecution",
                "sagemaker:DescribePipelineDefinitionForExecution",
                "sagemaker:AddTags",
                "sagemaker:ListTags",
                "sagemaker:DeleteTags",
            ),
            resources=scope.pipelines,
        ),
        Statement(
            why="list pipelines",
            actions=("sagemaker:ListPipelines",),
            resources=EVERYTHING,
            conditions=scope.place.here,
        ),
        Statement(
            why="tell what jobs are billed",
            actions=("sagemaker:DescribeProcessingJob", "sagemaker:DescribeTrainingJob"),
            resources=scope.jobs,
        ),
        _pass_role("give pipelines their role", scope.jobs_role_arn, "sagemaker"),
        _pass_role("give schedules their role", scope.scheduler_role_arn, "scheduler"),
        *_bucket(scope, "send code and data and fetch results", deletes=True),
        Statement(
            why="read logs",
            actions=("logs:DescribeLogStreams", "logs:GetLogEvents"),
            resources=scope.logs,
        ),
        *_schedules(scope),
        *_key(scope, grants=False),
        *_tracking(scope),
        *_data(scope, versions=True),
        Statement(
            # Its own too: doctor asks what whoever asks may do.
            why="examine roles",
            actions=("iam:GetRole", "iam:SimulatePrincipalPolicy"),
            resources=(scope.roles,),
        ),
        Statement(
            why="examine images",
            actions=("ecr:DescribeRepositories",),
            resources=(scope.repository_arn,),
        ),
        Statement(
            why="examine secrets but not read them",
            actions=("secretsmanager:DescribeSecret",),
            resources=_secrets(scope),
        ),
    ]


def of_ci(scope: Scope) -> list[Statement]:
    """Return what the repository's workflows may do: submit, and push the image of steps."""
    return [
        *of_submitter(scope),
        Statement(
            why="sign in to the image registry",
            actions=("ecr:GetAuthorizationToken",),
            resources=EVERYTHING,
            conditions=scope.place.here,
        ),
        Statement(
            why="push images",
            actions=(
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:GetDownloadUrlForLayer",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ),
            resources=(scope.repository_arn,),
        ),
    ]


def of_scheduler(scope: Scope) -> list[Statement]:
    """Return what schedules may do."""
    return [
        Statement(
            why="start pipelines by their schedules",
            actions=("sagemaker:StartPipelineExecution",),
            resources=scope.pipelines,
        )
    ]


def of_mlflow(scope: Scope) -> list[Statement]:
    """Return what the managed MLflow may do: keep artifacts below its own key, and nothing else.

    AWS's guide gives it all of S3.
    """
    return [*_mlflow_artifacts(scope, deletes=True), *_key(scope, grants=False)]


def boundary(place: Place, roles: Iterable[Iterable[Statement]]) -> list[Statement]:
    """Return the most that any role of the zone may ever do: the actions of all, and no more.

    Whoever edits a role's policy later gets no action beyond them, and none outside of this
    account and region, the zone's buckets, keys and roles. Within that the roles' own policies are
    narrower: IAM takes one policy as a bound, of 6,144 characters.

    Args:
        place: Where the zone is.
        roles: What each role may do.
    """
    resources: dict[str, dict[str, None]] = {}
    for statements in roles:
        for statement in statements:
            for action in statement.actions:
                bounds = (_bounding(arn, place) for arn in statement.resources)
                resources.setdefault(action, {}).update(dict.fromkeys(bounds))
    actions: dict[tuple[str, ...], list[str]] = {}
    for action, arns in sorted(resources.items()):
        actions.setdefault(tuple(sorted(arns)), []).append(action)
    return [
        Statement(
            why="",
            actions=tuple(allowed),
            resources=arns,
            conditions=place.here if arns == EVERYTHING else {},
        )
        for arns, allowed in actions.items()
    ]


def _bounding(arn: str, place: Place) -> str:
    """Return all of a service in this account and region, for an ARN there; others stay."""
    if arn == "*":
        return arn
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    if service == "s3":
        bucket, slash, _ = rest.partition("/")
        return place.s3(f"{bucket}/*" if slash else bucket)
    everything = place.arn(service, "*")
    return everything if arn.startswith(everything[:-1]) and service != "kms" else arn


# --- parts of them --------------------------------------------------------------------------------


def _running(scope: Scope) -> Iterator[Statement]:
    place, settings = scope.place, scope.settings
    creates = tuple(f"sagemaker:Create{kind.title()}Job" for kind in JOBS)
    families = [f"{family}.*" for family in settings.machine_families]
    conditions: dict[str, dict[str, str | list[str]]] = {
        "ForAllValues:StringLike": {"sagemaker:InstanceTypes": families}
    }
    if scope.subnets:
        conditions["ForAllValues:StringEquals"] = {
            "sagemaker:VpcSubnets": list(scope.subnets),
            "sagemaker:VpcSecurityGroupIds": list(scope.security_groups),
        }
        # Without it a job outside of the network, of which there are no values, would pass.
        conditions["Null"] = {
            "sagemaker:VpcSubnets": "false",
            "sagemaker:VpcSecurityGroupIds": "false",
        }
    if scope.key_arn is not None:
        # A job that keeps nothing names no key.
        conditions["ArnEqualsIfExists"] = {"sagemaker:OutputKmsKey": scope.key_arn}
    yield Statement(
        why="start jobs on the machines that are allowed",
        actions=creates,
        resources=scope.jobs,
        conditions=conditions,
    )
    yield Statement(
        why="follow and stop jobs",
        actions=(
            "sagemaker:AddTags",
            *(f"sagemaker:{verb}{kind.title()}Job" for kind in JOBS for verb in _FOLLOWING),
        ),
        resources=scope.jobs,
    )
    yield _pass_role("give jobs their role", scope.jobs_role_arn, "sagemaker")
    yield Statement(
        why="show runs among the experiments of SageMaker",
        actions=(
            "sagemaker:AddAssociation",
            "sagemaker:AssociateTrialComponent",
            "sagemaker:CreateAction",
            "sagemaker:CreateArtifact",
            "sagemaker:CreateContext",
            "sagemaker:CreateExperiment",
            "sagemaker:CreateTrial",
            "sagemaker:CreateTrialComponent",
            "sagemaker:UpdateTrialComponent",
        ),
        resources=(
            place.arn("sagemaker", f"experiment/{settings.prefix}-*"),
            *(place.arn("sagemaker", f"{kind}/*") for kind in _LINEAGE),
        ),
    )


_FOLLOWING: Final = ("Describe", "Stop")
_LINEAGE: Final = (
    "experiment-trial", "experiment-trial-component", "action", "artifact", "context",
)  # fmt: skip
"""Named by SageMaker itself, after executions and addresses."""


def _pass_role(why: str, arn: str, service: str) -> Statement:
    return Statement(
        why=why,
        actions=("iam:PassRole",),
        resources=(arn,),
        conditions={"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}},
    )


def _bucket(scope: Scope, why: str, *, deletes: bool) -> Iterator[Statement]:
    prefix = scope.settings.prefix
    actions = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
    yield Statement(
        why=why,
        actions=(*actions, "s3:DeleteObject") if deletes else actions,
        resources=(scope.place.s3(f"{scope.bucket}/{prefix}/*"),),
    )
    yield Statement(
        why="find them",
        actions=("s3:ListBucket",),
        resources=(scope.place.s3(scope.bucket),),
        conditions={"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
    )


def _images(scope: Scope) -> Iterator[Statement]:
    place = scope.place
    yield Statement(
        why="sign in to image registries",
        actions=("ecr:GetAuthorizationToken",),
        resources=EVERYTHING,
        conditions=place.here,
    )
    arns = [scope.repository_arn]
    account = machines.IMAGE_ACCOUNTS.get(place.region)
    if account is not None:
        aws = f"arn:{place.partition}:ecr:{place.region}:{account}:repository/"
        arns.append(f"{aws}{machines.IMAGE_REPOSITORY}")
    yield Statement(
        why="pull images",
        actions=(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        resources=tuple(arns),
    )


def _key(scope: Scope, *, grants: bool) -> Iterator[Statement]:
    if scope.key_arn is None:
        return
    yield Statement(
        why="encrypt and decrypt",
        actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
        if grants
        else ("kms:Decrypt", "kms:GenerateDataKey"),
        resources=(scope.key_arn,),
    )
    if grants:
        yield Statement(
            why="let SageMaker attach encrypted volumes",
            actions=("kms:CreateGrant",),
            resources=(scope.key_arn,),
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )


def _network(scope: Scope) -> Iterator[Statement]:
    if not scope.subnets:
        return
    place = scope.place
    interfaces = place.arn("ec2", "network-interface/*")
    # https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    yield Statement(
        why="join the network",
        actions=("ec2:CreateNetworkInterface",),
        resources=(
            interfaces,
            *(place.arn("ec2", f"subnet/{one}") for one in scope.subnets),
            *(place.arn("ec2", f"security-group/{one}") for one in scope.security_groups),
        ),
    )
    yield Statement(
        why="use and leave the network",
        actions=(
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
        ),
        resources=(interfaces,),
    )
    yield Statement(
        why="look at networks",
        actions=(
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        resources=EVERYTHING,
        conditions=place.here,
    )


def _tracking(scope: Scope) -> Iterator[Statement]:
    if scope.mlflow_arn is None:
        return
    app = ("sagemaker:CallMlflowAppApi",) if ":mlflow-app/" in scope.mlflow_arn else ()
    yield Statement(
        why="track runs and register models",
        actions=(*app, *MLFLOW),
        resources=(scope.mlflow_arn,),
    )
    if scope.own_mlflow:
        yield from _mlflow_artifacts(scope, deletes=False)


def _mlflow_artifacts(scope: Scope, *, deletes: bool) -> Iterator[Statement]:
    actions = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
    yield Statement(
        why="keep models and files of MLflow",
        actions=(*actions, "s3:DeleteObject") if deletes else actions,
        resources=(scope.place.s3(f"{scope.bucket}/{MLFLOW_KEY}/*"),),
    )
    yield Statement(
        why="find what MLflow keeps",
        actions=("s3:ListBucket",),
        resources=(scope.place.s3(scope.bucket),),
        conditions={"StringLike": {"s3:prefix": [MLFLOW_KEY, f"{MLFLOW_KEY}/*"]}},
    )


def _secrets(scope: Scope) -> tuple[str, ...]:
    place, settings = scope.place, scope.settings
    return (
        place.arn("secretsmanager", f"secret:{settings.prefix}/*"),
        # Secrets Manager ends each name in a hyphen and six characters of its own.
        *(place.arn("secretsmanager", f"secret:{name}-??????") for name in settings.secrets),
    )


def _data(scope: Scope, *, versions: bool) -> Iterator[Statement]:
    buckets = scope.settings.data_buckets
    if not buckets:
        return
    yield Statement(
        why="read data elsewhere",
        actions=("s3:GetObject", "s3:GetObjectVersion") if versions else ("s3:GetObject",),
        resources=tuple(scope.place.s3(f"{bucket}/*") for bucket in buckets),
    )
    yield Statement(
        why="find data elsewhere",
        actions=("s3:ListBucket",),
        resources=tuple(scope.place.s3(bucket) for bucket in buckets),
    )


def _schedules(scope: Scope) -> Iterator[Statement]:
    place, group = scope.place, scope.schedule_group
    yield Statement(
        why="keep schedules",
        actions=(
            "scheduler:CreateSchedule",
            "scheduler:CreateScheduleGroup",
            "scheduler:DeleteSchedule",
            "scheduler:GetSchedule",
            "scheduler:GetScheduleGroup",
            "scheduler:ListTagsForResource",
            "scheduler:TagResource",
            "scheduler:UpdateSchedule",
        ),
        resources=(
            place.arn("scheduler", f"schedule/{group}/*"),
            place.arn("scheduler", f"schedule-group/{group}"),
        ),
    )
    yield Statement(
        why="list schedules",
        actions=("scheduler:ListSchedules",),
        resources=EVERYTHING,
        conditions=place.here,
    )
