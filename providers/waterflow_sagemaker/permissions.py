"""The permissions that a compiled pipeline needs: of its jobs' roles, and of whoever submits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.data.stores import scheme_of
from waterflow.provider import Permission
from waterflow_sagemaker.definition.document import step_entries
from waterflow_sagemaker.translation.naming import S3_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.cloud.document import Control
    from waterflow_sagemaker.document import SageMakerDocument, SchedulerSettings

SUBMITTER: Final = "submitter"
"""Whoever runs `waterflow run`."""

_NETWORK: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeVpcs",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
)
"""https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"""
_KMS: Final = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
)
_LOGS: Final = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)
_PULL: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)

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
"""What a client that tracks runs and registers models calls, each named whole.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sagemaker-mlflow.html
"""


def needed(document: SageMakerDocument) -> list[Permission]:
    """Return all permissions that a compiled pipeline needs.

    Args:
        document: The compiled pipeline.
    """
    return list(_Needs(document).all())


class _Needs:
    """Finds the permissions of one document."""

    def __init__(self, document: SageMakerDocument) -> None:
        self.document = document
        self.pipeline_role = document.role
        self.jobs = [
            entry.source
            for entry in step_entries(document.definition)
            if entry.source["Type"] != "Condition"
        ]
        self.bucket, self.prefix = document.bucket, document.prefix
        images = [uri for job in self.jobs for uri in [_image(job["Arguments"])]]
        self.images = list(dict.fromkeys(images))
        parts = self.pipeline_role.split(":")
        self.partition, self.account = parts[1], parts[4]

    def _arn(self, service: str, rest: str, account: bool = True) -> str:
        return f"arn:{self.partition}:{service}:*:{self.account if account else ''}:{rest}"

    @property
    def _pipeline_arn(self) -> str:
        return self._arn("sagemaker", f"pipeline/{self.document.pipeline.lower()}")

    def _s3(self, rest: str) -> str:
        return f"arn:{self.partition}:s3:::{rest}"

    def all(self) -> Iterator[Permission]:
        roles: dict[str, list[dict[str, Any]]] = {}
        for job in self.jobs:
            roles.setdefault(job["Arguments"]["RoleArn"], []).append(job)
        yield from self._pipeline(sorted(roles))
        for role, jobs in sorted(roles.items()):
            yield from self._of_jobs(role, jobs)
        yield from self._of_submitter()
        if self.document.scheduler is not None:
            yield from self._of_schedule(self.document.scheduler)

    def _pipeline(self, roles: list[str]) -> Iterator[Permission]:
        """Yield what the pipeline itself does: it starts jobs, and hands them their roles."""
        role = self.pipeline_role
        kinds = sorted({job["Type"] for job in self.jobs})
        actions = ["sagemaker:AddTags"]
        for kind in kinds:
            actions += [f"sagemaker:{verb}{kind}Job" for verb in ("Create", "Describe", "Stop")]
        arns = [self._arn("sagemaker", f"{kind.lower()}-job/*") for kind in kinds]
        if arns:
            yield _allowed(role, tuple(actions), tuple(arns), "to run the steps as jobs")
            yield _allowed(role, ("iam:PassRole",), tuple(roles), "to give the jobs their roles")
            yield _allowed(
                role,
                (
                    "sagemaker:CreateExperiment",
                    "sagemaker:CreateTrial",
                    "sagemaker:CreateTrialComponent",
                    "sagemaker:AssociateTrialComponent",
                    "sagemaker:UpdateTrialComponent",
                    "sagemaker:AddAssociation",
                    "sagemaker:CreateAction",
                    "sagemaker:CreateArtifact",
                    "sagemaker:CreateContext",
                ),
                ("*",),
                "to show runs among SageMaker's experiments",
            )

    def _of_jobs(self, role: str, jobs: list[dict[str, Any]]) -> Iterator[Permission]:
        yield _allowed(
            role,
            ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"),
            (self._s3(f"{self.bucket}/{self.prefix}/*"),),
            "to read code and data, write results",
        )
        yield _allowed(
            role,
            ("s3:ListBucket", "s3:GetBucketLocation"),
            (self._s3(self.bucket),),
            "to find them",
        )
        data, copies = self.document.data, self.document.copies
        elsewhere = sorted(_key(uri) for uri in data if uri not in copies)
        if elsewhere:
            yield _allowed(
                role,
                ("s3:GetObject",),
                tuple(self._s3(f"{key}*") for key in elsewhere),
                "to read data where it is",
            )
            buckets = dict.fromkeys(self._s3(key.partition("/")[0]) for key in elsewhere)
            yield _allowed(role, ("s3:ListBucket",), tuple(buckets), "to find that data")
        yield _allowed(
            role,
            _LOGS,
            tuple(
                self._arn("logs", f"log-group:/aws/sagemaker/{kind}Jobs*")
                for kind in sorted({job["Type"] for job in jobs})
            ),
            "to write logs",
        )
        yield _allowed(role, ("cloudwatch:PutMetricData",), ("*",), "to write metrics")
        yield from self._images(role, jobs)
        yield from self._keys(role, jobs)
        if any(_vpc(job["Arguments"]) for job in jobs):
            yield _allowed(role, _NETWORK, ("*",), "to join the VPC")
        yield from self._managed(jobs, role)
        secrets = self._secrets(jobs)
        if secrets:
            yield _allowed(role, ("secretsmanager:GetSecretValue",), secrets, "to read secrets")

    def _images(self, role: str, jobs: list[dict[str, Any]]) -> Iterator[Permission]:
        repositories = dict.fromkeys(_repository(_image(job["Arguments"])) for job in jobs)
        arns = tuple(arn for arn in repositories if arn is not None)
        if arns:
            why = "to pull the images"
            yield _allowed(role, ("ecr:GetAuthorizationToken",), ("*",), why)
            yield _allowed(role, _PULL, arns, why)

    def _keys(self, role: str, jobs: list[dict[str, Any]]) -> Iterator[Permission]:
        keys = {key for job in jobs for key in _kms(job["Arguments"])}
        if keys:
            arns = tuple(sorted(self._key(key) for key in keys))
            yield _allowed(role, _KMS, arns, "to encrypt volumes and outputs")

    def _managed(self, jobs: list[dict[str, Any]], who: str) -> Iterator[Permission]:
        """Yield what a managed MLflow wants of whoever speaks to it.

        https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html,
        https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-app-setup-prerequisites-iam.html
        """
        launches = [control.launch for control in self._controls(jobs)]
        known = ("registering", "tracking")
        uris = {launch[key]["uri"] for launch in launches for key in known if key in launch}
        for uri in sorted(uri for uri in uris if uri.startswith("arn:")):
            actions = MLFLOW
            if ":mlflow-app/" in uri:
                actions = ("sagemaker:CallMlflowAppApi", *actions)
            yield _allowed(
                who,
                actions,
                (uri,),
                "to track runs and register models (and S3 access to its artifact store)",
            )

    def _key(self, key: str) -> str:
        if key.startswith("arn:"):
            return key
        # A policy cannot name a key by its alias: the condition kms:ResourceAliases does.
        return self._arn("kms", "key/*" if key.startswith("alias/") else f"key/{key}")

    def _secrets(self, jobs: list[dict[str, Any]]) -> tuple[str, ...]:
        names: set[str] = set()
        for control in self._controls(jobs):
            names |= set(control.step["secrets"].values())
        return tuple(
            name if name.startswith("arn:") else self._arn("secretsmanager", f"secret:{name}-*")
            for name in sorted(names)
        )

    def _controls(self, jobs: list[dict[str, Any]]) -> list[Control]:
        """Return what our launcher is given in the jobs that it begins."""
        control = self.document.control
        return [control[job["Name"]] for job in jobs if job["Name"] in control]

    def _of_submitter(self) -> Iterator[Permission]:
        yield _allowed(
            SUBMITTER,
            (
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
            (self._pipeline_arn, f"{self._pipeline_arn}/*"),
            "to create the pipeline, start runs and follow them",
        )
        yield _allowed(
            SUBMITTER, ("sagemaker:ListPipelines",), ("*",), "to list runs of all pipelines"
        )
        yield _allowed(
            SUBMITTER,
            ("sagemaker:DescribeProcessingJob", "sagemaker:DescribeTrainingJob"),
            tuple(
                self._arn("sagemaker", f"{kind}-job/pipelines-*")
                for kind in ("processing", "training")
            ),
            "to tell what jobs are billed",
        )
        yield _allowed(
            SUBMITTER,
            ("iam:PassRole",),
            (self.pipeline_role,),
            "to give the pipeline its role",
        )
        yield _allowed(
            SUBMITTER,
            ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
            (self._s3(f"{self.bucket}/{self.prefix}/*"),),
            "to send code and data, fetch results",
        )
        yield _allowed(SUBMITTER, ("s3:ListBucket",), (self._s3(self.bucket),), "to list results")
        yield _allowed(
            SUBMITTER,
            ("logs:DescribeLogStreams", "logs:GetLogEvents"),
            (self._arn("logs", "log-group:/aws/sagemaker/*"),),
            "to read logs",
        )
        yield from self._of_data()
        yield from self._managed(self.jobs, SUBMITTER)
        keys = {key for job in self.jobs for key in _kms(job["Arguments"])}
        if keys:
            yield _allowed(
                SUBMITTER,
                ("kms:Decrypt", "kms:GenerateDataKey"),
                tuple(sorted(self._key(key) for key in keys)),
                "to read and write results",
            )

    def _of_data(self) -> Iterator[Permission]:
        """Yield what pinning and copying data in S3 wants of the submitter."""
        keys = sorted(_key(uri) for uri in self.document.data if scheme_of(uri) in S3_SCHEMES)
        if keys:
            # Of an object that was replaced since, the version that was pinned is asked for.
            yield _allowed(
                SUBMITTER,
                ("s3:GetObject", "s3:GetObjectVersion"),
                tuple(self._s3(f"{key}*") for key in keys),
                "to look at data, and to copy it",
            )
            buckets = dict.fromkeys(self._s3(key.partition("/")[0]) for key in keys)
            yield _allowed(SUBMITTER, ("s3:ListBucket",), tuple(buckets), "to find that data")

    def _of_schedule(self, scheduler: SchedulerSettings) -> Iterator[Permission]:
        """Yield what `waterflow schedule` wants of whoever calls it, and of the scheduler's role.

        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
        """
        group, role = scheduler.group, scheduler.role
        yield _allowed(
            SUBMITTER,
            (
                "scheduler:CreateSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:CreateScheduleGroup",
                "scheduler:GetScheduleGroup",
                "scheduler:ListTagsForResource",
                "scheduler:TagResource",
            ),
            (
                self._arn("scheduler", f"schedule/{group}/*"),
                self._arn("scheduler", f"schedule-group/{group}"),
            ),
            "to keep the pipeline's schedule",
        )
        yield _allowed(SUBMITTER, ("scheduler:ListSchedules",), ("*",), "to list schedules")
        if role is not None:
            yield _allowed(SUBMITTER, ("iam:PassRole",), (role,), "to give the scheduler its role")
            yield _allowed(
                role,
                ("sagemaker:StartPipelineExecution",),
                (self._pipeline_arn,),
                "to start the pipeline by its schedule",
            )


def _allowed(
    who: str, actions: tuple[str, ...], resources: tuple[str, ...], why: str
) -> Permission:
    """Return actions that a role, named by its ARN, or the submitter must be allowed.

    Resources are ARNs of what is acted on; "*" where AWS knows no narrower one.
    """
    return Permission(who=who, actions=actions, resources=resources, why=why)


def _key(uri: str) -> str:
    """Return the bucket and key of an address in S3."""
    return uri.partition("://")[2]


def _image(arguments: dict[str, Any]) -> str:
    if "AppSpecification" in arguments:
        return arguments["AppSpecification"]["ImageUri"]
    return arguments["AlgorithmSpecification"]["TrainingImage"]


def _repository(image: str) -> str | None:
    """Return the ARN of an image's ECR repository; None where it lies elsewhere."""
    host, _, path = image.partition("/")
    parts = host.split(".")
    if parts[1:3] != ["dkr", "ecr"]:
        return None
    partition = "aws"
    if parts[3].startswith("cn-"):
        partition = "aws-cn"
    elif parts[3].startswith("us-gov-"):
        partition = "aws-us-gov"
    name = path.partition("@")[0].partition(":")[0]
    return f"arn:{partition}:ecr:{parts[3]}:{parts[0]}:repository/{name}"


def _kms(arguments: dict[str, Any]) -> set[str]:
    """Return the keys that a job names, wherever it names them."""
    output = arguments.get("ProcessingOutputConfig") or arguments.get("OutputDataConfig") or {}
    cluster = arguments.get("ResourceConfig") or arguments["ProcessingResources"]["ClusterConfig"]
    return {key for key in (output.get("KmsKeyId"), cluster.get("VolumeKmsKeyId")) if key}


def _vpc(arguments: dict[str, Any]) -> bool:
    return "VpcConfig" in arguments or "VpcConfig" in arguments.get("NetworkConfig", {})
