"""What the tables say of the clouds' types, held against the SDKs that are installed."""

from collections.abc import Callable

import pytest
from standin.clouds import aws, azure_native, gcp
from standin.provider import Facts, Provider
from standin.schema import Schemas, failures
from standin.values import UNKNOWN

FACTS = aws.FACTS
ALL = {**aws.FACTS, **azure_native.FACTS, **gcp.FACTS}


@pytest.mark.parametrize("token", ALL)
def test_what_a_table_names_is_there(of_cloud: Callable[[str], Schemas], token: str) -> None:
    schema, facts = of_cloud(token)(token), ALL[token]
    causes = {name.partition(".")[0] for name in facts.replaces if name != "namePrefix"}
    assert causes <= set(schema["inputs"])
    assert {path.partition(".")[0] for path in facts.values} <= set(schema["inputs"])
    assert set(facts.computed) <= set(schema["outputs"])
    assert facts.name in {"", *schema["inputs"]}
    assert bool(facts.name) or "name" not in schema["inputs"]
    assert not facts.arn or "arn" in schema["outputs"]


def test_names_are_as_the_cloud_forms_them() -> None:
    facts = azure_native.FACTS["azure-native:storage:StorageAccount"]
    assert (facts.joint, facts.length) == ("", 24)
    assert Facts().joint == "-"


def test_a_value_that_the_sdk_does_not_list_is_taken_where_the_vendor_takes_it(
    of_cloud: Callable[[str], Schemas],
) -> None:
    token = "azure-native:monitor:ScheduledQueryRule"
    provider = Provider("azure-native", of_cloud(token))
    for operator, wrong in (("GreaterThan", 0), ("gt", 0), ("Above", 1)):
        criteria = {"allOf": [{"operator": operator}]}
        inputs = {"resourceGroupName": "dev", "criteria": criteria}
        _, reasons = provider.check(f"urn:pulumi:dev::sample::{token}::r", token, inputs, None)
        assert len(reasons) == wrong, operator


def test_an_identity_goes_in_as_a_list_and_comes_out_as_who_they_are(
    of_cloud: Callable[[str], Schemas],
) -> None:
    token = "azure-native:machinelearningservices:Workspace"
    provider, urn = Provider("azure-native", of_cloud(token)), f"urn:pulumi:dev::x::{token}::w"
    own = "/subscriptions/1/resourceGroups/dev/providers/Microsoft.ManagedIdentity/a/jobs"
    inputs = {
        "resourceGroupName": "dev",
        "workspaceName": "w",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [own]},
    }
    identifier, outputs = provider.create(urn, token, inputs, {}, preview=False)
    assert outputs["identity"]["userAssignedIdentities"] == {
        own: {"clientId": "jobs", "principalId": "jobs"}
    }
    assert provider.read(token, identifier) == (inputs, outputs)
    unknown = {**inputs, "identity": {"type": "UserAssigned", "userAssignedIdentities": [UNKNOWN]}}
    assert provider.create(urn, token, unknown, {}, preview=True)[1]["identity"] is UNKNOWN


def test_types_that_no_table_has_are_known_from_the_sdk_alone(schemas: Schemas) -> None:
    assert schemas("aws:lambda/function:Function")["inputs"]["role"]["required"]
    assert FACTS.get("aws:lambda/function:Function", Facts()).name == "name"


RULE = {"id": "runs", "status": "Enabled", "expiration": {"days": 30}}
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


@pytest.mark.parametrize(
    ("token", "inputs", "wrong"),
    [
        (LIFECYCLE, {"bucket": "data", "rules": [RULE]}, []),
        (LIFECYCLE, {"rules": [RULE]}, [("bucket", "this property is required")]),
        (
            LIFECYCLE,
            {"bucket": "data", "rules": [{**RULE, "expiration": {"days": 1.5}}]},
            [
                (
                    "rules[0].expiration.days",
                    "expected a value of type integer, not number 1.5",
                )
            ],
        ),
        (
            LIFECYCLE,
            {"bucket": "data", "rules": [{**RULE, "status": "enabled"}]},
            [("rules[0].status", "'enabled' is none of the documented values: Enabled, Disabled")],
        ),
        (
            LIFECYCLE,
            {"bucket": "data", "rules": {"a": RULE}},
            [("rules", "expected a list, not a mapping")],
        ),
        (
            "aws:s3/bucket:Bucket",
            {"tags": {"a": 1}},
            [("tags.a", "expected a value of type string, not integer 1")],
        ),
        (
            "aws:s3/bucket:Bucket",
            {"force_destroy": True},
            [
                (
                    "force_destroy",
                    (
                        "there is no such property; on the wire it is forceDestroy: use the class "
                        "of arguments, or camel case"
                    ),
                )
            ],
        ),
        (
            "aws:sns/topicSubscription:TopicSubscription",
            {"topic": "t", "protocol": "email", "endpoint": "e"},
            [],
        ),
        (
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {"role": "jobs", "policyArn": "arn:aws:iam::123456789012:policy/own"},
            [],
        ),
    ],
)
def test_inputs_are_checked_at_every_depth(
    schemas: Schemas, token: str, inputs: dict[str, object], wrong: list[tuple[str, str]]
) -> None:
    assert failures(schemas(token), inputs) == wrong
