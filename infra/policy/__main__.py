"""The policy pack that `pulumi up --policy-pack infra/policy` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import identity, keys, network, secrets, storage, tags, upkeep
from rules.subject import Check, StackCheck, Subject, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOURCE_RULES: dict[str, tuple[str, Check]] = {
    "storage-public": ("Storage is closed to strangers.", storage.public),
    "storage-unencrypted": ("Storage, and the way to it, is encrypted.", storage.unencrypted),
    "key-rotation": ("Keys renew themselves.", upkeep.rotation),
    "standing-key": ("No key that lasts opens anything.", keys.standing),
    "permission-stars": ("Permissions name actions and resources.", identity.starred),
    "trust-condition": ("Trust has a condition.", identity.trust),
    "ingress-open": ("Nothing lets the whole internet in.", network.open_ingress),
    "gpu-idle": ("Pools of GPU machines scale to zero.", upkeep.idle_gpus),
    "retention-unset": ("It is said how long data is kept.", upkeep.retention),
    "secret-plaintext": ("Environments hold no secrets.", secrets.plaintext),
}
STACK_RULES: dict[str, tuple[str, StackCheck]] = {
    "bucket-companions": (
        "A bucket and a storage account have beside them what protects them.",
        storage.companions,
    ),
    "lifecycle-missing": (
        "Buckets, accounts and repositories have rules of expiry.",
        upkeep.lifecycles,
    ),
}


def _resource_rule(name: str, description: str, check: Check) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in check(Subject(args.resource_type, args.name, args.urn, plain(args.props))):
            report(f"{args.name}: {message}", None)

    return ResourceValidationPolicy(name, description, validate)


def _stack_rule(name: str, description: str, check: StackCheck) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        subjects = _subjects(args)
        for subject, message in check(subjects):
            report(f"{subject.name}: {message}", subject.urn)

    return StackValidationPolicy(name, description, validate)


def _subjects(args: StackValidationArgs) -> list[Subject]:
    subjects = {
        one.urn: Subject(one.resource_type, one.name, one.urn, plain(one.props))
        for one in args.resources
    }
    for one in args.resources:
        subjects[one.urn].related = {
            name: [subjects[other.urn] for other in others]
            for name, others in one.property_dependencies.items()
        }
    return list(subjects.values())


def _tag_rule() -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        config = args.get_config() or {}
        required: Sequence[str] = config.get("required", tags.REQUIRED)
        subject = Subject(args.resource_type, args.name, args.urn, plain(args.props))
        for message in tags.missing(subject, required):
            report(f"{args.name}: {message}", None)

    schema = PolicyConfigSchema(
        properties={
            "required": {
                "type": "array",
                "items": {"type": "string"},
                "default": list(tags.REQUIRED),
            }
        }
    )
    return ResourceValidationPolicy(
        "tags-missing", "Resources bear the tags.", validate, config_schema=schema
    )


def policies() -> list[Policy]:
    """Return all policies of the pack."""
    return [
        *(_resource_rule(name, *rest) for name, rest in RESOURCE_RULES.items()),
        *(_stack_rule(name, *rest) for name, rest in STACK_RULES.items()),
        _tag_rule(),
    ]


PolicyPack("waterflow", policies(), enforcement_level=EnforcementLevel.MANDATORY)
