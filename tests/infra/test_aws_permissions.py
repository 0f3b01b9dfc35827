"""The landing zone's roles and `waterflow plan --permissions` agree, action for action."""

from fnmatch import fnmatchcase
from types import SimpleNamespace

import msgspec
import pytest
from landing_zone import permissions as zone
from landing_zone.policies import EVERYTHING, Place
from landing_zone.scope import Scope, schedule_group
from waterflow_sagemaker import permissions as adapter
from waterflow_sagemaker.permissions import needed
from waterflow_sagemaker.translation import naming

from tests.providers.sagemaker.builds import compiled, function, pipeline, training
from waterflow import spec
from waterflow.data import Pinned

ACCOUNT, REGION = "123456789012", "eu-central-1"
JOBS = f"arn:aws:iam::{ACCOUNT}:role/waterflow/prod/waterflow-prod-jobs-1a2b3c4"
SCHEDULER = f"arn:aws:iam::{ACCOUNT}:role/waterflow/prod/waterflow-prod-scheduler-1a2b3c4"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1a2b3c4d"
MLFLOW = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-1A2B3C4D"
BUCKET = "waterflow-prod-data-1a2b3c4"

SCOPE = Scope(
    place=Place(partition="aws", account=ACCOUNT, region=REGION),
    settings=SimpleNamespace(
        prefix="waterflow",
        environment="prod",
        machine_families=("ml.m5", "ml.g5"),
        data_buckets=("elsewhere",),
        secrets=("shared-token",),
    ),
    bucket=BUCKET,
    repository_arn=f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/waterflow-prod-images-1a2b3c4",
    jobs_role_arn=JOBS,
    scheduler_role_arn=SCHEDULER,
    key_arn=KEY,
    mlflow_arn=MLFLOW,
    own_mlflow=True,
    subnets=("subnet-1",),
    security_groups=("sg-1",),
)
ROLES = {
    JOBS: zone.of_jobs(SCOPE),
    SCHEDULER: zone.of_scheduler(SCOPE),
    adapter.SUBMITTER: zone.of_submitter(SCOPE),
}
SETTINGS = {
    "region": REGION,
    "role": JOBS,
    "bucket": BUCKET,
    "kms_key": KEY,
    "subnets": ["subnet-1"],
    "security_groups": ["sg-1"],
    "scheduler_role": SCHEDULER,
}
CONCRETE = {
    # The plan names kinds of things; these are things of that kind, as AWS names them.
    "-job/*": ["-job/pipelines-1a2b3c4d5e6f-fit-AbCdEfGhIj"],
    "log-group:/aws/sagemaker/ProcessingJobs*": [
        "log-group:/aws/sagemaker/ProcessingJobs:log-stream:x"
    ],
    "log-group:/aws/sagemaker/TrainingJobs*": ["log-group:/aws/sagemaker/TrainingJobs"],
    "log-group:/aws/sagemaker/*": ["log-group:/aws/sagemaker/ProcessingJobs:log-stream:x"],
    "waterflow/*": ["waterflow/runs/x"],
    "elsewhere/raw.csv*": ["elsewhere/raw.csv"],
    "-token-*": ["-token-AbCdEf"],
    "/*": ["/x"],
}
NARROWER = {
    # The plan says "*", where the roles know better.
    "sagemaker:CreateExperiment": "experiment/waterflow-a-pipeline",
    "sagemaker:CreateTrial": "experiment-trial/1a2b3c4d5e6f",
    "sagemaker:CreateTrialComponent": "experiment-trial-component/pipelines-1a",
    "sagemaker:AssociateTrialComponent": "experiment-trial/1a2b3c4d5e6f",
    "sagemaker:UpdateTrialComponent": "experiment-trial-component/pipelines-1a",
    "sagemaker:AddAssociation": "artifact/1a",
    "sagemaker:CreateAction": "action/1a",
    "sagemaker:CreateArtifact": "artifact/1a",
    "sagemaker:CreateContext": "context/1a",
    "ec2:CreateNetworkInterface": "network-interface/eni-1",
    "ec2:CreateNetworkInterfacePermission": "network-interface/eni-1",
    "ec2:DeleteNetworkInterface": "network-interface/eni-1",
    "ec2:DeleteNetworkInterfacePermission": "network-interface/eni-1",
}
BEYOND = {
    # What the roles allow and no plan lists, each with its reason.
    adapter.SUBMITTER: {
        "iam:GetRole": "doctor looks whether the roles may be assumed",
        "iam:SimulatePrincipalPolicy": "doctor asks what the roles may do",
        "ecr:DescribeRepositories": "doctor looks whether the image's repository is there",
        "secretsmanager:DescribeSecret": "doctor looks whether secrets are there",
    },
    JOBS: {},
    SCHEDULER: {},
}


