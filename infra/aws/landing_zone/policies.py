"""Policy documents: statements that say why, and whom a role trusts on which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow_infra import github

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Conditions = Mapping[str, Mapping[str, str | list[str]]]
"""Operator -> condition key -> what it must be."""

EVERYTHING: Final = ("*",)
"""Of actions for which AWS knows no narrower resource; a condition narrows them."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the landing zone is, and how AWS writes addresses there.

    Attributes:
        partition: "aws", "aws-cn", "aws-us-gov" and so on.
        account: The account's number.
        region: The region.
    """

    partition: str
    account: str
    region: str

    def arn(self, service: str, rest: str) -> str:
        """Return the ARN of something in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def role(self, rest: str) -> str:
        """Return the ARN of roles in this account; IAM knows no regions."""
        return f"arn:{self.partition}:iam::{self.account}:role/{rest}"

    def s3(self, rest: str) -> str:
        """Return the ARN of a bucket, or of keys in one."""
        return f"arn:{self.partition}:s3:::{rest}"

    @property
    def here(self) -> Conditions:
        """That a call is made in this region: for actions on no resource of their own."""
        return {"StringEquals": {"aws:RequestedRegion": self.region}}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is allowed.

    Attributes:
        why: What it is for, in words; it becomes the Sid.
        actions: IAM's actions, each named whole.
        resources: ARNs.
        conditions: What must hold besides.
    """

    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict[str, Any])

    def document(self) -> dict[str, Any]:
        """Return it as IAM writes it; its Sid is made of the words."""
        words = "".join(c if c.isalnum() else " " for c in self.why).split()
        statement: dict[str, Any] = {
            **({"Sid": "".join(word[0].upper() + word[1:] for word in words)} if words else {}),
            "Effect": "Allow",
            "Action": _single(self.actions),
            "Resource": _single(self.resources),
        }
        if self.conditions:
            statement["Condition"] = {key: dict(value) for key, value in self.conditions.items()}
        return statement


def policy(statements: Iterable[Statement]) -> dict[str, Any]:
    """Return statements as a policy."""
    return {"Version": "2012-10-17", "Statement": [one.document() for one in statements]}


def raw_policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """Return statements with principals or denials, written out, as a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def service_trust(service: str, place: Place, source: str | None = None) -> dict[str, Any]:
    """Return the trust in an AWS service that acts for this account, and for no other.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html

    Args:
        service: Its name before the domain, such as "sagemaker".
        place: Where the zone is.
        source: ARN of what it acts for; with none any of the account.
    """
    conditions: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": place.account}}
    if source is not None:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return raw_policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": conditions,
        }
    )


def people_trust(principals: Sequence[str], zone: str, place: Place) -> dict[str, Any]:
    """Return the trust in people of this account.

    Args:
        principals: ARNs of roles and users; with none, whoever bears the zone's tag.
        zone: The landing zone's name.
        place: Where it is.
    """
    conditions: dict[str, Any] = (
        {"ArnLike": {"aws:PrincipalArn": list(principals)}}
        if principals
        else {"StringEquals": {"aws:PrincipalTag/waterflow-submitter": zone}}
    )
    accounts = sorted({arn.split(":")[4] for arn in principals}) or [place.account]
    return raw_policy(
        {
            "Effect": "Allow",
            "Principal": {
                "AWS": [f"arn:{place.partition}:iam::{account}:root" for account in accounts]
            },
            "Action": "sts:AssumeRole",
            "Condition": conditions,
        }
    )


def github_trust(provider_arn: str, repository: str, subjects: Sequence[str]) -> dict[str, Any]:
    """Return the trust in a GitHub repository's workflows.

    Args:
        provider_arn: The account's identity provider of GitHub.
        repository: OWNER/NAME.
        subjects: What the token's subject holds after the repository.
    """
    issuer = provider_arn.partition("oidc-provider/")[2]
    return raw_policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": github.subjects(repository, subjects),
                }
            },
        }
    )


def _single(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
