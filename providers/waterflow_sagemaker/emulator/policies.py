"""What policies of IAM allow: identities' policies held against an action, a resource, a context.

The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html for one
account: an explicit deny wins, then what a policy allows and the permissions boundary too, and
everything else is denied. Policies of resources, organisations and sessions are not looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from waterflow_sagemaker.emulator.policy_conditions import (
    Context,
    UnknownOperatorError,
    context_of,
    filled,
    hold,
    listed,
    matches,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Effect(StrEnum):
    """What comes of a request, in the words of IAM's simulator."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class PolicyError(ValueError):
    """A policy is not written as IAM's grammar says."""


@dataclass(frozen=True)
class Policy:
    """A policy's document, and what it is called.

    Attributes:
        name: Its name, or its ARN.
        document: The document, as JSON reads it.
    """

    name: str
    document: Mapping[str, Any]

    @classmethod
    def read(cls, name: str, text: str) -> Policy:
        """Return the policy that a text holds.

        Raises:
            PolicyError: It is no JSON object.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise PolicyError(f"{name} is no JSON: {error}") from None
        if not isinstance(document, dict):
            raise PolicyError(f"{name} is no JSON object")
        return cls(name, cast("dict[str, Any]", document))

    @property
    def statements(self) -> list[Mapping[str, Any]]:
        """Its statements.

        Raises:
            PolicyError: One is no object.
        """
        statements = listed(self.document.get("Statement", []))
        for one in statements:
            if not isinstance(one, dict) or one.get("Effect") not in ("Allow", "Deny"):
                raise PolicyError(f"{self.name}: a statement has no Effect of Allow or Deny")
        return statements


@dataclass(frozen=True)
class Match:
    """A statement that has spoken.

    Attributes:
        policy: The name of its policy.
        number: Which of the policy's statements it is, from 0.
        sid: Its own name; "" for none.
        allows: Whether it allows; otherwise it denies.
    """

    policy: str
    number: int
    sid: str
    allows: bool


@dataclass(frozen=True)
class Decision:
    """What policies say of a request.

    Attributes:
        effect: What comes of it.
        matches: The statements that have decided it; none for an implicit deny.
        missing: The condition keys that were looked at and that the request does not have.
        bounded: Whether the permissions boundary allows it; None where there is none.
    """

    effect: Effect
    matches: tuple[Match, ...] = ()
    missing: tuple[str, ...] = ()
    bounded: bool | None = None

    def __bool__(self) -> bool:
        """Whether the request is allowed."""
        return self.effect is Effect.ALLOWED


def allowed(
    policies: Iterable[Policy],
    action: str,
    resource: str = "*",
    context: Mapping[str, Any] | None = None,
    boundary: Iterable[Policy] | None = None,
) -> Decision:
    """Say what an identity's policies make of a request.

    Args:
        policies: The policies of the identity, inline and attached.
        action: The action, such as "s3:GetObject".
        resource: The resource's ARN; "*" stands for all.
        context: Condition key -> its value or values: {"iam:PassedToService": "..."}.
        boundary: The policy of the permissions boundary; None for no boundary.

    Returns:
        The decision, which is true when the request is allowed.

    Raises:
        PolicyError: A policy is not written as IAM's grammar says.
    """
    keys = context_of(context)
    spoken, missing = _spoken(policies, action, resource, keys)
    within, more = (None, []) if boundary is None else _spoken(boundary, action, resource, keys)
    denials = [one for one in (*spoken, *(within or ())) if not one.allows]
    bounded = None if within is None else any(one.allows for one in within)
    unknown = tuple(dict.fromkeys([*missing, *more]))
    if denials:
        return Decision(Effect.EXPLICIT_DENY, tuple(denials), unknown, bounded)
    if spoken and bounded is not False:
        return Decision(Effect.ALLOWED, tuple(spoken), unknown, bounded)
    return Decision(Effect.IMPLICIT_DENY, (), unknown, bounded)


def _spoken(
    policies: Iterable[Policy], action: str, resource: str, context: Context
) -> tuple[list[Match], list[str]]:
    """Return the statements that a request meets, and the condition keys that it lacks."""
    spoken: list[Match] = []
    missing: list[str] = []
    for policy in policies:
        variables = policy.document.get("Version") == "2012-10-17"
        for number, statement in enumerate(policy.statements):
            keys = context if variables else None
            if not (
                _names(statement, "Action", action, None)
                and _names(statement, "Resource", resource, keys)
            ):
                continue
            try:
                holds, lacking = hold(statement.get("Condition", {}), context, variables)
            except UnknownOperatorError as error:
                raise PolicyError(f"{policy.name}: {error}") from None
            missing += lacking
            if holds:
                sid = str(statement.get("Sid", ""))
                spoken.append(Match(policy.name, number, sid, statement["Effect"] == "Allow"))
    return spoken, missing


def _names(
    statement: Mapping[str, Any], element: str, text: str, variables: Context | None
) -> bool:
    """Say whether a statement's Action or Resource, or the Not of it, takes a text.

    Args:
        statement: The statement.
        element: "Action" or "Resource".
        text: The action or the resource.
        variables: What variables stand for; None where there are none.
    """
    named = element in statement
    patterns = [str(one) for one in listed(statement.get(element, statement.get(f"Not{element}")))]
    if (
        element == "Action"
    ):  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
        patterns, text = [one.lower() for one in patterns], text.lower()
    if variables is not None:
        patterns = [filled(one, variables, escape=True) for one in patterns]
    return (named or f"Not{element}" in statement) and (
        any(matches(one, text) for one in patterns) is named
    )
