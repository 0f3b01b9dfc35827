"""The variables that point unmodified SDKs at the emulator, and those that would mislead them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from waterflow_sagemaker.emulator.objects import ACCOUNT

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

SDK_CONFIG: Final = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: sagemaker-{region}-{account}
"""
"""What the sagemaker SDK reads.

Without it each of its calls tells AWS, and it asks the true STS, at an address of its own, for the
account that its bucket's name has.
"""


def variables(endpoint: str, region: str) -> dict[str, str]:
    """Return what every client needs, in a job too.

    Args:
        endpoint: The emulator's address.
        region: The region.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "emulator",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }


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
    config.write_text(SDK_CONFIG.format(region=region, account=ACCOUNT), encoding="utf-8")
    return {
        **variables(endpoint, region),
        # A profile may name any region, and there is only this one.
        "WATERFLOW_REGION": region,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
    }
