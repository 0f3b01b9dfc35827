"""Who may do what: stars in permissions, roles that may do all, and trust without a condition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rules.documents import Statement, allowing
from rules.subject import Subject, known, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a role may do. In a key's or a bucket's own policy "*" is that key or bucket alone.
PERMISSIONS = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
}
RESOURCE_POLICIES = {
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:kms/key:Key",
    "aws:kms/keyPolicy:KeyPolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
}
# Actions that know no resource, by AWS's Service Authorization Reference.
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListPipelines",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListTrainingJobs",
    "scheduler:ListSchedules",
    "sts:GetCallerIdentity",
}
MANAGED = re.compile(
    r":policy/(?:.*/)?(?:AdministratorAccess|PowerUserAccess|IAMFullAccess|\w*FullAccess)$"
)
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
AZURE_ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}
# https://cloud.google.com/iam/docs/roles-overview: the basic roles
BASIC_ROLES = {"roles/owner", "roles/editor"}


def starred(subject: Subject) -> Iterator[str]:
    """Whether permissions hold a star, or are those of an administrator."""
    cloud = subject.type.split(":", 1)[0]
    yield from {"aws": _aws, "azure-native": _azure, "gcp": _google}.get(cloud, _nothing)(subject)


def _nothing(_: Subject) -> Iterator[str]:
    yield from ()


def _aws(subject: Subject) -> Iterator[str]:
    for document in _documents(subject):
        for statement in allowing(document):
            yield from _stars(statement)
    for arn in [*listed(subject.get("managedPolicyArns")), *listed(subject.get("policyArn"))]:
        if isinstance(arn, str) and MANAGED.search(arn):
            yield f"{arn.rsplit('/', 1)[1]} allows more than any job needs: write the actions out"


def _azure(subject: Subject) -> Iterator[str]:
    if subject.type == "azure-native:authorization:RoleDefinition":
        for permission in listed(subject.get("permissions")):
            names = [*listed(permission.get("actions")), *listed(permission.get("dataActions"))]
            for action in names:
                if isinstance(action, str) and "*" in action:
                    yield f"action {action!r} holds a star: name the actions"
        for scope in listed(subject.get("assignableScopes")):
            yield from _wide(scope)
    elif subject.type == "azure-native:authorization:RoleAssignment":
        role = str(subject.get("roleDefinitionId", "")).rsplit("/", 1)[-1].lower()
        if role in AZURE_ROLES:
            yield f"it gives {AZURE_ROLES[role]}: give a role of the one service"
        yield from _wide(subject.get("scope"))


def _wide(scope: Any) -> Iterator[str]:
    if isinstance(scope, str) and "/resourcegroups/" not in scope.lower():
        yield f"it reaches all of {scope}: give it on a resource, or on a resource group"


def _google(subject: Subject) -> Iterator[str]:
    if subject.get("role") in BASIC_ROLES:
        yield f"it gives {subject.get('role')}: give a role of the one service"
    if subject.type.endswith("IAMCustomRole"):
        for permission in listed(subject.get("permissions")):
            if isinstance(permission, str) and "*" in permission:
                yield f"permission {permission!r} holds a star: name the permissions"


def _documents(subject: Subject) -> Iterator[Any]:
    if subject.type in PERMISSIONS:
        yield subject.get(PERMISSIONS[subject.type])
    if subject.type == "aws:iam/role:Role":
        for one in listed(subject.get("inlinePolicies")):
            if isinstance(one, dict):
                yield one.get("policy")


def _stars(statement: Statement) -> Iterator[str]:
    if statement.negated:
        yield f"{statement.label} allows all but what it names: name what it allows"
    for action in statement.actions:
        if "*" in action:
            yield f"{statement.label}: action {action!r} holds a star: name the actions"
    wide = [action for action in statement.actions if action not in WITHOUT_RESOURCE]
    if "*" in statement.resources and wide and not statement.conditioned:
        yield f"{statement.label}: resource '*' for {', '.join(wide)} without a condition"


def trust(subject: Subject) -> Iterator[str]:
    """Whether somebody is trusted without a condition."""
    kind, get = subject.type, subject.get
    if kind == "aws:iam/role:Role":
        yield from _assuming(subject)
    elif kind in RESOURCE_POLICIES:
        for statement in allowing(get("policy")):
            if statement.anybody and not statement.conditioned:
                yield f"{statement.label} trusts everybody without a condition"
    else:
        yield from _federated(subject)


def _federated(subject: Subject) -> Iterator[str]:
    kind, get = subject.type, subject.get
    if kind == "azure-native:managedidentity:FederatedIdentityCredential":
        if known(get("subject")) and (not get("subject") or "*" in str(get("subject"))):
            yield "subject does not name one workflow: write repo:OWNER/NAME:ref:refs/heads/BRANCH"
        if known(get("audiences")) and not get("audiences"):
            yield "audiences is empty"
    elif kind == "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider":
        if known(get("attributeCondition")) and not get("attributeCondition"):
            yield "attributeCondition is not set: each repository of the issuer would be trusted"
    elif kind.startswith("gcp:serviceaccount/iAM"):
        for member in [*listed(get("members")), *listed(get("member"))]:
            if isinstance(member, str) and member.endswith("/*"):
                yield f"{member} is all of the pool: name one attribute's value"


def _assuming(role: Subject) -> Iterator[str]:
    for statement in allowing(role.get("assumeRolePolicy")):
        names = ", ".join(name for _, name in statement.principals)
        if statement.anybody:
            yield f"everybody may assume it ({statement.label}): name who may"
        elif not statement.conditioned:
            yield (
                f"{names} may assume it without a condition: add one, aws:SourceAccount for a "
                "service, the token's subject for a federation, a tag or organization for accounts"
            )
