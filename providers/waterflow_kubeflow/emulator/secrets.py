"""Kubernetes' Secrets, which pods find in their environment; a route of Kubernetes' sets them.

`PUT /api/v1/namespaces/NAMESPACE/secrets/NAME` takes a Secret in Kubernetes' own shape:
`stringData`, or `data` in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from waterflow_kfp.emulator.errors import FAILED_PRECONDITION, TaskError

from waterflow_kubeflow.emulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping


class Secrets:
    """The part that has the Secrets of the one namespace."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = {}

    def make(self, name: str) -> bool:
        """Make an empty Secret unless there is one; return whether it was made."""
        if name in self._values:
            return False
        self._values[name] = {}
        return True

    def put(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write a Secret: what it says is added to what is there."""
        try:
            decoded = {
                key: base64.b64decode(value, validate=True).decode()
                for key, value in (body.get("data") or {}).items()
            }
        except (binascii.Error, ValueError, AttributeError) as error:
            raise invalid(f"data: {error}") from None
        self._values.setdefault(name, {}).update(
            decoded, **{str(k): str(v) for k, v in (body.get("stringData") or {}).items()}
        )
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}

    def variables(self, platform: Mapping[str, Any]) -> dict[str, str]:
        """Return what a pod finds in its environment.

        Args:
            platform: The pod's KubernetesExecutorConfig in JSON.

        Raises:
            TaskError: A Secret is not there, or has no such key.
        """
        variables: dict[str, str] = {}
        for one in platform.get("secretAsEnv") or ():
            constant = (one.get("secretNameParameter") or {}).get("runtimeValue") or {}
            name = str(one.get("secretName") or constant.get("constant") or "")
            values = self._values.get(name)
            for pair in one.get("keyToEnv") or ():
                key = str(pair.get("secretKey"))
                if values is None or key not in values:
                    if one.get("optional"):
                        continue
                    what = f'secret "{name}" not found' if values is None else (
                        f'couldn\'t find key {key} in Secret "{name}"'
                    )  # fmt: skip
                    raise TaskError(f"CreateContainerConfigError: {what}", FAILED_PRECONDITION)
                variables[str(pair.get("envVar"))] = values[key]
        return variables

    def snapshot(self) -> dict[str, Any]:
        """Return all Secrets as JSON."""
        return self._values

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the Secrets of a snapshot."""
        self._values = {name: dict(values) for name, values in saved.items()}
