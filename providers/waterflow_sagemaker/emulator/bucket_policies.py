"""The policies of buckets: moto denies what has conditions; here they are judged."""

from __future__ import annotations

from typing import Any, Final, cast

from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.policies import Effect, Policy, allowed
from waterflow_sagemaker.emulator.policy_conditions import listed

_ACTIONS: Final = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}
"""What moto makes of a request's method -> what IAM calls it."""
_LOOPBACK: Final = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
"""On this machine HTTP stands for the HTTPS by which the cloud is met."""


def judge_conditions() -> None:
    """Let buckets ask our judgement."""
    from moto.s3.models import FakeBucket

    setattr(FakeBucket, "get_permission", _permission)  # noqa: B010 - called as its method


def _permission(bucket: Any, action: str, resource: str) -> Any:
    from moto.iam.access_control import PermissionResult

    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = Policy.read(f"the policy of {bucket.name}", bucket.policy)
    spoken = [one for one in policy.statements if _everybody_here(one.get("Principal"))]
    decision = allowed(
        [Policy(policy.name, {**policy.document, "Statement": spoken})],
        _ACTIONS.get(action, action),
        resource,
        {**_LOOPBACK, "aws:PrincipalAccount": ACCOUNT, **_headers()},
    )
    return {
        Effect.ALLOWED: PermissionResult.PERMITTED,
        Effect.EXPLICIT_DENY: PermissionResult.DENIED,
        Effect.IMPLICIT_DENY: PermissionResult.NEUTRAL,
    }[decision.effect]


def _headers() -> dict[str, str]:
    """Return the condition keys that a request's headers are."""
    from flask import has_request_context, request

    if not has_request_context():
        return {}
    headers = {name.lower(): value for name, value in request.headers.items()}
    return {f"s3:{name}": one for name, one in headers.items() if name.startswith("x-amz-")}


def _everybody_here(principal: Any) -> bool:
    """Return whether a statement is about whoever calls: somebody of the account."""
    if principal == "*":
        return True
    names = (
        listed(cast("dict[str, Any]", principal).get("AWS", []))
        if isinstance(principal, dict)
        else []
    )
    return any(name in ("*", ACCOUNT) or f":{ACCOUNT}:" in name for name in names)