def plans():
    """Return the permissions of pipelines that use all that a profile can ask for."""
    graph = pipeline(
        function(
            "load",
            {"raw": spec.Input("data", spec.FromData("s3://elsewhere/raw.csv"))},
            environment=spec.Environment(secrets={"TOKEN": "shared-token"}),
        ),
        function("fit", {"x": "load"}),
    )
    graph = msgspec.structs.replace(graph, schedule="0 3 * * 1")
    data = {"data": [Pinned("s3://elsewhere/raw.csv")]}
    document = compiled(graph, SETTINGS | training("fit"), build_options=data)
    managed = compiled(
        pipeline(function("load")), {**SETTINGS}, uri=MLFLOW, build_options={"data": []}
    )
    return [*needed(document), *needed(managed)]


def things(action, resource):
    if resource == "*":
        narrower = NARROWER.get(action)
        service = action.partition(":")[0]
        return [f"arn:aws:{service}:{REGION}:{ACCOUNT}:{narrower}"] if narrower else ["*"]
    resource = resource.replace(f":*:{ACCOUNT}:", f":{REGION}:{ACCOUNT}:")
    for end, names in CONCRETE.items():
        if resource.endswith(end):
            return [resource.removesuffix(end) + name for name in names]
    return [resource]


def allowed(statements, action, thing):
    return any(
        action in one.actions and any(fnmatchcase(thing, arn) for arn in one.resources)
        for one in statements
    )


def test_what_a_plan_lists_the_roles_allow():
    lacking = [
        (one.who, action, thing)
        for one in plans()
        for action in one.actions
        for resource in one.resources
        for thing in things(action, resource)
        if not allowed(ROLES[one.who], action, thing)
    ]
    assert lacking == []


@pytest.mark.parametrize("who", ROLES)
def test_what_the_roles_allow_a_plan_lists_but_for_a_reviewed_few(who):
    listed = {action for one in plans() if one.who == who for action in one.actions}
    listed |= set(adapter.MLFLOW) | {"sagemaker:CallMlflowAppApi"} if who != SCHEDULER else set()
    beyond = {action for one in ROLES[who] for action in one.actions} - listed
    assert beyond == BEYOND[who].keys()


def test_what_needs_no_plan_is_the_same_in_both():
    assert zone.MLFLOW == adapter.MLFLOW
    for prefix in ("waterflow", "team"):
        assert schedule_group(prefix) == naming.schedule_group(prefix)


@pytest.mark.parametrize(
    "statements",
    [*ROLES.values(), zone.of_ci(SCOPE), zone.of_mlflow(SCOPE)],
    ids=["jobs", "scheduler", "submitter", "ci", "mlflow"],
)
def test_no_star_stands_alone(statements):
    documents = [one.document() for one in statements]
    assert len({one["Sid"] for one in documents}) == len(documents)
    for one in statements:
        assert not [action for action in one.actions if "*" in action]
        if one.resources == EVERYTHING:
            assert one.conditions, one.why
        else:
            assert "*" not in one.resources
            assert not [arn for arn in one.resources if arn.endswith((":*", ":::*"))], one.why


def test_roles_stay_within_their_bound():
    roles = [*ROLES.values(), zone.of_ci(SCOPE), zone.of_mlflow(SCOPE)]
    bound = zone.boundary(SCOPE.place, roles)
    for one in (one for statements in roles for one in statements):
        for action in one.actions:
            for arn in one.resources:
                assert allowed(bound, action, arn), (action, arn)
    assert not allowed(bound, "iam:CreateUser", "*")
    assert not allowed(bound, "s3:GetObject", "arn:aws:s3:::another/key")
    assert not allowed(bound, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin")


def test_jobs_start_only_as_the_zone_says():
    start = next(one for one in ROLES[JOBS] if "sagemaker:CreateTrainingJob" in one.actions)
    assert start.conditions == {
        "ForAllValues:StringLike": {"sagemaker:InstanceTypes": ["ml.m5.*", "ml.g5.*"]},
        "ForAllValues:StringEquals": {
            "sagemaker:VpcSubnets": ["subnet-1"],
            "sagemaker:VpcSecurityGroupIds": ["sg-1"],
        },
        "Null": {"sagemaker:VpcSubnets": "false", "sagemaker:VpcSecurityGroupIds": "false"},
        "ArnEqualsIfExists": {"sagemaker:OutputKmsKey": KEY},
    }
