"""The landing zone on Google Cloud, from the stack's own files: made, watched, destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from suites.zones import ZoneSuite, kinds

if TYPE_CHECKING:
    from standin import Stack
    from standin.result import Result

BUCKET = "gcp:storage/bucket:Bucket"
SERVICE = "gcp:cloudrunv2/service:Service"
MEMBERS = ("IAMMember", "IamMember")


def grants(result: Result) -> list[tuple[str, str]]:
    """Return who has which role: the member and the role's last word."""
    return [
        (one.inputs["member"], one.inputs["role"].rpartition("/")[2])
        for one in result.resources
        if one.type.endswith(MEMBERS)
    ]


class TestGcp(ZoneSuite):
    CLOUD = "gcp"
    LEAST = 150
    PROTECTED = {"Bucket", "CryptoKey", "DatabaseInstance", "Repository", "Secret"}
    DRIFT = ("Bucket", "", {"publicAccessPrevention": "inherited"})
    BEARING = {
        "AlertPolicy", "Bucket", "CryptoKey", "GlobalForwardingRule", "ManagedZone",
        "NotificationChannel", "Repository", "Secret", "Service", "Subscription", "Topic",
    }  # fmt: skip
    TAGS = ("userLabels", "labels")
    JOINT = "_"

    @pytest.mark.parametrize(
        ("config", "updated", "created"),
        [
            ({"retention_days": 60}, ["Bucket"], []),
            (
                {"secrets": ["token"]},
                [],
                ["Secret", "SecretIamMember", "SecretIamMember"],
            ),
        ],
        ids=["retention", "secrets"],
    )
    def test_a_change_changes_what_it_says(
        self,
        dev: tuple[Stack, Result],
        config: dict[str, Any],
        updated: list[str],
        created: list[str],
    ) -> None:
        stack, _ = dev
        foreseen = stack.preview(config).require()
        assert kinds(foreseen, "update") == updated
        assert kinds(foreseen, "create") == created
        assert not kinds(foreseen, "replace")
        assert not kinds(foreseen, "delete")

    def test_no_key_and_no_password_opens_anything(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        assert not made.of("gcp:serviceaccount/key:Key")
        (user,) = made.of("User")
        assert user.inputs["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"
        assert "password" not in user.inputs
        assert user.inputs["name"] == "waterflow-prod-mlflow@example-shop-ml.iam"
        (instance,) = made.of("DatabaseInstance")
        flags = instance.inputs["settings"]["databaseFlags"]
        assert {"name": "cloudsql.iam_authentication", "value": "on"} in flags
        assert instance.inputs["settings"]["ipConfiguration"]["ipv4Enabled"] is False
        (bucket,) = made.of(BUCKET)
        assert bucket.inputs["publicAccessPrevention"] == "enforced"
        assert bucket.inputs["uniformBucketLevelAccess"] is True

    def test_data_is_encrypted_by_the_zone_s_own_key_and_its_services_may(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        (key,) = made.of("CryptoKey")
        assert made.of(BUCKET)[0].inputs["encryption"] == {"defaultKmsKeyName": key.id}
        assert made.of("Repository")[0].inputs["kmsKeyName"] == key.id
        assert made.of("Topic")[0].inputs["kmsKeyName"] == key.id
        assert made.of("DatabaseInstance")[0].inputs["encryptionKeyName"] == key.id
        assert made.outputs["profile"]["settings"]["kms_key"] == key.id
        agents = {one.inputs["member"].partition("@")[2] for one in made.of("CryptoKeyIAMMember")}
        assert agents == {
            f"{one}.iam.gserviceaccount.com"
            for one in (
                "gcp-sa-aiplatform", "gcp-sa-artifactregistry", "gcp-sa-cloud-sql", "gcp-sa-pubsub",
                "gcp-sa-secretmanager", "gs-project-accounts",
            )
        }  # fmt: skip

    def test_who_may_do_what(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        held = grants(made)
        jobs = "serviceAccount:waterflow-prod-jobs@example-shop-ml.iam.gserviceaccount.com"
        assert sorted(role for member, role in held if member == jobs) == [
            f"waterflow_prod_jobs_{scope}"
            for scope in ("account", "bucket", "project", "registry", "secrets", "tracking")
        ]
        people = {role for member, role in held if member == "group:ml@example.com"}
        assert people == {
            f"waterflow_prod_submitters_{scope}"
            for scope in ("account", "bucket", "project", "secrets", "tracking")
        }
        assert not [member for member, _ in held if member in {"allUsers", "allAuthenticatedUsers"}]

    def test_workflows_come_in_by_their_own_tokens(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        (provider,) = made.of("WorkloadIdentityPoolProvider")
        assert provider.inputs["attributeCondition"] == "assertion.repository == 'example/shop'"
        (member,) = (m for m, role in grants(made) if role == "iam.workloadIdentityUser")
        assert member.startswith("principal://iam.googleapis.com/projects/123456789012/")
        assert member.endswith("/subject/repo:example/shop:environment:production")

    def test_mlflow_runs_beside_the_proxy_and_is_watched(
        self, prod: tuple[Stack, Result, Result]
    ) -> None:
        _, _, made = prod
        (service,) = made.of(SERVICE)
        server, proxy = service.inputs["template"]["containers"]
        store = next(one for one in server["args"] if one.startswith("--backend-store-uri"))
        assert store.endswith(
            "postgresql://waterflow-prod-mlflow%40example-shop-ml.iam@127.0.0.1:5432/mlflow"
        )
        assert {"--auto-iam-authn", "--private-ip"} <= set(proxy["args"])
        assert made.outputs["profile"]["tracking"]["uri"] == service["uri"]
        (job,) = made.of("gcp:cloudscheduler/job:Job")
        assert job.inputs["httpTarget"]["uri"] == f"{service['uri']}/health"
        assert job.inputs["httpTarget"]["oidcToken"]["audience"] == service["uri"]

    def test_each_alarm_says_what_to_do(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        rules = {one.name.rpartition("-")[2]: one.inputs for one in made.of("AlertPolicy")}
        assert rules.keys() == {"failed", "failing", "stuck", "unwatched"}
        channels = {one["name"] for one in made.of("NotificationChannel")}
        for name, rule in rules.items():
            assert "waterflow " in rule["documentation"]["content"], name
            assert set(rule["notificationChannels"]) == channels
        (metric,) = made.of("Metric")
        failed = rules["failed"]["conditions"][0]["conditionMatchedLog"]["filter"]
        assert failed == metric.inputs["filter"], "what is counted is what is told"
        threshold = rules["failing"]["conditions"][0]["conditionThreshold"]["thresholdValue"]
        assert threshold == 2
        mail = next(one for one in made.of("NotificationChannel") if one.inputs["type"] == "email")
        assert mail.inputs["labels"] == {"email_address": "ml-platform@example.com"}, "and no tags"
