"""A stack's settings: every mistake is told at once, by name, before anything is made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

INFRA = Path(__file__).parents[2]
sys.path[:0] = [str(INFRA / "aws"), str(INFRA / "common")]

from landing_zone.settings import Settings  # noqa: E402
from waterflow_infra.settings import SettingsError, read_settings  # noqa: E402

NAMESPACE = "waterflow-aws"
DECLARED = yaml.safe_load((INFRA / "aws" / "Pulumi.yaml").read_text())["config"]


def read(**changes: Any) -> Settings:
    values = {name: one["default"] for name, one in DECLARED.items()} | changes
    pulumi.runtime.set_all_config(
        {
            f"{NAMESPACE}:{name}": value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
            if value is not None
        }
    )
    return read_settings(Settings, pulumi.Config(NAMESPACE))


def test_the_defaults_can_be() -> None:
    assert DECLARED.keys() == Settings.__dataclass_fields__.keys()
    settings = read()
    assert settings.names.of("jobs") == "waterflow-dev-jobs"
    assert not settings.private


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_stacks_settings_can_be(stack: str) -> None:
    config = yaml.safe_load((INFRA / "aws" / f"Pulumi.{stack}.yaml").read_text())["config"]
    settings = read(**{key.removeprefix(f"{NAMESPACE}:"): one for key, one in config.items()})
    assert settings.environment == stack


def test_a_setting_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"retentoin_days is no setting.*retention_days\?"):
        read(retentoin_days=7)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read(
            protect="perhaps", monthly_budget="lots", mlflow="none at all", tags="team", prefix=None
        )
    for name in ("protect", "monthly_budget", "mlflow", "tags", "prefix"):
        assert f"\n- {name}" in str(caught.value)


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
def test_a_value_that_cannot_be_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**changes)
    assert named in str(caught.value)
