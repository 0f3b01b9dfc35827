"""The variables that point unmodified SDKs at the emulator, and those that would mislead them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNSET: Final = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
)  # fmt: skip
"""Variables that take an SDK somewhere else, whatever the others say."""

ONE_SERVICE: Final = "AWS_ENDPOINT_URL_"
"""What the variables begin with that do so for one service."""

KEY: Final = "emulator"
"""The access key of whoever uses the emulator."""

SDK_CONFIG: Final = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
"""What the sagemaker SDK reads: without it each of its calls tells AWS."""


def variables(endpoint: str, region: str) -> dict[str, str]:
    """Return what every client needs, in a job too.

    Args:
        endpoint: The emulator's address.
        region: The region.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def region(outside: Mapping[str, str]) -> str | None:
    """Return the region that a user's own process names; None when it names none.

    Args:
        outside: The variables that it has.
    """
    return outside.get("AWS_REGION") or outside.get("AWS_DEFAULT_REGION") or None


def misleading(outside: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that a user's own process must not have.

    Args:
        outside: The variables that it has.
    """
    return (*UNSET, *sorted(name for name in outside if name.startswith(ONE_SERVICE)))


def for_user(endpoint: str, region: str, folder: Path) -> dict[str, str]:
    """Return what a user's own process needs.

    Args:
        endpoint: The emulator's address.
        region: The region.
        folder: Where a file for the sagemaker SDK can be written.
    """
    config = folder / "sagemaker.yaml"
    config.write_text(SDK_CONFIG, encoding="utf-8")
    return {
        **variables(endpoint, region),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
    }
