"""Every rule of the policy pack, on each cloud's types: what breaks it, and what passes."""

import json
from collections.abc import Callable

import pytest
from standin import PolicyPack, Resource, State
from standin.schema import Schemas, failures
from standin.values import UNKNOWN, Secret
from suites.policy_cases import CASES, TAGS, Props

NAMES = [f"{rule}-{token.split(':')[0]}-{token.rsplit(':', 1)[1]}" for rule, token, _, _ in CASES]


def broken(pack: PolicyPack, token: str, props: Props) -> set[str]:
    """The rules that a resource breaks."""
    resource = Resource(f"urn:pulumi:dev::sample::{token}::one", token, "one", True, inputs=props)
    return {
        one.message.partition(":")[0]
        for one in pack.resource(resource, State())
        if one.severity == "error"
    }


@pytest.mark.parametrize(("rule", "token", "breaks", "passes"), CASES, ids=NAMES)
def test_a_rule_tells_right_from_wrong(
    policies: PolicyPack, rule: str, token: str, breaks: Props, passes: Props
) -> None:
    assert rule in broken(policies, token, breaks)
    assert rule not in broken(policies, token, passes)


def test_every_rule_has_a_case_of_every_cloud_that_it_is_for(policies: PolicyPack) -> None:
    together = {"bucket-companions", "lifecycle-missing"}
    assert {rule for rule, *_ in CASES} | together == set(policies.names)
    clouds = {"aws", "azure-native", "gcp"}
    for rule in {rule for rule, *_ in CASES}:
        assert {token.split(":")[0] for each, token, *_ in CASES if each == rule} == clouds, rule


@pytest.mark.parametrize(
    ("token", "props"),
    [(token, {**breaks, **passes}) for _, token, breaks, passes in CASES],
)
def test_the_rules_look_at_properties_that_the_clouds_have(
    of_cloud: Callable[[str], Schemas], token: str, props: Props
) -> None:
    reasons = [reason for _, reason in failures(of_cloud(token)(token), props)]
    assert not [reason for reason in reasons if reason != "this property is required"]


def test_what_is_not_known_yet_breaks_no_rule_and_a_secret_is_looked_into(
    policies: PolicyPack,
) -> None:
    assert (
        broken(policies, "aws:iam/role:Role", {"assumeRolePolicy": UNKNOWN, "tags": TAGS}) == set()
    )
    assert (
        broken(policies, "aws:kms/key:Key", {"enableKeyRotation": UNKNOWN, "tags": UNKNOWN})
        == set()
    )
    environment = {"environment": {"variables": {"DB_PASSWORD": Secret("hunter2")}}}
    assert "secret-plaintext" in broken(policies, "aws:lambda/function:Function", environment)


TLS = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    }
)
BESIDE = {
    "bucketPublicAccessBlock:BucketPublicAccessBlock": {},
    "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {},
    "bucketLifecycleConfiguration:BucketLifecycleConfiguration": {},
    "bucketPolicy:BucketPolicy": {"policy": TLS},
}


def stack_of(*resources: tuple[str, Props, list[str]]) -> State:
    """A state of resources: type, outputs, and the URNs that `bucket` comes from."""
    state = State()
    for token, outputs, urns in resources:
        urn = f"urn:pulumi:dev::sample::{token}::{len(state)}"
        related = {"bucket": urns, "repository": urns, "accountName": urns}
        state.resources[urn] = Resource(
            urn, token, str(len(state)), True, outputs=outputs, property_dependencies=related
        )
    return state


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (None, None),
        ("bucketPublicAccessBlock:BucketPublicAccessBlock", "no BucketPublicAccessBlock"),
        (
            "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "no BucketServerSideEncryptionConfiguration",
        ),
        ("bucketPolicy:BucketPolicy", "no BucketPolicy that denies"),
        (
            "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "no BucketLifecycleConfiguration",
        ),
    ],
)
@pytest.mark.parametrize("name", ["data", UNKNOWN], ids=["made", "foreseen"])
def test_a_bucket_needs_what_stands_beside_it(
    policies: PolicyPack, missing: str | None, words: str | None, name: object
) -> None:
    bucket = "urn:pulumi:dev::sample::aws:s3/bucket:Bucket::0"
    others = [
        (f"aws:s3/{token}", {"bucket": name, **outputs}, [bucket] if name is UNKNOWN else [])
        for token, outputs in BESIDE.items()
        if token != missing
    ]
    violations = policies.stack(stack_of(("aws:s3/bucket:Bucket", {"bucket": name}, []), *others))
    assert [words in one.message for one in violations if words] == [True] * bool(words)
    assert bool(violations) is bool(missing)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("BlobServiceProperties", "no BlobServiceProperties"),
        ("ManagementPolicy", "no ManagementPolicy"),
    ],
)
@pytest.mark.parametrize("name", ["data", UNKNOWN], ids=["made", "foreseen"])
def test_an_account_needs_what_stands_beside_it(
    policies: PolicyPack, kind: str, words: str, name: object
) -> None:
    account = "urn:pulumi:dev::sample::azure-native:storage:StorageAccount::0"
    related = [account] if name is UNKNOWN else []
    beside = {
        one: (f"azure-native:storage:{one}", {"accountName": name}, related)
        for one in ("BlobServiceProperties", "ManagementPolicy")
    }
    whole = ("azure-native:storage:StorageAccount", {"accountName": name}, [])
    assert not policies.stack(stack_of(whole, *beside.values()))
    del beside[kind]
    (violation,) = policies.stack(stack_of(whole, *beside.values()))
    assert words in violation.message


def test_a_key_of_a_service_account_is_never_well(policies: PolicyPack) -> None:
    key = {"serviceAccountId": "ci"}
    assert "standing-key" in broken(policies, "gcp:serviceaccount/key:Key", key)


def test_another_buckets_companions_do_not_count(policies: PolicyPack) -> None:
    others = [
        (f"aws:s3/{token}", {"bucket": "b", **outputs}, []) for token, outputs in BESIDE.items()
    ]
    buckets = [("aws:s3/bucket:Bucket", {"bucket": name}, []) for name in ("a", "b")]
    violations = policies.stack(stack_of(*buckets, *others))
    assert len(violations) == 4
    assert {one.urn for one in violations} == {"urn:pulumi:dev::sample::aws:s3/bucket:Bucket::0"}


def test_a_repository_needs_rules_of_expiry(policies: PolicyPack) -> None:
    repository = ("aws:ecr/repository:Repository", {"name": "images"}, [])
    rules = ("aws:ecr/lifecyclePolicy:LifecyclePolicy", {"repository": "images"}, [])
    assert "no LifecyclePolicy" in policies.stack(stack_of(repository))[0].message
    assert not policies.stack(stack_of(repository, rules))


def test_the_required_tags_are_the_packs_config(policies: PolicyPack) -> None:
    with PolicyPack(policies.folder, {"tags-missing": {"required": ["owner"]}}) as pack:
        assert "tags-missing" in broken(pack, "aws:kms/key:Key", {"tags": TAGS})
        assert "tags-missing" not in broken(pack, "aws:kms/key:Key", {"tags": {"Owner": "ml"}})
