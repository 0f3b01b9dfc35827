"""Encryption: the key of data, logs and images, and the key of alarms, each for its own uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi_aws as aws

from landing_zone.component import Component, text
from landing_zone.policies import Place, raw_policy

# Named one by one, and without those that read data: who administers a key need not use it.
_ADMINISTRATION: Final = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:ListRetirableGrants",
    "kms:PutKeyPolicy",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
]
_USE: Final = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]
_ROTATION_DAYS: Final = 365


@dataclass(frozen=True, kw_only=True)
class DataKeyArgs:
    """What the key of data is made of.

    Attributes:
        place: Where it is.
        role_path: The path of the zone's roles, which may use it.
        log_groups: Names of log groups, with stars at their ends, that it encrypts.
        trail: The name of the audit's trail; None without one.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    role_path: str
    log_groups: tuple[str, ...]
    trail: str | None
    protect: bool


class DataKey(Component[DataKeyArgs]):
    """The key of the bucket, the jobs' volumes, logs and images."""

    def _make(self, name: str, args: DataKeyArgs) -> None:
        statements = [
            _administration(args.place),
            *_roles(args.place, args.role_path),
            _registry(args.place),
            _logs(args.place, args.log_groups),
        ]
        if args.trail is not None:
            statements.append(_trail(args.place, args.trail))
        self.key = _key(self, name, "Waterflow's data, logs and images", statements, args.protect)
        aws.kms.Alias(name, name=f"alias/{name}", target_key_id=self.key.key_id, opts=self.child())
        self.arn = self.key.arn
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True, kw_only=True)
class AlarmKeyArgs:
    """What the key of alarms is made of.

    Attributes:
        place: Where it is.
        role_path: The path of the zone's roles, one of which publishes.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    role_path: str
    protect: bool


class AlarmKey(Component[AlarmKeyArgs]):
    """The key of the topic of alarms: services publish there that have no business with data."""

    def _make(self, name: str, args: AlarmKeyArgs) -> None:
        publishers = {
            "Effect": "Allow",
            "Sid": "Publishers",
            "Principal": {
                "Service": [f"{one}.amazonaws.com" for one in ("budgets", "cloudwatch", "events")]
            },
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": args.place.account}},
        }
        statements = [
            _administration(args.place),
            *_roles(args.place, args.role_path),
            publishers,
        ]
        self.key = _key(self, name, "Waterflow's alarms", statements, args.protect)
        self.arn = self.key.arn
        self.register_outputs({"arn": self.arn})


def _key(
    parent: Component[Any],
    name: str,
    description: str,
    statements: list[dict[str, Any]],
    protect: bool,
) -> aws.kms.Key:
    return aws.kms.Key(
        name,
        description=description,
        enable_key_rotation=True,
        rotation_period_in_days=_ROTATION_DAYS,
        deletion_window_in_days=30 if protect else 7,
        policy=text(raw_policy(*statements)),
        opts=parent.child(protect=protect),
    )


# In a key's policy the resource "*" is that key, and nothing else can be written there.


def _administration(place: Place) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Sid": "Administration",
        "Principal": {"AWS": f"arn:{place.partition}:iam::{place.account}:root"},
        "Action": _ADMINISTRATION,
        "Resource": "*",
    }


def _roles(place: Place, path: str) -> list[dict[str, Any]]:
    """Return the use by the zone's own roles, as far as their policies allow it."""
    zone = {"ArnLike": {"aws:PrincipalArn": place.role(f"{path.strip('/')}/*")}}
    principal = {"AWS": f"arn:{place.partition}:iam::{place.account}:root"}
    return [
        {
            "Effect": "Allow",
            "Sid": "RolesOfTheZone",
            "Principal": principal,
            "Action": _USE,
            "Resource": "*",
            "Condition": zone,
        },
        {
            "Effect": "Allow",
            "Sid": "VolumesOfJobs",
            "Principal": principal,
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": {**zone, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    ]


def _registry(place: Place) -> dict[str, Any]:
    """Return what ECR wants of whoever makes a repository: it works by a grant of theirs.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
    """
    return {
        "Effect": "Allow",
        "Sid": "ImagesInTheRegistry",
        "Principal": {"AWS": f"arn:{place.partition}:iam::{place.account}:root"},
        "Action": [*_USE, "kms:CreateGrant", "kms:RetireGrant"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "kms:CallerAccount": place.account,
                "kms:ViaService": f"ecr.{place.region}.amazonaws.com",
            }
        },
    }


def _logs(place: Place, groups: tuple[str, ...]) -> dict[str, Any]:
    """Return the use by CloudWatch Logs, for these groups only.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    return {
        "Effect": "Allow",
        "Sid": "Logs",
        "Principal": {"Service": f"logs.{place.region}.amazonaws.com"},
        "Action": _USE,
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": [
                    place.arn("logs", f"log-group:{group}") for group in groups
                ]
            }
        },
    }


def _trail(place: Place, trail: str) -> dict[str, Any]:
    """Return the use by CloudTrail, for this trail only.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    return {
        "Effect": "Allow",
        "Sid": "Audit",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["kms:DescribeKey", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceArn": place.arn("cloudtrail", f"trail/{trail}")}},
    }
