"""IAM in the emulator: what policies allow, what its simulator says, and whose identity is what."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError
from waterflow_sagemaker.emulator.policies import Effect, Policy, PolicyError, allowed

ACCOUNT = "123456789012"
BUCKET = "arn:aws:s3:::data"
OBJECT = "arn:aws:s3:::data/a/b.csv"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"
FULL = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return allow(action, resource, **more) | {"Effect": "Deny"}


def policy(*statements, version="2012-10-17", name="p"):
    return Policy(name, {"Version": version, "Statement": list(statements)})


def when(operator, key, value):
    return allow("s3:GetObject", Condition={operator: {key: value}})


YES, NO, NEVER = Effect.ALLOWED, Effect.IMPLICIT_DENY, Effect.EXPLICIT_DENY

REQUESTS = {
    "nothing allows": ([], "s3:GetObject", OBJECT, {}, NO),
    "the very action": ([allow("s3:GetObject", OBJECT)], "s3:GetObject", OBJECT, {}, YES),
    "another action": ([allow("s3:PutObject", OBJECT)], "s3:GetObject", OBJECT, {}, NO),
    "actions have no case": ([allow("S3:getobject", OBJECT)], "s3:GetObject", OBJECT, {}, YES),
    "an action's wildcard": ([allow("s3:Get*")], "s3:GetObject", OBJECT, {}, YES),
    "one sign": ([allow("s3:?etObject")], "s3:GetObject", OBJECT, {}, YES),
    "all actions": ([allow("*")], "s3:GetObject", OBJECT, {}, YES),
    "a wildcard of another service": ([allow("s3:*")], "s3express:GetObject", OBJECT, {}, NO),
    "a list of actions": ([allow(["s3:Put*", "s3:Get*"])], "s3:GetObject", OBJECT, {}, YES),
    "NotAction": (
        [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
        "s3:GetObject", OBJECT, {}, YES,
    ),
    "what NotAction names": (
        [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
        "iam:PassRole", ROLE, {}, NO,
    ),
    "a resource's wildcard": (
        [allow("s3:*", f"{BUCKET}/a/*")], "s3:GetObject", OBJECT, {}, YES
    ),
    "a bucket is not its objects": ([allow("s3:*", BUCKET)], "s3:GetObject", OBJECT, {}, NO),
    "resources have a case": (
        [allow("s3:*", "arn:aws:s3:::DATA/*")], "s3:GetObject", OBJECT, {}, NO
    ),
    "a wildcard goes over colons": (
        [allow("s3:*", "arn:aws:s3*")], "s3:GetObject", OBJECT, {}, YES
    ),
    "all is asked, some is allowed": (
        [allow("s3:*", f"{BUCKET}/*")], "s3:GetObject", "*", {}, NO
    ),
    "NotResource": (
        [{"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}/*"}],
        "s3:GetObject", OBJECT, {}, NO,
    ),
    "neither action nor not": (
        [{"Effect": "Allow", "Resource": "*"}], "s3:GetObject", OBJECT, {}, NO
    ),
    "a deny wins": ([allow("*"), deny("s3:GetObject", OBJECT)], "s3:GetObject", OBJECT, {}, NEVER),
    "a deny of others": (
        [allow("*"), deny("s3:GetObject", f"{BUCKET}/c/*")], "s3:GetObject", OBJECT, {}, YES
    ),
    "one statement without a list": (
        Policy("p", {"Version": "2012-10-17", "Statement": allow("*")}),
        "s3:GetObject", OBJECT, {}, YES,
    ),
    "a variable": (
        [allow("s3:*", f"{BUCKET}/${{aws:username}}/*")],
        "s3:GetObject", OBJECT, {"aws:username": "a"}, YES,
    ),
    "a variable that is not there": (
        [allow("s3:*", f"{BUCKET}/${{aws:username}}/*")], "s3:GetObject", OBJECT, {}, NO
    ),
    "a variable's default": (
        [allow("s3:*", f"{BUCKET}/${{aws:username, 'a'}}/*")], "s3:GetObject", OBJECT, {}, YES
    ),
    "a star that is none": (
        [allow("s3:*", f"{BUCKET}/${{*}}")], "s3:GetObject", OBJECT, {}, NO
    ),
    "a star as such": (
        [allow("s3:*", f"{BUCKET}/${{*}}")], "s3:GetObject", f"{BUCKET}/*", {}, YES
    ),
    "no variables in the old version": (
        policy(allow("s3:*", f"{BUCKET}/${{aws:username}}/*"), version="2008-10-17"),
        "s3:GetObject", OBJECT, {"aws:username": "a"}, NO,
    ),
    "passing to SageMaker": (
        [allow("iam:PassRole", Condition={
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}})],
        "iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"}, YES,
    ),
    "passing to another": (
        [allow("iam:PassRole", Condition={
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}})],
        "iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}, NO,
    ),
    "all operators must hold": (
        [allow("s3:*", Condition={"StringEquals": {"a": "1"}, "Bool": {"b": "true"}})],
        "s3:GetObject", OBJECT, {"a": "1", "b": False}, NO,
    ),
    "all keys must hold": (
        [allow("s3:*", Condition={"StringEquals": {"a": "1", "b": "2"}})],
        "s3:GetObject", OBJECT, {"a": "1"}, NO,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS.keys())
def test_what_policies_make_of_a_request(case):
    policies, action, resource, context, effect = case
    policies = [policies] if isinstance(policies, Policy) else [policy(*policies)]
    decision = allowed(policies, action, resource, context)
    assert decision.effect is effect
    assert bool(decision) is (effect is YES)
    assert bool(decision.matches) is (effect is not NO)


CONDITIONS = [
    ("StringEquals", "k", ["x", "y"], {"K": "y"}, True),
    ("StringEquals", "k", "X", {"k": "x"}, False),
    ("StringNotEquals", "k", ["x", "y"], {"k": "z"}, True),
    ("StringNotEquals", "k", ["x", "y"], {"k": "y"}, False),
    ("StringNotEquals", "k", "x", {}, True),
    ("StringEqualsIgnoreCase", "k", "X", {"k": "x"}, True),
    ("StringNotEqualsIgnoreCase", "k", "X", {"k": "x"}, False),
    ("StringLike", "k", "ml.m5.*", {"k": "ml.m5.large"}, True),
    ("StringLike", "k", "ml.?5.large", {"k": "ml.m5.large"}, True),
    ("StringNotLike", "k", "ml.p*", {"k": "ml.m5.large"}, True),
    ("StringEquals", "k", "x", {}, False),
    ("StringEqualsIfExists", "k", "x", {}, True),
    ("StringEqualsIfExists", "k", "x", {"k": "y"}, False),
    ("StringLike", "k", "${aws:username}-*", {"k": "me-1", "aws:username": "me"}, True),
    ("Null", "k", "true", {}, True),
    ("Null", "k", "false", {"k": "x"}, True),
    ("Null", "k", "true", {"k": "x"}, False),
    ("Bool", "aws:SecureTransport", "true", {"aws:securetransport": True}, True),
    ("Bool", "aws:SecureTransport", True, {"aws:SecureTransport": "false"}, False),
    ("NumericEquals", "k", 3, {"k": "3.0"}, True),
    ("NumericNotEquals", "k", 3, {"k": 4}, True),
    ("NumericLessThan", "k", "10", {"k": 9}, True),
    ("NumericLessThanEquals", "k", "10", {"k": 10}, True),
    ("NumericGreaterThan", "k", "10", {"k": 9}, False),
    ("NumericGreaterThanEquals", "k", "10", {"k": 10}, True),
    ("NumericLessThan", "k", "10", {"k": "many"}, False),
    ("DateGreaterThan", "k", "2026-01-01T00:00:00Z", {"k": "2026-02-01T00:00:00Z"}, True),
    ("DateLessThan", "k", "2026-01-01", {"k": 1_700_000_000}, True),
    ("DateEquals", "k", "2026-01-01", {"k": "2026-01-01T01:00:00+01:00"}, True),
    ("IpAddress", "aws:SourceIp", "10.0.0.0/8", {"aws:SourceIp": "10.1.2.3"}, True),
    ("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "::1"], {"aws:SourceIp": "11.1.2.3"}, False),
    ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", {"aws:SourceIp": "11.1.2.3"}, True),
    ("ArnLike", "k", "arn:aws:iam::*:role/jobs*", {"k": ROLE}, True),
    ("ArnEquals", "k", "arn:aws:*:role/jobs", {"k": ROLE}, False),
    ("ArnNotLike", "k", "arn:aws:iam::*:role/x*", {"k": ROLE}, True),
    ("BinaryEquals", "k", "QmluYXJ5", {"k": "QmluYXJ5"}, True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a"], {"aws:TagKeys": ["b", "a"]}, True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a"], {}, False),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], {"aws:TagKeys": ["b", "a"]}, True),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], {"aws:TagKeys": ["b", "a"]}, False),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], {}, True),
    ("ForAnyValue:StringLike", "aws:TagKeys", ["x*"], {"aws:TagKeys": ["y", "x1"]}, True),
]


@pytest.mark.parametrize(("operator", "key", "value", "context", "holds"), CONDITIONS)
def test_when_a_condition_holds(operator, key, value, context, holds):
    decision = allowed([policy(when(operator, key, value))], "s3:GetObject", OBJECT, context)
    assert bool(decision) is holds
    lacks = key.lower() not in {name.lower() for name in context}
    assert (key in decision.missing) is lacks


def test_a_boundary_takes_away_and_gives_nothing():
    boundary = [policy(allow("s3:Get*"), name="boundary")]
    everything = [policy(allow("*"))]
    assert allowed(everything, "s3:GetObject", OBJECT, boundary=boundary)
    decision = allowed(everything, "s3:PutObject", OBJECT, boundary=boundary)
    assert (decision.effect, decision.bounded) == (NO, False)
    assert not allowed([], "s3:GetObject", OBJECT, boundary=boundary)
    denying = [policy(allow("*"), deny("s3:GetObject"), name="boundary")]
    assert allowed(everything, "s3:GetObject", OBJECT, boundary=denying).effect is NEVER


def test_the_statements_that_decide_are_told():
    policies = [
        policy(allow("s3:*", Sid="Objects"), allow("iam:*"), name="one"),
        policy(allow("s3:GetObject"), name="two"),
    ]
    decision = allowed(policies, "s3:GetObject", OBJECT)
    assert [(one.policy, one.number, one.sid) for one in decision.matches] == [
        ("one", 0, "Objects"),
        ("two", 0, ""),
    ]


NO_POLICIES = {
    "no JSON": "no JSON",
    "a list": "[]",
    "a statement that is a text": '{"Statement": ["x"]}',
    "no effect": '{"Statement": [{"Action": "*"}]}',
    "no such operator": json.dumps({"Statement": [when("StringIs", "k", "x")]}),
}


@pytest.mark.parametrize("text", NO_POLICIES.values(), ids=NO_POLICIES.keys())
def test_what_is_no_policy_is_an_error_that_names_it(text):
    with pytest.raises(PolicyError, match="mine"):
        allowed([Policy.read("mine", text)], "s3:GetObject")


# --- the simulator --------------------------------------------------------------------------------


@pytest.fixture
def role(aws):
    """A role with SageMaker's own policy, and one of its own."""
    iam, name = aws("iam"), aws.name("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=FULL)
    own = {
        "Version": "2012-10-17",
        "Statement": [
            allow("s3:PutObject", f"{BUCKET}/*"),
            deny("sagemaker:DeletePipeline"),
            allow("kms:Decrypt", Condition={"StringEquals": {"kms:ViaService": "s3"}}),
        ],
    }
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(own))
    return arn


