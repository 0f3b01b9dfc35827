"""The stacks' settings, by cloud: what is refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from suites.settings import SettingsSuite, part

ID = "1a2b3c4d-0000-4000-8000-000000000001"


class TestAws(SettingsSuite):
    CLOUD = "aws"
    SEVERAL = {
        "protect": "perhaps",
        "monthly_budget": "lots",
        "mlflow": "none at all",
        "tags": "team",
        "prefix": None,
    }

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"retention_days": 20}, "retention_days: 20 is outside 31"),
            ({"checkpoint_days": 100}, "checkpoint_days"),
            ({"log_retention_days": 100}, "log_retention_days"),
            ({"machine_families": ["ml.z9"]}, "machine_families: ml.z9"),
            ({"machine_families": []}, "machine_families: none"),
            ({"prefix": "Team A"}, "prefix"),
            ({"environment": "production-of-europe"}, "environment"),
            ({"region": "Frankfurt"}, "region"),
            ({"tags": ["team"]}, '"team" is no KEY=VALUE'),
            ({"submitters": ["alice"]}, "submitters"),
            ({"ci_repository": "shop"}, "ci_repository"),
            ({"ci_repository": "a/b", "ci_subjects": ["ref:refs/heads/*"]}, "ci_subjects"),
            ({"ci_repository": "a/b", "ci_subjects": []}, "ci_subjects"),
            ({"subnet_ids": ["subnet-1"]}, "security_group_ids"),
            (
                {"subnet_ids": ["s-1"], "security_group_ids": ["sg-1"], "private_network": True},
                "private_network",
            ),
            ({"vpc_cidr": "10.64.0.1/20"}, "vpc_cidr"),
            ({"vpc_cidr": "10.64.0.0/28"}, "vpc_cidr"),
            ({"availability_zones": 5}, "availability_zones"),
            ({"kms_key_arn": "alias/ours"}, "kms_key_arn"),
            ({"mlflow_uri": "mlflow.example.com"}, "mlflow_uri"),
            ({"alert_emails": ["nobody"]}, "alert_emails"),
            ({"stuck_hours": 0}, "stuck_hours"),
            ({"python": "2.7"}, "python"),
            ({"github_oidc_provider": "github"}, "github_oidc_provider"),
        ],
        ids=str,
    )
    def test_a_value_that_cannot_be_is_named(self, changes: dict[str, Any], named: str) -> None:
        self.refused(changes, named)


class TestAzure(SettingsSuite):
    CLOUD = "azure"
    SEVERAL = {
        "protect": "perhaps",
        "monthly_budget": "lots",
        "redundancy": "twice",
        "tags": "team",
        "prefix": None,
    }

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"retention_days": 0}, "retention_days: 0 is outside 1"),
            ({"checkpoint_days": 100}, "checkpoint_days"),
            ({"log_retention_days": 7}, "log_retention_days: 7 is outside 30 to 730"),
            ({"machine_families": ["DDSv9"]}, "machine_families: DDSv9"),
            ({"machine_families": []}, "machine_families: none"),
            ({"prefix": "Team A"}, "prefix"),
            ({"prefix": "team-alpha", "environment": "staging-a"}, "room for 16"),
            ({"environment": "production-of-europe"}, "environment"),
            ({"region": "East US"}, "region"),
            ({"subscription": "ours"}, "subscription"),
            ({"resource_group": "ends."}, "resource_group"),
            ({"tags": ["team"]}, '"team" is no KEY=VALUE'),
            ({"submitters": ["alice"]}, "submitters"),
            ({"schedulers": [f"team:{ID}"]}, "schedulers"),
            ({"ci_repository": "shop"}, "ci_repository"),
            ({"ci_repository": "a/b", "ci_subjects": ["ref:refs/heads/*"]}, "ci_subjects"),
            ({"data_containers": ["raw"]}, "data_containers"),
            ({"secrets": ["db_password"]}, "secrets"),
            ({"cluster_nodes": 0}, "cluster_nodes"),
            ({"idle_minutes": 600}, "idle_minutes: 600 is outside 1 to 60"),
            ({"redundancy": "three"}, "redundancy"),
            ({"managed_network": "open"}, "managed_network"),
            ({"private_network": True}, "managed_network is internet or approved"),
            ({"subnet_id": "subnet-1"}, "subnet_id"),
            (
                {
                    "subnet_id": "/subscriptions/1/resourceGroups/a/providers/Microsoft.Network"
                    "/virtualNetworks/b/subnets/c"
                },
                "set private_network too",
            ),
            ({"allowed_hosts": ["pypi.org"]}, "allowed_hosts are for managed_network approved"),
            (
                {"managed_network": "approved", "allowed_hosts": ["https://pypi.org"]},
                "allowed_hosts",
            ),
            ({"allowed_ips": ["203.0.113.7/24"]}, "allowed_ips"),
            ({"vnet_cidr": "10.65.0.0/29"}, "vnet_cidr: /29 is outside /16 to /27"),
            ({"mlflow_uri": "mlflow.example.com"}, "mlflow_uri"),
            ({"alert_emails": ["nobody"]}, "alert_emails"),
            ({"stuck_hours": 48}, "stuck_hours: 48 is outside 1 to 47"),
            ({"budget_scope": "account"}, "budget_scope"),
            ({"mlflow": "app"}, "mlflow"),
            ({"python": "2.7"}, "python"),
        ],
        ids=str,
    )
    def test_a_value_that_cannot_be_is_named(self, changes: dict[str, Any], named: str) -> None:
        self.refused(changes, named)


class TestGcp(SettingsSuite):
    CLOUD = "gcp"
    SEVERAL = {
        "protect": "perhaps",
        "monthly_budget": "lots",
        "mlflow": "app",
        "tags": "team",
        "prefix": None,
    }

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"retention_days": 0}, "retention_days: 0 is outside 1"),
            ({"checkpoint_days": 100}, "checkpoint_days"),
            ({"log_retention_days": 4000}, "log_retention_days: 4000 is outside 1 to 3650"),
            ({"machine_families": ["z9"]}, "machine_families: z9"),
            ({"machine_families": []}, "machine_families: none"),
            ({"prefix": "Team A"}, "prefix"),
            ({"prefix": "team-alpha", "environment": "production"}, "room for 20"),
            ({"region": "us central"}, "region"),
            ({"project": "Shop"}, "project"),
            ({"tags": ["team"]}, '"team" is no KEY=VALUE'),
            ({"tags": ["Team=shop"]}, 'tags: "Team"'),
            ({"tags": ["team=Shop A"]}, 'tags: "Shop A"'),
            ({"submitters": ["alice"]}, "submitters"),
            ({"schedulers": ["team:a@example.com"]}, "schedulers"),
            ({"ci_repository": "shop"}, "ci_repository"),
            ({"ci_repository": "a/b", "ci_subjects": ["ref:refs/heads/*"]}, "ci_subjects"),
            ({"data_buckets": ["gs://raw"]}, "data_buckets"),
            ({"secrets": ["db password"]}, "secrets"),
            ({"vpc_cidr": "10.66.0.1/24"}, "vpc_cidr"),
            ({"vpc_cidr": "10.66.0.0/29"}, "vpc_cidr: /29 is outside /16 to /28"),
            ({"services_address": "10.66.0.9"}, "services_address"),
            ({"mlflow_uri": "mlflow.example.com"}, "mlflow_uri"),
            ({"mlflow_uri": "https://m.example.com", "mlflow": "cloudrun"}, "mlflow to none"),
            ({"billing_account": "ours"}, "billing_account"),
            ({"alert_emails": ["nobody"]}, "alert_emails"),
            ({"stuck_hours": 0}, "stuck_hours"),
            ({"python": "2.7"}, "python"),
        ],
        ids=str,
    )
    def test_a_value_that_cannot_be_is_named(self, changes: dict[str, Any], named: str) -> None:
        self.refused(changes, named)


def test_clusters_are_named_as_azure_ml_names_them() -> None:
    machines = part("azure", "machines")
    sizes = machines.sizes(machines.FAMILIES)
    names = [machines.cluster(size) + machines.SPOT for size in sizes]
    assert len(set(names)) == len(sizes) == 44
    for name in names:
        assert 3 <= len(name) <= 24
        assert name[0].isalpha()
        assert name.replace("-", "").isalnum()
