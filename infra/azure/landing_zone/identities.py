"""Identities, the roles that are made for them, and who has which role where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi_azure_native import authorization, managedidentity
from waterflow_infra import component, github

from landing_zone.component import Component
from landing_zone.place import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.permissions import Allowed

_AUDIENCE: Final = "api://AzureADTokenExchange"
KINDS: Final = {"user": "User", "group": "Group", "app": "ServicePrincipal"}
"""What the settings call whoever has a role -> Azure's word."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whoever has a role.

    Attributes:
        name: What it is called in names that are always the same.
        kind: Azure's word for what it is.
        principal: Its object id.
    """

    name: str
    kind: str
    principal: pulumi.Input[str]


def people(principals: Sequence[str]) -> list[Holder]:
    """Return those whom a setting names as `user:ID`, `group:ID` or `app:ID`."""
    parts = [one.partition(":") for one in principals]
    return [Holder(name=own, kind=KINDS[kind], principal=own) for kind, _, own in parts]


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """What an identity is made of.

    Attributes:
        place: Where it is.
        repository: GitHub repository whose workflows may take it; None for none.
        subjects: Which of its workflows.
    """

    place: Place
    repository: str | None = None
    subjects: Sequence[str] = ()


class Identity(Component[IdentityArgs]):
    """A user-assigned identity; a workflow's own token may open it, and no password."""

    def _make(self, name: str, args: IdentityArgs) -> None:
        identity = managedidentity.UserAssignedIdentity(
            name,
            resource_group_name=args.place.group,
            location=args.place.region,
            opts=self.child(),
        )
        self.id = identity.id
        self.client_id = identity.client_id
        self.holder = Holder(name=name, kind="ServicePrincipal", principal=identity.principal_id)
        before: list[pulumi.Resource] = []
        if args.repository is not None:
            for number, subject in enumerate(github.subjects(args.repository, args.subjects)):
                # Azure takes an identity's credentials one after the other only.
                before = [
                    managedidentity.FederatedIdentityCredential(
                        f"{name}-{number + 1}",
                        resource_group_name=args.place.group,
                        resource_name_=identity.name,
                        issuer=github.ISSUER,
                        subject=subject,
                        audiences=[_AUDIENCE],
                        opts=self.child(depends_on=before),
                    )
                ]
        self.register_outputs({"id": self.id, "client_id": self.client_id})


@dataclass(frozen=True, kw_only=True)
class RoleArgs:
    """What a role is made of.

    Attributes:
        place: Where it may be given.
        title: Its name in the portal.
        description: What it is for.
        allowed: What it allows.
    """

    place: Place
    title: str
    description: str
    allowed: Allowed


class Role(Component[RoleArgs]):
    """A role of the zone's own, to be given in its resource group only.

    One definition holds what an identity may do of all kinds of resources; where it is given
    says of which: what it allows of secrets means nothing where only the registry is given.
    """

    def _make(self, name: str, args: RoleArgs) -> None:
        self._name, self._place = name, args.place
        definition = args.place.identifier("role", name)
        self.definition = authorization.RoleDefinition(
            name,
            role_definition_id=definition,
            role_name=args.title,
            role_type="CustomRole",
            description=args.description,
            scope=args.place.group_id,
            assignable_scopes=[args.place.group_id],
            permissions=[
                {
                    "actions": list(args.allowed.actions),
                    "data_actions": list(args.allowed.data_actions),
                    "not_actions": [],
                    "not_data_actions": [],
                }
            ],
            opts=self.child(),
        )
        self.id = args.place.role(definition)
        self.register_outputs({"id": self.id})

    def give(
        self,
        holder: Holder,
        noun: str,
        scope: pulumi.Input[str],
        *,
        condition: str | None = None,
    ) -> authorization.RoleAssignment:
        """Give it to somebody, somewhere.

        Args:
            holder: Who gets it.
            noun: The resource, in names that are always the same.
            scope: Its address.
            condition: What must hold of the data; None for nothing.
        """
        return give(
            self,
            self._place,
            holder,
            Grant(noun=noun, role=self._name, role_id=self.id, scope=scope, condition=condition),
            after=[self.definition],
        )

    def give_data(
        self, holder: Holder, account: pulumi.Input[str], condition: str
    ) -> authorization.RoleAssignment:
        """Give it to somebody, of a storage account's data as far as a condition holds.

        Args:
            holder: Who gets it.
            account: The account's address.
            condition: The condition.
        """
        return self.give(holder, "storage", account, condition=condition)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role somewhere.

    Attributes:
        noun: The resource, in names that are always the same.
        role: The role, in them.
        role_id: Address of its definition.
        scope: Address of the resource.
        condition: What must hold of the data; None for nothing.
    """

    noun: str
    role: str
    role_id: str
    scope: pulumi.Input[str]
    condition: str | None = None


def give(
    parent: component.Component[Any],
    place: Place,
    holder: Holder,
    grant: Grant,
    *,
    after: Sequence[pulumi.Resource] = (),
) -> authorization.RoleAssignment:
    """Give a role to somebody, under a name that is always the same.

    Args:
        parent: Whose child the assignment is.
        place: Where the zone is.
        holder: Who gets it.
        grant: What, and where.
        after: What must be there before.
    """
    return authorization.RoleAssignment(
        f"{holder.name}-{grant.role}-{grant.noun}",
        role_assignment_name=place.identifier("grant", holder.name, grant.role, grant.noun),
        principal_id=holder.principal,
        principal_type=holder.kind,
        role_definition_id=grant.role_id,
        scope=grant.scope,
        condition=grant.condition,
        condition_version=None if grant.condition is None else "2.0",
        # Of one name there is one: a new one cannot be made beside the old.
        opts=parent.child(depends_on=list(after), delete_before_replace=True),
    )