PASS = [
    {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyValues": ["sagemaker.amazonaws.com"],
        "ContextKeyType": "string",
    }
]
SIMULATED = {
    "AWS's policy": ("sagemaker:CreateTrainingJob", None, (), "allowed", FULL),
    "its own policy": ("s3:PutObject", OBJECT, (), "allowed", "own"),
    "on another bucket": ("s3:PutObject", "arn:aws:s3:::other/x", (), "implicitDeny", None),
    "on all": ("s3:PutObject", None, (), "implicitDeny", None),
    "denied": ("sagemaker:DeletePipeline", None, (), "explicitDeny", "own"),
    "passed to SageMaker": ("iam:PassRole", ROLE, PASS, "allowed", FULL),
    "passed to nobody": ("iam:PassRole", ROLE, (), "implicitDeny", None),
    "nothing of it": ("ec2:RunInstances", None, (), "implicitDeny", None),
}


@pytest.mark.parametrize("case", SIMULATED.values(), ids=SIMULATED.keys())
def test_the_simulator_answers_from_a_role_s_policies(aws, role, case):
    action, resource, context, decision, source = case
    where = {} if resource is None else {"ResourceArns": [resource]}
    [result] = aws("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ContextEntries=list(context), **where
    )["EvaluationResults"]
    assert (result["EvalActionName"], result["EvalDecision"]) == (action, decision)
    sources = [one["SourcePolicyId"] for one in result["MatchedStatements"]]
    assert [one.endswith(source) for one in sources] == [True] if source else sources == []
    specific = [
        (one["EvalResourceName"], one["EvalResourceDecision"])
        for one in result["ResourceSpecificResults"]
    ]
    assert specific == ([] if resource is None else [(resource, decision)])


