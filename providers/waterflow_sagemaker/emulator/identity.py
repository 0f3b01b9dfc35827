"""Who a request is from: the role that an access key stands for, as STS tells it."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow_sagemaker.emulator import wire
from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from waterflow_sagemaker.emulator.moto_services import Caller

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
"""The role of whoever asks, where no profile names one; SageMaker's console makes such ones."""

_SESSION: Final = "SageMaker"
"""The name of a session in which SageMaker has assumed a role, for a notebook or a job."""

_ROLE: Final = re.compile(r"arn:(?P<partition>[\w-]+):iam::(?P<account>\d{12}):role/(?:.*/)?(.+)")


class Identities:
    """The roles that access keys stand for.

    A job's key stands for the job's role, and one that nobody knows for the role of whoever uses
    the emulator: both have a role for their identity, as in a notebook of SageMaker's.
    """

    OPERATIONS: ClassVar[dict[str, str]] = {"GetCallerIdentity": "get_caller_identity"}
    """The service's operations -> our methods."""

    def __init__(self) -> None:
        self.role = ROLE
        """The role of whoever uses the emulator."""
        self._roles: dict[str, str] = {}
        self._lock = threading.Lock()

    def key(self, role: str) -> str:
        """Return the access key of a session in which SageMaker has assumed a role.

        Args:
            role: The role's ARN.
        """
        # What a temporary key looks like: ASIA, and 16 capitals and digits.
        digest = base64.b32encode(hashlib.sha256(role.encode()).digest()).decode()
        key = f"ASIA{digest[:16]}"
        with self._lock:
            self._roles[key] = role
        return key

    def knows(self, key: str) -> bool:
        """Say whether an access key is of a session in which SageMaker has assumed a role."""
        with self._lock:
            return key in self._roles

    def role_of(self, key: str) -> str:
        """Return the ARN of the role that an access key stands for.

        Args:
            key: The key; one that nobody knows is of whoever uses the emulator.
        """
        with self._lock:
            return self._roles.get(key, self.role)

    def get_caller_identity(self, _request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """GetCallerIdentity."""
        from moto.sts.models import sts_backends

        key = wire.access_key_of(caller.authorization)
        backend: Any = sts_backends[caller.account]["aws"]
        # Whoever has assumed a role by AssumeRole, and users with keys of their own, moto knows.
        identity, arn, account = backend.get_caller_identity(key, caller.region)
        if arn.endswith(":user/moto"):
            role = self.role_of(key)
            match = _ROLE.fullmatch(role)
            assert match is not None  # noqa: S101 - only ARNs of roles come here
            account = match["account"]
            name = match[3]
            identity = f"{_role_id(role)}:{_SESSION}"
            arn = f"arn:{match['partition']}:sts::{account}:assumed-role/{name}/{_SESSION}"
        return {"UserId": identity, "Account": account, "Arn": arn}


def _role_id(arn: str) -> str:
    from moto.iam.models import iam_backends

    try:
        backend: Any = iam_backends[arn.split(":")[4]][arn.split(":")[1]]
        return str(backend.get_role_by_arn(arn).id)
    except Exception:  # noqa: BLE001 - moto's own error: a job may have a role that nobody made
        digest = base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()
        return f"AROA{digest[:17]}"
