"""The landing zone on AWS, from the stack's own files: made, watched, changed, destroyed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from suites.zones import ZoneSuite, kinds

if TYPE_CHECKING:
    from standin import Stack
    from standin.result import Result


def policies(result: Result, kind: str) -> dict[str, list[dict[str, Any]]]:
    """Return policies' statements by the logical name of what has them."""
    return {one.name: json.loads(one.inputs["policy"])["Statement"] for one in result.of(kind)}


class TestAws(ZoneSuite):
    CLOUD = "aws"
    LEAST = 100
    PROTECTED = {"Bucket", "Key", "Repository", "MlflowApp", "ModelPackageGroup"}
    DRIFT = ("BucketPublicAccessBlock", "-data", {"blockPublicAcls": False})
    BEARING = {
        "Bucket", "Key", "Role", "Policy", "Repository", "LogGroup", "Topic", "Vpc", "Subnet",
        "VpcEndpoint", "SecurityGroup", "MlflowApp", "ModelPackageGroup", "ScheduleGroup",
        "StateMachine", "Trail", "EventRule", "MetricAlarm", "Budget", "OpenIdConnectProvider",
    }  # fmt: skip

    def test_no_protected_bucket_is_emptied(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        assert not [one for one in made.of("Bucket") if one.inputs.get("forceDestroy")]

    @pytest.mark.parametrize(
        ("config", "updated", "created"),
        [
            ({"retention_days": 60}, ["BucketLifecycleConfiguration"], 0),
            ({"machine_families": ["ml.t3", "ml.m5", "ml.c5", "ml.g5"]}, ["RolePolicy"], 0),
            ({"private_network": True}, ["Policy", "RolePolicy"], 24),
        ],
        ids=["retention", "gpu", "private"],
    )
    def test_a_change_changes_what_it_says(
        self, dev: tuple[Stack, Result], config: dict[str, Any], updated: list[str], created: int
    ) -> None:
        stack, _ = dev
        foreseen = stack.preview(config).require()
        assert kinds(foreseen, "update") == updated
        assert len(kinds(foreseen, "create")) == created
        assert set(foreseen.counts) <= {"same", "update", "create"}
        if "machine_families" in config:
            assert "ml.g5.xlarge" in foreseen.outputs["profile"]["settings"]["machines"]

    def test_every_role_is_bounded_and_trusts_on_conditions(
        self,
        prod: tuple[Stack, Result, Result],
    ) -> None:
        _, _, made = prod
        (bound,) = made.of("aws:iam/policy:Policy")
        roles = made.of("aws:iam/role:Role")
        assert len(roles) == 8
        for role in roles:
            assert role.inputs["permissionsBoundary"] == bound.outputs["arn"]
            (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
            assert trust["Condition"], role.urn
        assert len(bound.inputs["policy"]) <= 6144

    def test_nothing_may_come_from_or_go_to_the_internet(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        tokens = {one.type.rpartition(":")[2] for one in made.resources}
        assert not tokens & {"InternetGateway", "NatGateway", "Route", "Eip"}
        rules = [*made.of("SecurityGroupIngressRule"), *made.of("SecurityGroupEgressRule")]
        assert rules
        assert not [one.urn for one in rules if {"cidrIpv4", "cidrIpv6"} & one.inputs.keys()]
        services = {one.inputs["serviceName"] for one in made.of("VpcEndpoint")}
        assert services == {
            "com.amazonaws.eu-central-1.s3",
            "com.amazonaws.eu-central-1.logs",
            "com.amazonaws.eu-central-1.secretsmanager",
            "com.amazonaws.eu-central-1.sts",
            "com.amazonaws.eu-central-1.sagemaker.api",
            "aws.sagemaker.eu-central-1.experiments",
        }

    def test_data_is_encrypted_by_the_zone_s_key_and_no_other(
        self,
        prod: tuple[Stack, Result, Result],
    ) -> None:
        _, _, made = prod
        settings = made.outputs["profile"]["settings"]
        key = settings["kms_key"]
        statements = policies(made, "BucketPolicy")["waterflow-prod-data"]
        assert [one["Sid"] for one in statements] == ["TlsOnly", "NewTlsOnly", "OwnKeyOnly"]
        assert all(one["Effect"] == "Deny" for one in statements)
        groups = made.of("LogGroup")
        assert groups
        assert all(one.inputs["kmsKeyId"] == key for one in groups)
        assert all(one.inputs["retentionInDays"] == 365 for one in groups)
        repository = made.of("Repository")[0].inputs["encryptionConfigurations"]
        assert repository == [{"encryptionType": "KMS", "kmsKey": key}]
        assert all(one.inputs["enableKeyRotation"] for one in made.of("aws:kms/key:Key"))
        named = {one.name: one for one in made.of("aws:kms/key:Key")}
        logs = next(
            one
            for one in json.loads(named["waterflow-prod"].inputs["policy"])["Statement"]
            if one["Sid"] == "Logs"
        )
        arns = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
        assert sorted(arn.split(":", 6)[6] for arn in arns) == sorted(
            one.inputs["name"] for one in groups
        )

    def test_only_the_repository_s_production_workflows_submit(
        self,
        prod: tuple[Stack, Result, Result],
    ) -> None:
        _, _, made = prod
        role = next(one for one in made.of("aws:iam/role:Role") if one.urn.endswith("submitter-ci"))
        (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust["Condition"] == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": [
                    "repo:example/shop:environment:production"
                ],
            }
        }
