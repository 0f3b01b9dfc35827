"""The landing zone's roles are tight, by measurement: held against what was really called.

`recorded_calls.json` is what the suites' emulators have recorded; each suite sees to it that it
calls nothing beyond.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from landing_zone import permissions as zone
from landing_zone.policies import Place, policy
from landing_zone.scope import Scope
from waterflow_sagemaker.emulator.policies import Policy, allowed
from waterflow_sagemaker.emulator.policy_conditions import matches

README = Path(__file__).parents[2] / "infra" / "README.md"
RECORD = json.loads((Path(__file__).parent / "recorded_calls.json").read_text())
ACCOUNT, REGION = "123456789012", "us-east-1"
PLACE = Place(partition="aws", account=ACCOUNT, region=REGION)
NETWORK = ("ec2:", "kms:")
"""How actions begin that only a zone with a network or a key of its own allows."""
JOBS = ("sagemaker:CreateProcessingJob", "sagemaker:CreateTrainingJob")


def scope(*, private):
    """Return a zone of the names that the record has for its kinds of things."""
    path = "prefix/environment"
    return Scope(
        place=PLACE,
        settings=SimpleNamespace(
            prefix="prefix",
            environment="environment",
            machine_families=("ml.t3", "ml.m5", "ml.c5", "ml.r5"),  # Pulumi.yaml's default
            data_buckets=("elsewhere",),
            secrets=("secret",),
        ),
        bucket="bucket",
        repository_arn=PLACE.arn("ecr", "repository/images"),
        jobs_role_arn=PLACE.role(f"{path}/jobs"),
        scheduler_role_arn=PLACE.role(f"{path}/scheduler"),
        key_arn=PLACE.arn("kms", "key/key") if private else None,
        mlflow_arn=PLACE.arn("sagemaker", "mlflow-app/app"),
        own_mlflow=True,
        subnets=("subnet-1",) if private else (),
        security_groups=("sg-1",) if private else (),
    )


def roles(one):
    return {
        "submitter": zone.of_submitter(one),
        "jobs": zone.of_jobs(one),
        "scheduler": zone.of_scheduler(one),
    }


ZONES = {"dev": scope(private=False), "prod": scope(private=True)}
ROLES = {name: roles(one) for name, one in ZONES.items()}
POLICIES = {
    name: {who: [Policy(who, policy(statements))] for who, statements in of.items()}
    for name, of in ROLES.items()
}
BOUNDS = {
    name: [
        Policy(
            "boundary",
            policy(
                zone.boundary(
                    PLACE, [*of.values(), zone.of_ci(ZONES[name]), zone.of_mlflow(ZONES[name])]
                )
            ),
        )
    ]
    for name, of in ROLES.items()
}

_LINEAGE = "SageMaker shows runs in its own pages by it; the emulator keeps no lineage"
_MANAGED = "a managed MLflow: the suites track to a server of MLflow's own"
_BROKEN_OFF = "ends an upload that breaks off; none does in the suites"
_REGION = "clients of S3 ask where a bucket is; AWS's guide names it"
LINEAGE = (
    "AddAssociation", "AssociateTrialComponent", "CreateAction", "CreateArtifact",
    "CreateContext", "CreateExperiment", "CreateTrial", "CreateTrialComponent",
    "UpdateTrialComponent",
)  # fmt: skip
NEVER_CALLED = {
    "submitter": {
        "s3:AbortMultipartUpload": _BROKEN_OFF,
        "sagemaker:DeleteTags": "a tag that the profile no longer has; the suites' drop none",
        "s3:GetObjectVersion": "data that was replaced after it was pinned; test_store.py does it",
    },
    "jobs": {
        **{f"sagemaker:{action}": _LINEAGE for action in LINEAGE},
        "kms:Encrypt": "AWS's guide to SageMaker's roles names it for what jobs write",
        "s3:AbortMultipartUpload": _BROKEN_OFF,
        "s3:GetBucketLocation": "AWS's guide to SageMaker's roles names it",
        "sagemaker:StopTrainingJob": "as StopProcessingJob, which is called: a run is stopped",
    },
    "scheduler": {},
}
"""Actions that a role may do and never does -> why it may."""
NEVER_TOUCHED = {
    "submitter": {
        "s3:::bucket/mlflow/*": _MANAGED,
        "secretsmanager:HERE:secret:prefix/*": "the suites' secrets are named by the setting",
    },
    "jobs": {
        "s3:::bucket/mlflow/*": _MANAGED,
        "secretsmanager:HERE:secret:prefix/*": "the suites' secrets are named by the setting",
        "ecr:us-east-1:683313688378:repository/sagemaker-scikit-learn":
            "AWS's image, for who has none; the suites bring theirs",
        "s3:::elsewhere": "large data is read where it is; the suites' is small, and copied",
        "s3:::elsewhere/*": "large data is read where it is; the suites' is small, and copied",
    },
    "scheduler": {},
}  # fmt: skip
"""What actions that are called may reach and never do, without what all ARNs begin with -> why."""
MLFLOW = {*zone.MLFLOW, "sagemaker:CallMlflowAppApi"}


def zones_of(call):
    """Return the zones in which a call is made: some are of a private one, others of any."""
    private = call["action"].startswith(NETWORK) or "sagemaker:VpcSubnets" in call["context"]
    if private:
        return ["prod"]
    return ["dev"] if call["action"] in JOBS else ["dev", "prod"]


def decide(call, name):
    context = call["context"] | {"aws:RequestedRegion": REGION}
    return allowed(
        POLICIES[name][call["principal"]], call["action"], call["resource"], context, BOUNDS[name]
    )


def title(call):
    return f"{call['principal']} {call['action']} on {call['resource']} {call['context'] or ''}"


def test_every_recorded_call_is_allowed():
    refused = [
        f"{name}: {title(call)}"
        for call in RECORD
        for name in zones_of(call)
        if not decide(call, name)
    ]
    assert refused == []


def short(arn):
    return arn.removeprefix("arn:aws:").replace(f"{REGION}:{ACCOUNT}", "HERE")


def calls_of(who):
    return [call for call in RECORD if call["principal"] == who]


def never(who):
    """Return the actions that a role never does, and what those that it does never reach."""
    called = {call["action"] for call in calls_of(who)}
    statements = ROLES["prod"][who]
    actions = {action for one in statements for action in one.actions} - called - MLFLOW
    resources = {
        short(arn)
        for one in statements
        if called.intersection(one.actions)
        for arn in one.resources
        if not any(
            call["action"] in one.actions and matches(arn, call["resource"])
            for call in calls_of(who)
        )
    }
    return actions, resources


@pytest.mark.parametrize("who", ROLES["prod"])
def test_what_is_allowed_and_never_called_is_reviewed(who):
    actions, resources = never(who)
    assert sorted(actions) == sorted(NEVER_CALLED[who])
    assert sorted(resources) == sorted(NEVER_TOUCHED[who])


PLANTED = {
    "an action that no role has": ("submitter", "sagemaker:DeletePipeline", "pipeline/prefix-*"),
    "another's pipeline": ("submitter", "sagemaker:StartPipelineExecution", "pipeline/others-*"),
    "what another principal may": (
        "scheduler",
        "sagemaker:StopPipelineExecution",
        "pipeline/prefix-a",
    ),
    "a job that no pipeline has started": (
        "jobs",
        "sagemaker:StopTrainingJob",
        "training-job/mine",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_call_that_no_role_is_for_is_refused(name):
    who, action, rest = PLANTED[name]
    resource = PLACE.arn("sagemaker", rest)
    call = {"principal": who, "action": action, "resource": resource, "context": {}}
    assert not any(decide(call, one) for one in ZONES)


@pytest.mark.parametrize(
    ("action", "key", "value"),
    [
        ("iam:PassRole", "iam:PassedToService", "ec2.amazonaws.com"),
        ("s3:ListBucket", "s3:prefix", "others/"),
        ("sagemaker:CreateProcessingJob", "sagemaker:InstanceTypes", ["ml.p5.48xlarge"]),
        ("sagemaker:CreateProcessingJob", "sagemaker:VpcSubnets", ["subnet-2"]),
        ("sagemaker:CreateProcessingJob", "sagemaker:OutputKmsKey", PLACE.arn("kms", "key/other")),
        ("kms:CreateGrant", "kms:GrantIsForAWSResource", "false"),
        ("cloudwatch:PutMetricData", "cloudwatch:namespace", "mine"),
    ],
)
def test_a_recorded_call_on_other_conditions_is_refused(action, key, value):
    call = next(
        one
        for one in calls_of("jobs")
        if one["action"] == action
        and key in one["context"]
        and decide(one, "prod")
        and one["resource"] != "arn:aws:s3:::elsewhere"
    )
    assert not decide(call | {"context": call["context"] | {key: value}}, "prod")


def figures():
    """Return the rows of the README's table of what was measured."""
    rows = []
    for who, statements in ROLES["prod"].items():
        calls, (actions, resources) = calls_of(who), never(who)
        may = {action for one in statements for action in one.actions} - MLFLOW
        row = (
            len(calls),
            len({call["action"] for call in calls}),
            len({call["resource"] for call in calls}),
            len(may),
            len(actions),
            len(resources),
        )
        rows.append(f"| {who} | " + " | ".join(map(str, row)) + " |")
    return rows


def test_the_readme_has_the_figures():
    text = README.read_text()
    assert [row for row in figures() if row not in text] == []
