"""Reads a secret inside a job from AWS Secrets Manager, with the job's own role.

Travels in the control input as `waterflow_secrets.py`.
"""

from __future__ import annotations

from typing import Any


def read(name: str) -> str:
    """Return a secret's value.

    Args:
        name: The secret's name or ARN in Secrets Manager.

    Raises:
        RuntimeError: boto3 is not in the image, or the secret is no text.
    """
    try:
        import boto3
    except ModuleNotFoundError:
        raise RuntimeError("the image has no boto3, which reads secrets: add it") from None
    client: Any = boto3.client("secretsmanager")
    answer = client.get_secret_value(SecretId=name)
    if "SecretString" not in answer:
        raise RuntimeError(
            f"the secret '{name}' is no text: keep it as Base64, which the step decodes"
        )
    return str(answer["SecretString"])
