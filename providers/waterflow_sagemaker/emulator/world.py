"""What all jobs of the emulated account share: the machine's site, and the services around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow.emulation.site import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_sagemaker.emulator.calls import Calls
    from waterflow_sagemaker.emulator.identity import Identities
    from waterflow_sagemaker.emulator.logs import Logs
    from waterflow_sagemaker.emulator.objects import Objects

REGION: Final = "us-east-1"
"""The region of whoever names none."""


@dataclass(frozen=True, kw_only=True)
class World(Site):
    """What all jobs of the emulated account share.

    Attributes:
        region: The region it plays.
        endpoint: The variables by which a job reaches it.
        objects: S3.
        logs: CloudWatch Logs.
        identities: The roles that access keys stand for.
        calls: The record of what is asked of IAM.
    """

    region: str
    endpoint: Mapping[str, str]
    objects: Objects
    logs: Logs
    identities: Identities
    calls: Calls
