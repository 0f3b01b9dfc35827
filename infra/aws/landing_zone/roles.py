"""The roles: what runs jobs, who submits, what keeps schedules and MLflow, and the bound of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws
from waterflow_infra import github

from landing_zone.component import Component, text
from landing_zone.policies import Statement, github_trust, people_trust, policy, service_trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from landing_zone.policies import Place

_SESSION_SECONDS: Final = 12 * 3600
_MOST_CHARACTERS: Final = 6144
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


@dataclass(frozen=True, kw_only=True)
class RoleArgs:
    """What a role is made of.

    Attributes:
        description: What it is for.
        trust: Who may assume it.
        path: The path of the zone's roles, by which the key's policy knows them.
        boundary: ARN of the policy that bounds it.
        statements: What it may do; None where `allow` follows.
        session_seconds: The longest that somebody may have it.
    """

    description: str
    trust: pulumi.Input[Mapping[str, Any]]
    path: str
    boundary: pulumi.Input[str]
    statements: pulumi.Input[Sequence[Statement]] | None = None
    session_seconds: int | None = None


class Role(Component[RoleArgs]):
    """A role with one policy of its own."""

    def _make(self, name: str, args: RoleArgs) -> None:
        self._name = name
        self.role = aws.iam.Role(
            name,
            description=args.description,
            assume_role_policy=pulumi.Output.from_input(args.trust).apply(text),
            path=args.path,
            permissions_boundary=args.boundary,
            max_session_duration=args.session_seconds,
            opts=self.child(),
        )
        self.arn = self.role.arn
        self.policy: aws.iam.RolePolicy | None = None
        if args.statements is not None:
            self.allow(args.statements)
        self.register_outputs({"arn": self.arn})

    def allow(self, statements: pulumi.Input[Sequence[Statement]]) -> aws.iam.RolePolicy:
        """Say what it may do: afterwards, where that names the role itself."""
        document = pulumi.Output.from_input(statements).apply(lambda them: text(policy(them)))
        self.policy = aws.iam.RolePolicy(
            self._name, role=self.role.name, policy=document, opts=self.child()
        )
        return self.policy


@dataclass(frozen=True, kw_only=True)
class BoundaryArgs:
    """What the bound of all roles is made of.

    Attributes:
        path: The path of the zone's roles and policies.
        statements: The most that they may ever do.
    """

    path: str
    statements: pulumi.Input[Sequence[Statement]]


class Boundary(Component[BoundaryArgs]):
    """The policy that bounds every role of the zone, however its own policy is edited later."""

    def _make(self, name: str, args: BoundaryArgs) -> None:
        document = pulumi.Output.from_input(args.statements).apply(_bounding)
        bound = aws.iam.Policy(
            name,
            description="The most that a role of Waterflow's landing zone may ever do",
            path=args.path,
            policy=document,
            opts=self.child(),
        )
        self.arn = bound.arn
        self.register_outputs({"arn": self.arn})


def _bounding(statements: Sequence[Statement]) -> str:
    document = text(policy(statements))
    if len(document) > _MOST_CHARACTERS:
        raise pulumi.RunError(
            f"The bound of all roles has {len(document)} characters, and IAM takes "
            f"{_MOST_CHARACTERS}: name fewer data_buckets and secrets, or give them names that "
            "begin alike"
        )
    return document


@dataclass(frozen=True, kw_only=True)
class SubmittersArgs:
    """What the roles of those who submit are made of.

    Attributes:
        place: Where it is.
        zone: The landing zone's name.
        path: The path of the zone's roles.
        boundary: ARN of the policy that bounds them.
        principals: ARNs of roles and users that may submit; with none, who bears the zone's tag.
        repository: GitHub repository whose workflows may submit; None for none.
        subjects: Which of its workflows.
        provider_arn: The account's identity provider of GitHub; None to make it.
        people: What people may do.
        workflows: What workflows may do.
    """

    place: Place
    zone: str
    path: str
    boundary: pulumi.Input[str]
    principals: Sequence[str]
    repository: str | None
    subjects: Sequence[str]
    provider_arn: str | None
    people: pulumi.Input[Sequence[Statement]]
    workflows: pulumi.Input[Sequence[Statement]]


class Submitters(Component[SubmittersArgs]):
    """The submitter's role and, for CI, one that a GitHub workflow's own token opens."""

    def _make(self, name: str, args: SubmittersArgs) -> None:
        people = Role(
            name,
            RoleArgs(
                description="Deploys pipelines of Waterflow, starts runs and follows them",
                trust=people_trust(args.principals, args.zone, args.place),
                path=args.path,
                boundary=args.boundary,
                statements=args.people,
                session_seconds=_SESSION_SECONDS,
            ),
            self.child(),
        )
        self.arn = people.arn
        self.ci_arn: pulumi.Output[str] | None = None
        if args.repository is not None:
            self.ci_arn = self._ci(f"{name}-ci", args, args.repository)
        self.register_outputs({"arn": self.arn})

    def _ci(self, name: str, args: SubmittersArgs, repository: str) -> pulumi.Output[str]:
        provider: pulumi.Input[str] = args.provider_arn or (
            aws.iam.OpenIdConnectProvider(
                name,
                url=github.ISSUER,
                client_id_lists=["sts.amazonaws.com"],
                opts=self.child(),
            ).arn
        )
        trust = pulumi.Output.from_input(provider).apply(
            lambda arn: github_trust(arn, repository, args.subjects)
        )
        return Role(
            name,
            RoleArgs(
                description=f"Workflows of {repository}: they push images and submit",
                trust=trust,
                path=args.path,
                boundary=args.boundary,
                statements=args.workflows,
            ),
            self.child(),
        ).arn


@dataclass(frozen=True, kw_only=True)
class ServiceRoleArgs:
    """What the role of an AWS service is made of.

    Attributes:
        description: What it is for.
        service: The service, such as "sagemaker".
        place: Where it is.
        source: ARN of what the service acts for; None for any of the account.
        path: The path of the zone's roles.
        boundary: ARN of the policy that bounds it.
    """

    description: str
    service: str
    place: Place
    source: str | None
    path: str
    boundary: pulumi.Input[str]


def service_role(name: str, args: ServiceRoleArgs, opts: pulumi.ResourceOptions) -> Role:
    """Return a role that an AWS service assumes for this account, and for no other.

    Args:
        name: Its name.
        args: What it is made of.
        opts: Its parent and provider.
    """
    return Role(
        name,
        RoleArgs(
            description=args.description,
            trust=service_trust(args.service, args.place, args.source),
            path=args.path,
            boundary=args.boundary,
        ),
        opts,
    )