def test_several_resources_have_a_result_each_and_the_worst_counts(aws, role):
    resources = [OBJECT, "arn:aws:s3:::other/x"]
    pages = (
        aws("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=role,
            ActionNames=["s3:PutObject", "kms:Decrypt"],
            ResourceArns=resources,
            PaginationConfig={"PageSize": 1},
        )
    )
    results = [one for page in pages for one in page["EvaluationResults"]]
    assert [one["EvalDecision"] for one in results] == ["implicitDeny", "implicitDeny"]
    specific = {
        one["EvalResourceName"]: one["EvalResourceDecision"]
        for one in results[0]["ResourceSpecificResults"]
    }
    assert specific == dict(zip(resources, ["allowed", "implicitDeny"], strict=True))
    missing = [one["MissingContextValues"] for one in results[1]["ResourceSpecificResults"]]
    assert missing == [["kms:ViaService"]] * 2


def test_a_permissions_boundary_bounds_the_simulation(aws, role):
    iam, name = aws("iam"), role.rpartition("/")[2]
    document = {"Version": "2012-10-17", "Statement": [allow("s3:*")]}
    limit = iam.create_policy(PolicyName=aws.name("limit"), PolicyDocument=json.dumps(document))
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=limit["Policy"]["Arn"])
    results = iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["sagemaker:CreateTrainingJob", "s3:PutObject"],
        ResourceArns=[OBJECT],
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["implicitDeny", "allowed"]
    bounds = [
        one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for one in results
    ]
    assert bounds == [False, True]


