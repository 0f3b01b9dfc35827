"""IAM's simulator: what an identity's real policies make of actions, without doing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator.paging import page
from waterflow_sagemaker.emulator.policies import Decision, Effect, Policy, PolicyError, allowed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow_sagemaker.emulator.moto_services import Caller

Request = dict[str, Any]
Response = dict[str, Any]

_STRICT: Final = (Effect.EXPLICIT_DENY, Effect.IMPLICIT_DENY, Effect.ALLOWED)
"""Decisions, the one that wins over several resources first."""


class Simulator:
    """The operations of IAM that simulate."""

    OPERATIONS: ClassVar[dict[str, str]] = {
        "SimulatePrincipalPolicy": "simulate_principal_policy",
        "SimulateCustomPolicy": "simulate_custom_policy",
    }
    """The service's operations -> our methods."""

    def simulate_principal_policy(self, request: Request, caller: Caller) -> Response:
        """SimulatePrincipalPolicy: with what is attached to a role or a user."""
        policies, kinds, boundary = _attached(request["PolicySourceArn"], caller.account)
        return _simulate(request, policies, kinds, boundary)

    def simulate_custom_policy(self, request: Request, _caller: Caller) -> Response:
        """SimulateCustomPolicy: with the policies of the request alone."""
        return _simulate(request, [], {}, None)


def _simulate(
    request: Request, policies: list[Policy], kinds: dict[str, str], boundary: list[Policy] | None
) -> Response:
    """Answer a simulation.

    Args:
        request: The request; it may add policies.
        policies: What is attached.
        kinds: Name of an attached policy -> its SourcePolicyType.
        boundary: The attached permissions boundary; None for none.
    """
    for member in (
        "ResourcePolicy",
        "ResourceHandlingOption",
        "OrderedOrganizationPolicyInputList",
    ):
        if member in request:
            raise ServiceError(
                "InvalidInput",
                f"Waterflow's emulator simulates identities' policies only: leave out {member}.",
            )
    policies = [*policies, *_policies(request, "PolicyInputList")]
    if request.get("PermissionsBoundaryPolicyInputList"):
        boundary = _policies(request, "PermissionsBoundaryPolicyInputList")
    context = {
        one["ContextKeyName"]: one.get("ContextKeyValues", [])
        for one in request.get("ContextEntries", [])
    }
    results: list[Response] = []
    for action in request["ActionNames"]:
        if ":" not in action.strip(":"):
            raise ServiceError("InvalidInput", f"Invalid Action Name: {action}")
        decisions = {
            resource: _decided(policies, action, resource, context, boundary)
            for resource in request.get("ResourceArns") or ["*"]
        }
        results.append(_result(action, decisions, kinds))
    some, token = page(results, _paged(request))
    answer: Response = {"EvaluationResults": list(some), "IsTruncated": bool(token)}
    return answer | ({"Marker": token["NextToken"]} if token else {})


def _paged(request: Request) -> Request:
    """Return what a request says of pages as SageMaker's own requests do."""
    paged: Request = {"MaxResults": int(request.get("MaxItems", 100))}
    return paged | ({"NextToken": request["Marker"]} if "Marker" in request else {})


def _decided(
    policies: list[Policy],
    action: str,
    resource: str,
    context: dict[str, Any],
    boundary: list[Policy] | None,
) -> Decision:
    try:
        return allowed(policies, action, resource, context, boundary)
    except PolicyError as error:
        raise ServiceError("InvalidInput", str(error)) from None


def _result(action: str, decisions: dict[str, Decision], kinds: dict[str, str]) -> Response:
    """Return what is said of one action.

    Args:
        action: The action.
        decisions: Resource -> what comes of it.
        kinds: Name of an attached policy -> its SourcePolicyType.
    """
    effect = next(
        one for one in _STRICT if any(decision.effect is one for decision in decisions.values())
    )
    matches = [
        match
        for decision in decisions.values()
        if decision.effect is effect
        for match in decision.matches
    ]
    missing = [name for decision in decisions.values() for name in decision.missing]
    everything = list(decisions) == ["*"]
    bounded = [decision.bounded for decision in decisions.values()]
    return {
        "EvalActionName": action,
        "EvalResourceName": "*",
        "EvalDecision": str(effect),
        "MatchedStatements": _statements(matches, kinds),
        "MissingContextValues": list(dict.fromkeys(missing)) if everything else [],
        **_boundary(None if None in bounded else all(bounded)),
        "ResourceSpecificResults": [] if everything else [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": str(decision.effect),
                "MatchedStatements": _statements(decision.matches, kinds),
                "MissingContextValues": list(decision.missing),
                **_boundary(decision.bounded),
            }
            for resource, decision in decisions.items()
        ],
    }  # fmt: skip


def _boundary(bounded: bool | None) -> Response:
    if bounded is None:
        return {}
    return {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": bounded}}


def _statements(matches: Iterable[Any], kinds: dict[str, str]) -> list[Response]:
    names = dict.fromkeys(match.policy for match in matches)
    return [{"SourcePolicyId": name, "SourcePolicyType": kinds.get(name, "none")} for name in names]


def _policies(request: Request, member: str) -> list[Policy]:
    try:
        return [
            Policy.read(f"{member}.{number}", text)
            for number, text in enumerate(request.get(member, []), start=1)
        ]
    except PolicyError as error:
        raise ServiceError("InvalidInput", str(error)) from None


def _attached(arn: str, account: str) -> tuple[list[Policy], dict[str, str], list[Policy] | None]:
    """Return a role's or a user's policies, their SourcePolicyTypes, and its boundary."""
    backend = _backend(arn, account)
    kind, _, path = arn.split(":", 5)[5].partition("/")
    name = path.rpartition("/")[2]
    owner = _owner(backend, kind, name, arn)
    policies: list[Policy] = []
    kinds: dict[str, str] = {}
    for policy, text in owner.policies.items():
        named = f"{kind}_{name}_{policy}"
        policies.append(Policy.read(named, text if isinstance(text, str) else text["document"]))
        kinds[named] = kind
    for one in owner.managed_policies.values():
        policies.append(_managed(one))
        kinds[one.arn] = "aws-managed" if ":iam::aws:" in one.arn else "user-managed"
    limit = getattr(owner, "permissions_boundary_arn", None)
    if not limit:
        return policies, kinds, None
    boundary = backend.managed_policies.get(limit)
    # A boundary that is not there allows nothing.
    return policies, kinds, [] if boundary is None else [_managed(boundary)]


def _backend(arn: str, account: str) -> Any:
    from moto.iam.models import iam_backends

    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "iam" or parts[4] != account:
        raise ServiceError(
            "InvalidInput",
            f"Invalid Entity Arn: {arn} does not clearly define entity type and name.",
        )
    return iam_backends[account][parts[1]]


def _owner(backend: Any, kind: str, name: str, arn: str) -> Any:
    if kind == "role":
        roles = [role for role in backend.get_roles() if role.arn == arn]
    elif kind == "user":
        roles = [user for user in backend.users.values() if user.arn == arn]
    else:
        raise ServiceError(
            "InvalidInput",
            f"Invalid Entity Arn: {arn}. Waterflow's emulator simulates roles and users.",
        )
    if not roles:
        text = f"The {kind} with name {name} cannot be found."
        raise ServiceError("NoSuchEntity", text, 404)
    return roles[0]


def _managed(policy: Any) -> Policy:
    document = next(
        (one.document for one in policy.versions if one.version_id == policy.default_version_id),
        "{}",
    )
    return Policy.read(policy.arn, document)
