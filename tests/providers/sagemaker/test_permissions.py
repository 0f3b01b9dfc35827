"""The permissions that a document needs, as data."""

import msgspec
from waterflow_sagemaker.permissions import needed

from tests.providers.sagemaker.builds import ROLE, compiled, function, local_data, pipeline
from waterflow import spec
from waterflow.data import Pinned

OTHER = "arn:aws:iam::123456789012:role/other"


def plain():
    return pipeline(function("load"), function("fit", {"x": "load"}))


def of(permissions, action, who=ROLE):
    """Return the resources on which someone may do something."""
    return {
        resource
        for one in permissions
        if action in one.actions and one.who == who
        for resource in one.resources
    }


def test_a_plain_pipeline(snapshot):
    assert needed(compiled(plain())) == snapshot


def test_the_rest_of_the_settings():
    graph = pipeline(
        function(
            "load",
            {"raw": spec.Input("data", spec.FromData("s3://elsewhere/raw.csv"))},
            environment=spec.Environment(secrets={"TOKEN": "api/token"}),
        ),
        function("fit", {"x": "load"}, resources=spec.Resources(spot=True)),
    )
    document = compiled(
        graph,
        {
            "kms_key": "alias/ours",
            "subnets": ["subnet-1"],
            "security_groups": ["sg-1"],
            "steps": {"fit": {"role": OTHER}},
        },
        build_options={"data": [Pinned("s3://elsewhere/raw.csv")]},
    )
    allowed = needed(document)
    assert of(allowed, "kms:GenerateDataKey") == {"arn:aws:kms:*:123456789012:key/*"}
    assert of(allowed, "kms:Decrypt", "submitter") == {"arn:aws:kms:*:123456789012:key/*"}
    assert of(allowed, "ec2:CreateNetworkInterface", OTHER) == {"*"}
    secret = "arn:aws:secretsmanager:*:123456789012:secret:api/token-*"
    assert of(allowed, "secretsmanager:GetSecretValue") == {secret}
    assert of(allowed, "secretsmanager:GetSecretValue", OTHER) == set()
    assert of(allowed, "iam:PassRole") == {ROLE, OTHER}
    assert of(allowed, "iam:PassRole", "submitter") == {ROLE}
    assert of(allowed, "sagemaker:CreateTrainingJob") >= {
        "arn:aws:sagemaker:*:123456789012:training-job/*"
    }
    assert "arn:aws:s3:::elsewhere/raw.csv*" in of(allowed, "s3:GetObject")
    assert "arn:aws:s3:::my-bucket/waterflow/*" in of(allowed, "s3:PutObject", OTHER)
    assert of(allowed, "ecr:BatchGetImage") == {
        "arn:aws:ecr:eu-central-1:492215442770:repository/sagemaker-scikit-learn"
    }


def test_a_schedule():
    scheduler = "arn:aws:iam::123456789012:role/scheduler"
    graph = msgspec.structs.replace(plain(), schedule="0 3 * * 1")
    allowed = needed(compiled(graph, {"scheduler_role": scheduler, "prefix": "team"}))
    this = {"arn:aws:sagemaker:*:123456789012:pipeline/team-a-pipeline"}
    assert of(allowed, "sagemaker:StartPipelineExecution", scheduler) == this
    assert of(allowed, "iam:PassRole", "submitter") == {ROLE, scheduler}
    assert of(allowed, "scheduler:CreateSchedule", "submitter") == {
        "arn:aws:scheduler:*:123456789012:schedule/waterflow-team/*",
        "arn:aws:scheduler:*:123456789012:schedule-group/waterflow-team",
    }
    without = {action for one in needed(compiled(plain())) for action in one.actions}
    assert not {action for action in without if action.startswith("scheduler:")}


def test_nothing_that_is_not_needed():
    allowed = needed(compiled(plain(), build_options={"data": [local_data("raw.csv")]}))
    actions = {action for one in allowed for action in one.actions}
    assert not {a for a in actions if a.startswith(("kms:", "ec2:", "secretsmanager:"))}
    assert "sagemaker:CreateTrainingJob" not in actions
