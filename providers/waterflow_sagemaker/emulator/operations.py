"""Which of AWS's operations are answered with success, and how; and why others are refused."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class How(StrEnum):
    """What stands behind a success."""

    RUN = "run"
    """What the request asks for is done: a program runs, bytes are written, a key encrypts."""
    RECORD = "record"
    """The resource is a document in the service too: it is kept, and given back as it was."""
    STATE = "state"
    """The answer is read from what is there."""


def methods(*names: str) -> dict[str, str]:
    """Return operations -> the names of the methods that answer them."""
    return {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names}


def _table(run: str = "", record: str = "", state: str = "") -> dict[str, How]:
    kinds = ((How.RUN, run), (How.RECORD, record), (How.STATE, state))
    return {name: how for how, names in kinds for name in names.split()}


ANSWERED: Final[dict[str, dict[str, How]]] = {
    "sagemaker": _table(
        run="""
            CreateProcessingJob StopProcessingJob CreateTrainingJob StopTrainingJob
            StartPipelineExecution StopPipelineExecution RetryPipelineExecution
            SendPipelineExecutionStepSuccess SendPipelineExecutionStepFailure
        """,
        record="""
            CreatePipeline UpdatePipeline DeletePipeline UpdatePipelineVersion
            UpdatePipelineExecution
            CreateModel DeleteModel CreateEndpointConfig DeleteEndpointConfig
            CreateEndpoint UpdateEndpoint UpdateEndpointWeightsAndCapacities DeleteEndpoint
            CreateModelPackageGroup DeleteModelPackageGroup PutModelPackageGroupPolicy
            DeleteModelPackageGroupPolicy
            CreateModelPackage UpdateModelPackage DeleteModelPackage
            CreateExperiment UpdateExperiment DeleteExperiment
            CreateTrial UpdateTrial DeleteTrial
            CreateTrialComponent UpdateTrialComponent DeleteTrialComponent
            AssociateTrialComponent DisassociateTrialComponent
            AddTags DeleteTags
        """,
        state="""
            DescribeProcessingJob ListProcessingJobs DescribeTrainingJob ListTrainingJobs
            DescribePipeline ListPipelines ListPipelineVersions
            DescribePipelineDefinitionForExecution DescribePipelineExecution
            ListPipelineExecutions ListPipelineParametersForExecution ListPipelineExecutionSteps
            DescribeModel ListModels DescribeEndpointConfig ListEndpointConfigs
            DescribeEndpoint ListEndpoints
            DescribeModelPackageGroup ListModelPackageGroups GetModelPackageGroupPolicy
            DescribeModelPackage BatchDescribeModelPackage ListModelPackages
            DescribeExperiment ListExperiments DescribeTrial ListTrials
            DescribeTrialComponent ListTrialComponents
            ListTags
        """,
    ),
    "iam": _table(
        record="""
            CreateRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole
            TagRole UntagRole PutRolePolicy DeleteRolePolicy AttachRolePolicy DetachRolePolicy
            PutRolePermissionsBoundary DeleteRolePermissionsBoundary
            CreatePolicy DeletePolicy TagPolicy UntagPolicy
            CreatePolicyVersion DeletePolicyVersion SetDefaultPolicyVersion
            CreateUser DeleteUser
        """,
        state="""
            GetRole ListRoles ListRoleTags GetRolePolicy ListRolePolicies ListAttachedRolePolicies
            GetPolicy ListPolicies ListPolicyTags GetPolicyVersion ListPolicyVersions
            ListEntitiesForPolicy GetUser ListUsers
            SimulatePrincipalPolicy SimulateCustomPolicy
        """,
    ),
    "sts": _table(
        record="AssumeRole GetSessionToken",
        state="GetCallerIdentity",
    ),
    "logs": _table(
        record="""
            CreateLogGroup DeleteLogGroup CreateLogStream DeleteLogStream PutLogEvents
            PutRetentionPolicy DeleteRetentionPolicy
            TagLogGroup UntagLogGroup TagResource UntagResource
        """,
        state="""
            DescribeLogGroups DescribeLogStreams GetLogEvents FilterLogEvents
            ListTagsLogGroup ListTagsForResource
        """,
    ),
    "ecr": _table(
        record="""
            CreateRepository DeleteRepository SetRepositoryPolicy DeleteRepositoryPolicy
            PutLifecyclePolicy DeleteLifecyclePolicy PutImage BatchDeleteImage
            PutImageTagMutability TagResource UntagResource
        """,
        state="""
            DescribeRepositories GetRepositoryPolicy GetLifecyclePolicy DescribeImages ListImages
            BatchGetImage ListTagsForResource
        """,
    ),
    "kms": _table(
        run="Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext",
        record="""
            CreateKey EnableKey DisableKey ScheduleKeyDeletion CancelKeyDeletion
            UpdateKeyDescription PutKeyPolicy CreateAlias UpdateAlias DeleteAlias
            TagResource UntagResource
        """,
        state="DescribeKey ListKeys ListAliases GetKeyPolicy ListKeyPolicies ListResourceTags",
    ),
    "secretsmanager": _table(
        record="""
            CreateSecret UpdateSecret PutSecretValue DeleteSecret RestoreSecret
            TagResource UntagResource
        """,
        state="GetSecretValue DescribeSecret ListSecrets ListSecretVersionIds",
    ),
    "scheduler": _table(
        run="CreateSchedule UpdateSchedule DeleteSchedule",
        record="CreateScheduleGroup DeleteScheduleGroup TagResource UntagResource",
        state="GetSchedule ListSchedules GetScheduleGroup ListScheduleGroups ListTagsForResource",
    ),
    "sqs": _table(
        run="""
            SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch PurgeQueue
            ChangeMessageVisibility ChangeMessageVisibilityBatch
        """,
        record="CreateQueue DeleteQueue SetQueueAttributes TagQueue UntagQueue",
        state="GetQueueUrl GetQueueAttributes ListQueues ListQueueTags",
    ),
    "s3": _table(
        run="""
            PutObject GetObject HeadObject CopyObject DeleteObject DeleteObjects
            CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload
            AbortMultipartUpload
        """,
        record="""
            CreateBucket DeleteBucket PutBucketVersioning PutBucketTagging DeleteBucketTagging
            PutBucketPolicy DeleteBucketPolicy PutBucketEncryption DeleteBucketEncryption
            PutPublicAccessBlock DeletePublicAccessBlock PutBucketLifecycle
            PutBucketLifecycleConfiguration DeleteBucketLifecycle PutBucketAcl PutBucketCors
            DeleteBucketCors PutBucketOwnershipControls DeleteBucketOwnershipControls
            PutObjectTagging DeleteObjectTagging PutObjectAcl
        """,
        state="""
            ListBuckets HeadBucket GetBucketLocation ListObjects ListObjectsV2 ListObjectVersions
            ListMultipartUploads ListParts GetObjectAttributes GetObjectTagging GetObjectAcl
            GetBucketVersioning GetBucketTagging GetBucketPolicy GetBucketEncryption
            GetPublicAccessBlock GetBucketLifecycle GetBucketLifecycleConfiguration GetBucketAcl
            GetBucketCors GetBucketOwnershipControls GetBucketLogging
            GetBucketAccelerateConfiguration GetBucketRequestPayment GetBucketWebsite
            GetBucketReplication GetBucketNotification GetBucketNotificationConfiguration
            GetObjectLockConfiguration
        """,
    ),
}
"""Service, as requests are signed for it -> operation -> what stands behind its success.

