"""What the tables say of AWS's types, held against the SDK that is installed."""

import pytest
from standin.clouds.aws import FACTS
from standin.provider import Facts
from standin.schema import Schemas, failures


@pytest.mark.parametrize("token", FACTS)
def test_what_a_table_names_is_there(schemas: Schemas, token: str) -> None:
    schema, facts = schemas(token), FACTS[token]
    assert {name for name in facts.replaces if name != "namePrefix"} <= set(schema["inputs"])
    assert set(facts.computed) <= set(schema["outputs"])
    assert facts.name in {"", *schema["inputs"]}
    assert bool(facts.name) or "name" not in schema["inputs"]
    assert not facts.arn or "arn" in schema["outputs"]


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