def test_a_new_version_of_a_policy_counts_once_it_is_the_default(aws, role):
    iam, name = aws("iam"), role.rpartition("/")[2]
    documents = [
        json.dumps({"Version": "2012-10-17", "Statement": [allow(action)]})
        for action in ("sns:Publish", "sqs:SendMessage")
    ]
    arn = iam.create_policy(PolicyName=aws.name("p"), PolicyDocument=documents[0])["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)

    def decisions():
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=["sns:Publish", "sqs:SendMessage"]
        )
        return [one["EvalDecision"] for one in answer["EvaluationResults"]]

    assert decisions() == ["allowed", "implicitDeny"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=documents[1], SetAsDefault=True)
    assert decisions() == ["implicitDeny", "allowed"]
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    assert decisions() == ["implicitDeny", "implicitDeny"]


def test_policies_of_the_request_are_simulated_too(aws, role):
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("sns:*")]})
    [one] = aws("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["sns:Publish"], PolicyInputList=[document]
    )["EvaluationResults"]
    assert one["EvalDecision"] == "allowed"
    results = aws("iam").simulate_custom_policy(
        PolicyInputList=[document], ActionNames=["sns:Publish", "s3:GetObject"]
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["allowed", "implicitDeny"]


REFUSED = {
    "no such role": ({"PolicySourceArn": f"{ROLE}-absent"}, "NoSuchEntity"),
    "a group": ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:group/all"}, "InvalidInput"),
    "no identity": ({"PolicySourceArn": "arn:aws:s3:::a-long-enough-bucket"}, "InvalidInput"),
    "no action": ({"ActionNames": ["PutObject"]}, "InvalidInput"),
    "no policy": ({"PolicyInputList": ["{"]}, "InvalidInput"),
    "a resource's policy": ({"ResourcePolicy": "{}"}, "InvalidInput"),
}


@pytest.mark.parametrize(("change", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_simulated_is_refused(aws, role, change, code):
    request = {"PolicySourceArn": role, "ActionNames": ["s3:PutObject"], **change}
    with pytest.raises(ClientError) as caught:
        aws("iam").simulate_principal_policy(**request)
    assert caught.value.response["Error"]["Code"] == code


# --- policies of AWS's own ------------------------------------------------------------------------


def test_policies_of_aws_are_there_and_can_be_attached(aws, role):
    iam, name = aws("iam"), role.rpartition("/")[2]
    described = iam.get_policy(PolicyArn=FULL)["Policy"]
    assert (described["Arn"], described["PolicyName"]) == (FULL, "AmazonSageMakerFullAccess")
    version = iam.get_policy_version(PolicyArn=FULL, VersionId=described["DefaultVersionId"])
    document = version["PolicyVersion"]["Document"]
    assert ["iam:PassRole"] in [one["Action"] for one in document["Statement"]]
    listed = iam.get_paginator("list_policies").paginate(Scope="AWS")
    assert FULL in {one["Arn"] for page in listed for one in page["Policies"]}
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": FULL}]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.attach_role_policy(RoleName=name, PolicyArn=f"{FULL}-absent")
    iam.detach_role_policy(RoleName=name, PolicyArn=FULL)
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


# --- whose identity -------------------------------------------------------------------------------


def test_whoever_uses_the_emulator_has_a_role(aws, emulator):
    identity = aws("sts").get_caller_identity()
    name = "AmazonSageMaker-ExecutionRole"
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/SageMaker"
    assert identity["Account"] == ACCOUNT
    role = aws("iam").get_role(RoleName=name)["Role"]
    assert identity["UserId"] == f"{role['RoleId']}:SageMaker"
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service-role/{name}"


def test_a_role_that_is_assumed_is_the_identity_from_then_on(aws, role, emulator):
    session = aws("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    identity = boto3.client(
        "sts",
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    ).get_caller_identity()["Arn"]
    assert identity == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/me"


IDENTITY = """
import os
import boto3
region = os.environ["AWS_REGION"]
for more in ({}, {"endpoint_url": f"https://sts.{region}.amazonaws.com"}):  # as AWS's SDK does
    print(boto3.client("sts", region_name=region, **more).get_caller_identity()["Arn"])
"""


def test_a_job_is_its_role(aws, role):
    name = aws.processing(IDENTITY, RoleArn=role)
    assert aws.wait(name)["ProcessingJobStatus"] == "Completed", aws.lines(name)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/SageMaker"
    assert aws.lines(name) == [arn, arn]
