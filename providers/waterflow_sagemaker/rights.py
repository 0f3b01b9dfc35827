"""What IAM says of roles: whether they may do what every run needs, and be handed on.

Asked of IAM's simulator, which reads identities' policies and does nothing:
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html. Whoever asks
needs iam:SimulatePrincipalPolicy and iam:GetRole; runs need neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import PermissionDeniedError, WaterflowError
from waterflow.provider import Check
from waterflow.spec import Resources
from waterflow_sagemaker import machines
from waterflow_sagemaker.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.connections import Connections

PASSING: Final = "passing the role"
RIGHTS: Final = "the role's rights"

_SERVICE: Final = "sagemaker.amazonaws.com"
_JOB: Final = "pipelines-doctor"
"""A job as SageMaker names those of pipelines: roles may be held to such names."""
_SESSION: Final = re.compile(r"arn:[\w-]+:sts::\d{12}:assumed-role/(?P<role>[^/]+)/.+")


@dataclass(frozen=True)
class _Need:
    """Actions on a resource, and what for."""

    actions: tuple[str, ...]
    resource: str
    why: str


class Rights:
    """What IAM says of one profile's roles.

    Args:
        connections: The AWS clients.
        caller: The ARN of who asks, as STS tells it.
    """

    def __init__(self, connections: Connections, caller: str) -> None:
        self._connections, self._settings = connections, connections.settings
        self._caller = caller

    def of(self, role: str) -> Iterator[Check]:
        """Yield a finding about handing a role to SageMaker, and one about what it may do.

        Args:
            role: The role's ARN; there is such a role.
        """
        for name, look in ((PASSING, self._passing), (RIGHTS, self._rights)):
            try:
                yield look(role)
            except PermissionDeniedError:
                yield Check(
                    name,
                    "warning",
                    f"cannot be looked at: {self._caller} may not ask IAM's simulator",
                    "Allow it iam:SimulatePrincipalPolicy and iam:GetRole to have it checked; "
                    "runs do not need them",
                )
            except WaterflowError as error:
                yield Check.of(name, error, "warning")

    def _passing(self, role: str) -> Check:
        """See that who asks may hand the role to SageMaker, as submitting a run does."""
        principal = self._principal()
        if principal is None:
            if self._caller.endswith(":root"):
                return Check(PASSING, "ok", f"{self._caller} may do everything")
            text = f"{self._caller} is no role or user, and cannot be simulated"
            hint = "Submit a run: AWS then says whether iam:PassRole is allowed"
            return Check(PASSING, "warning", text, hint)
        if self._denied(principal, _Need(("iam:PassRole",), role, ""), role):
            return Check(
                PASSING,
                "broken",
                f"{principal} may not hand {role} to SageMaker",
                f"Allow it iam:PassRole on {role}, with iam:PassedToService {_SERVICE}",
            )
        return Check(PASSING, "ok", f"{principal} may hand {role} to SageMaker")

    def _rights(self, role: str) -> Check:
        """See that the role may do what every run needs."""
        missing = {need: self._denied(role, need, role) for need in self._needs(role)}
        lacks = {need: actions for need, actions in missing.items() if actions}
        if not lacks:
            return Check(RIGHTS, "ok", f"{role} may do what every run needs")
        text = "; ".join(
            f"{', '.join(actions)} on {need.resource} ({need.why})"
            for need, actions in lacks.items()
        )
        # The policy of a bucket may allow what the role's own do not: IAM does not look at it.
        sure = any(not need.resource.startswith(_bucket(role, "")) for need in lacks)
        return Check(
            RIGHTS,
            "broken" if sure else "warning",
            f"{role} is not allowed {text}"
            + ("" if sure else "; unless the bucket's own policy allows it, runs fail"),
            "Allow it in the role's policies. What a pipeline needs: "
            "waterflow plan TARGET --permissions",
        )

    def _needs(self, role: str) -> list[_Need]:
        """Return what every run needs of its role."""
        settings = self._settings
        partition, account = role.split(":")[1], role.split(":")[4]
        bucket = _bucket(role, settings.bucket)
        jobs = f"arn:{partition}:sagemaker:{settings.region}:{account}"
        logs = f"arn:{partition}:logs:{settings.region}:{account}:log-group:/aws/sagemaker"
        return [
            _Need(
                ("s3:GetObject", "s3:PutObject"),
                f"{bucket}/{settings.prefix}/doctor",
                "to read code and data, write results",
            ),
            _Need(("s3:ListBucket",), bucket, "to find them"),
            *(
                _Need(
                    (f"sagemaker:Create{kind}Job", f"sagemaker:Describe{kind}Job"),
                    f"{jobs}:{kind.lower()}-job/{_JOB}",
                    "to run the steps as jobs",
                )
                for kind in ("Processing", "Training")
            ),
            _Need(("iam:PassRole",), role, "to give the jobs their role"),
            *(
                _Need(
                    ("logs:CreateLogStream", "logs:PutLogEvents"),
                    f"{logs}/{kind}Jobs:log-stream:{_JOB}",
                    "to write logs",
                )
                for kind in ("Processing", "Training")
            ),
        ]

    def _principal(self) -> str | None:
        """Return the role or user whose policies speak for who asks; None for others."""
        session = _SESSION.fullmatch(self._caller)
        if session is not None:
            with translated("GetRole"):
                role: Any = self._connections.client("iam").get_role(RoleName=session["role"])
            return str(role["Role"]["Arn"])
        return self._caller if ":user/" in self._caller else None

    def _context(self, role: str) -> list[dict[str, Any]]:
        """Return what requests for runs with a role say of themselves, as conditions read it.

        Without them a role that is held to a network, machines or a key is told to lack rights.
        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
        """
        settings = self._settings
        own = [one for one in settings.steps.values() if one.role == role]
        # A step's role meets the step's settings, and the profile's where it has none.
        step = own[0] if own and role != settings.role else None
        chosen: dict[str, Any] = {}
        for name in ("subnets", "security_groups", "network_isolation", "kms_key"):
            value = getattr(step, name, None)
            chosen[name] = getattr(settings, name) if value is None else value
        key = chosen["kms_key"] or ""
        keys = [key] if key.startswith("arn:") else []  # of an alias, IAM sees the key's ARN
        machine = machines.choose(Resources(), settings.machines, "training").type
        isolated, encrypted = chosen["network_isolation"], settings.encrypt_traffic
        values: dict[str, tuple[str, list[str]]] = {
            "iam:PassedToService": ("string", [_SERVICE]),
            "s3:prefix": ("string", [f"{settings.prefix}/"]),
            "sagemaker:InstanceTypes": ("stringList", [machine]),
            "sagemaker:VpcSubnets": ("stringList", chosen["subnets"]),
            "sagemaker:VpcSecurityGroupIds": ("stringList", chosen["security_groups"]),
            "sagemaker:NetworkIsolation": ("boolean", [str(isolated).lower()]),
            "sagemaker:InterContainerTrafficEncryption": ("boolean", [str(encrypted).lower()]),
            "sagemaker:OutputKmsKey": ("string", keys),
            "sagemaker:VolumeKmsKey": ("string", keys),
        }
        return [
            {"ContextKeyName": name, "ContextKeyType": kind, "ContextKeyValues": texts}
            for name, (kind, texts) in values.items()
            if texts
        ]

    def _denied(self, principal: str, need: _Need, role: str) -> list[str]:
        """Return the actions that an identity is not allowed, for runs with a role."""
        with translated("SimulatePrincipalPolicy"):
            pages = (
                self._connections.client("iam")
                .get_paginator("simulate_principal_policy")
                .paginate(
                    PolicySourceArn=principal,
                    ActionNames=list(need.actions),
                    ResourceArns=[need.resource],
                    ContextEntries=self._context(role),
                )
            )
            return [
                str(one["EvalActionName"])
                for page in pages
                for one in page["EvaluationResults"]
                if one["EvalDecision"] != "allowed"
            ]


def _bucket(role: str, name: str) -> str:
    """Return the ARN of a bucket in a role's partition."""
    return f"arn:{role.split(':')[1]}:s3:::{name}"
