"""The policies of buckets: moto denies what has conditions; here they are judged."""

from __future__ import annotations

import json
from typing import Any, Final

from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.policies import listed, verdict

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
    said = verdict(
        json.loads(bucket.policy),
        _ACTIONS.get(action, action),
        resource,
        {**_LOOPBACK, "aws:PrincipalAccount": ACCOUNT, **_headers()},
        _everybody_here,
    )
    return {
        "allowed": PermissionResult.PERMITTED,
        "denied": PermissionResult.DENIED,
        "neither": PermissionResult.NEUTRAL,
    }[said]


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
    names = listed(principal.get("AWS")) if isinstance(principal, dict) else []
    return any(name in ("*", ACCOUNT) or f":{ACCOUNT}:" in name for name in names)
