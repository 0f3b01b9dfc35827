"""Service accounts, the roles that are made for them, and who has which role where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi_gcp import (
    artifactregistry,
    cloudrunv2,
    iam,
    projects,
    secretmanager,
    serviceaccount,
    storage,
)
from waterflow_infra import github

from landing_zone.component import Component
from landing_zone.permissions import Permission, Scope, allowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from landing_zone.place import Place

_FEDERATED: Final = "roles/iam.workloadIdentityUser"
SCOPES: Final[tuple[Scope, ...]] = (
    "project", "bucket", "account", "secrets", "registry", "tracking",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whoever has a role.

    Attributes:
        name: What it is called in logical names.
        member: As IAM names it.
    """

    name: str
    member: pulumi.Input[str]


def people(members: Sequence[str]) -> list[Holder]:
    """Return those whom a setting names as `user:MAIL`, `group:MAIL` or `serviceAccount:MAIL`."""
    return [Holder(name=one.partition(":")[2], member=one) for one in members]


@dataclass(frozen=True, kw_only=True)
class AccountArgs:
    """What a service account is made of.

    Attributes:
        place: Where it is.
        account: Its id, 6 to 30 letters.
        title: What the console calls it.
    """

    place: Place
    account: str
    title: str


class Account(Component[AccountArgs]):
    """A service account, of which no key is made."""

    def _make(self, name: str, args: AccountArgs) -> None:
        account = serviceaccount.Account(
            name,
            project=args.place.project,
            account_id=args.account,
            display_name=args.title,
            opts=self.child(),
        )
        self.id, self.email = account.name, account.email
        self.holder = Holder(name=name, member=account.member)
        self.register_outputs({"email": self.email})


@dataclass(frozen=True, kw_only=True)
class FederationArgs:
    """Which workflows may be a service account.

    Attributes:
        place: Where the pool is.
        pool: The pool's id, which Google keeps for 30 days after it was deleted.
        repository: GitHub repository OWNER/NAME.
        subjects: Which of its workflows.
        account: Name of the account that they may be.
    """

    place: Place
    pool: str
    repository: str
    subjects: Sequence[str]
    account: pulumi.Input[str]


class Federation(Component[FederationArgs]):
    """A pool of identities: a workflow's own token opens an account, and no key does."""

    def _make(self, name: str, args: FederationArgs) -> None:
        pool = iam.WorkloadIdentityPool(
            name,
            project=args.place.project,
            workload_identity_pool_id=args.pool,
            opts=self.child(),
        )
        subjects = github.subjects(args.repository, args.subjects)
        provider = iam.WorkloadIdentityPoolProvider(
            name,
            project=args.place.project,
            workload_identity_pool_id=pool.workload_identity_pool_id,
            workload_identity_pool_provider_id="github",
            oidc={"issuer_uri": github.ISSUER},
            attribute_mapping={
                "google.subject": "assertion.sub",
                "attribute.repository": "assertion.repository",
            },
            attribute_condition=f"assertion.repository == '{args.repository}'",
            opts=self.child(),
        )
        for number, subject in enumerate(subjects):
            serviceaccount.IAMMember(
                f"{name}-{number + 1}",
                service_account_id=args.account,
                role=_FEDERATED,
                member=pulumi.Output.concat(
                    "principal://iam.googleapis.com/", pool.name, "/subject/", subject
                ),
                opts=self.child(),
            )
        self.provider = provider.name
        self.register_outputs({"provider": self.provider})


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What roles are given on.

    Attributes:
        bucket: Name of the bucket.
        account: Name of the jobs' account.
        secrets: Logical name -> id of the secrets that jobs read.
        registry: Name of the registry.
        tracking: Name of MLflow's service on Cloud Run; None where there is none.
    """

    bucket: pulumi.Input[str]
    account: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]
    registry: pulumi.Input[str]
    tracking: pulumi.Input[str] | None


@dataclass(frozen=True, kw_only=True)
class GrantsArgs:
    """Who may do what.

    Attributes:
        place: Where.
        zone: What the roles' ids begin with: letters, digits and underscores.
        permissions: What they may.
        holders: Who.
        resources: On what.
    """

    place: Place
    zone: str
    permissions: Sequence[Permission]
    holders: Sequence[Holder]
    resources: Resources


class Grants(Component[GrantsArgs]):
    """A role for each kind of resource, given on the resources that it is about and no others."""

    def _make(self, name: str, args: GrantsArgs) -> None:
        for scope in SCOPES:
            names = allowed(args.permissions, scope)
            if not names or (scope == "tracking" and args.resources.tracking is None):
                continue
            # Ids that were deleted are kept for a while, and made anew they are the same ones.
            role = projects.IAMCustomRole(
                f"{name}-{scope}",
                project=args.place.project,
                role_id=f"{args.zone}_{name}_{scope}",
                title=f"Waterflow {args.zone} {name}: {scope}",
                description="; ".join(one.why for one in args.permissions if one.scope == scope),
                permissions=list(names),
                opts=self.child(),
            )
            for holder in args.holders:
                self._give(f"{holder.name}-{name}-{scope}", scope, role.name, holder, args)
        self.register_outputs({})

    def _give(
        self, label: str, scope: Scope, role: pulumi.Input[str], holder: Holder, args: GrantsArgs
    ) -> None:
        place, on = args.place, args.resources
        common: dict[str, Any] = {"role": role, "member": holder.member, "opts": self.child()}
        if scope == "project":
            projects.IAMMember(label, project=place.project, **common)
        elif scope == "bucket":
            storage.BucketIAMMember(label, bucket=on.bucket, **common)
        elif scope == "account":
            serviceaccount.IAMMember(label, service_account_id=on.account, **common)
        elif scope == "registry":
            artifactregistry.RepositoryIamMember(
                label,
                project=place.project,
                location=place.region,
                repository=on.registry,
                **common,
            )
        elif scope == "tracking" and on.tracking is not None:
            cloudrunv2.ServiceIamMember(
                label, project=place.project, location=place.region, name=on.tracking, **common
            )
        elif scope == "secrets":
            for noun, secret in on.secrets.items():
                secretmanager.SecretIamMember(
                    f"{label}-{noun}", project=place.project, secret_id=secret, **common
                )