What is in no table is refused. A scheduled pipeline is started, a queue hands out its messages,
a key encrypts; a schedule group, a policy, a log group are records in AWS too.
"""

_REASONS: Final = (
    ("TransformJob", "no transform job is run: predict in a processing job"),
    ("HyperParameter", "no tuning job is run: start a training job for each set of values"),
    ("AutoML|Candidates", "no AutoML job is run: train in a training job"),
    ("Compilation|Optimization|EdgePackaging", "no model is compiled: convert it in a step"),
    ("Recommendation|AIBenchmark|AIWorkload", "no load test is run"),
    ("Labeling|Workteam|Workforce|Human|FlowDefinition|UiTemplate", "nobody labels here"),
    (
        "Notebook|App(s|ImageConfig|ImageConfigs)?$|Space|Domain|UserProfile|Studio|PartnerApp",
        "there is no Studio and no notebook instance: run notebooks on this machine",
    ),
    (
        "Mlflow",
        "it starts no MLflow server: start `mlflow server`, and name its address in the profile",
    ),
    (
        "Monitoring|QualityJobDefinition|BiasJobDefinition|ExplainabilityJobDefinition",
        "nothing is monitored: schedule a pipeline that measures drift",
    ),
    ("Feature", "there is no feature store: keep features in S3"),
    ("Search|ModelMetadata|ResourceCatalog", "nothing is searched: use the List operations"),
    (
        "Lineage|Context|Artifact|Association|Actions?$",
        "no lineage is kept: ListPipelineExecutionSteps and the jobs' descriptions tell it",
    ),
    ("Cluster|Capacity|TrainingPlan|ComputeQuota", "no cluster is run: use training jobs"),
)
"""Words in the names of operations of SageMaker -> why they are refused, and what to do instead."""


def reason(service: str, operation: str) -> str | None:
    """Return why an operation is refused, and how to do without; None when it is answered.

    Args:
        service: The service, as requests are signed for it.
        operation: The operation; "" when none is named.
    """
    answered = ANSWERED.get(service)
    if answered is None:
        return (
            f"Waterflow's emulator of AWS does not have the service '{service}', only "
            f"{', '.join(sorted(ANSWERED))}: leave it out, or test it against AWS."
        )
    if operation in answered:
        return None
    if not operation:
        return f"Waterflow's emulator does not know which operation of {service} this is."
    title = "SageMaker" if service == "sagemaker" else service
    hint = "leave it out, or test it against AWS"
    if service == "sagemaker":
        hint = next((text for words, text in _REASONS if re.search(words, operation)), hint)
    return f"Waterflow's emulator of {title} does not have {operation}: {hint}."
