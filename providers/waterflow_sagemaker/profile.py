"""The SageMaker provider's settings, as a profile writes them, and what must hold between them."""

from __future__ import annotations

import re
from typing import Final

from msgspec import field

from waterflow.cloud import settings
from waterflow_sagemaker import images, limits, machines

_ROLE: Final = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_KEY: Final = re.compile(r"[a-zA-Z0-9:/_-]{1,2048}")
_TAG: Final = re.compile(r"[\w\s.:/=+\-@]*")
_RESERVED_TAGS: Final = 5
"""Tags of a resource that are Waterflow's own and AWS's."""


class StepSettings(settings.StepSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's.

    Attributes:
        job: Its kind of job; without one, a training job where it asks for spot machines or for
            several, and a processing job otherwise.
        role: ARN of the execution role of the step's jobs.
        subnets: VPC subnets of its jobs.
        security_groups: VPC security groups of its jobs.
        network_isolation: Whether its containers have no network at all.
        kms_key: Key that encrypts its volumes and outputs: an id, alias or ARN.
        volume_size: GiB of its storage volume.
    """

    job: machines.JobType | None = None
    role: str | None = None
    subnets: list[str] | None = None
    security_groups: list[str] | None = None
    network_isolation: bool | None = None
    kms_key: str | None = None
    volume_size: int | None = None

    def __post_init__(self) -> None:
        self.check(machines.table(), machines.known)
        _check_common(self.role, self.kms_key, self.volume_size)
        _check_network(self.subnets or [], self.security_groups or [])


class SageMakerSettings(
    settings.CloudSettings, forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """Settings of a SageMaker profile.

    Attributes:
        region: The AWS region, such as "eu-central-1".
        role: ARN of the execution role: of the pipelines, and of all jobs without a role of their
            own.
        bucket: The S3 bucket for code, data and results; in the same region.
        subnets: VPC subnets of the jobs; with `security_groups`.
        security_groups: VPC security groups of the jobs; with `subnets`.
        network_isolation: Whether the jobs' containers have no network at all.
        encrypt_traffic: Whether the traffic between the instances of a job is encrypted.
        kms_key: Key that encrypts volumes, outputs and uploads: an id, alias or ARN. By default
            S3's and SageMaker's own keys do.
        volume_size: GiB of a job's storage volume.
        spot_wait: Seconds that a job may wait for a spot machine beyond the time that it may run.
        scheduler_role: ARN of the role with which EventBridge Scheduler starts scheduled runs.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    region: str
    role: str
    bucket: str
    subnets: list[str] = field(default_factory=list[str])
    security_groups: list[str] = field(default_factory=list[str])
    network_isolation: bool = False
    encrypt_traffic: bool = False
    kms_key: str | None = None
    volume_size: int = 30
    spot_wait: int = 3600
    scheduler_role: str | None = None
    steps: dict[str, StepSettings] = field(default_factory=dict[str, StepSettings])

    def __post_init__(self) -> None:
        _check_common(self.role, self.kms_key, self.volume_size)
        _check_network(self.subnets, self.security_groups)
        _check_place(self)
        self.check()
        _check_image(self)
        _check_tags(self.tags)
        if self.scheduler_role is not None:
            _check_role("scheduler_role", self.scheduler_role)
        for machine in self.machines:
            if machine not in machines.table():
                raise ValueError(
                    f'machines names "{machine}", which is not known. {machines.known(machine)}'
                )
        settings.check_least("spot_wait", self.spot_wait, 0)

    def of(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings, those under `pipeline.step` first."""
        return settings.of_step(self.steps, StepSettings(), pipeline, step)


def _check_common(role: str | None, kms_key: str | None, volume: int | None) -> None:
    if role is not None:
        _check_role("role", role)
    if kms_key is not None and not _KEY.fullmatch(kms_key):
        raise ValueError(
            f'kms_key = "{kms_key}" is no key id, alias or ARN, such as "alias/waterflow"'
        )
    if volume is not None and not 1 <= volume <= limits.VOLUME.most:
        raise ValueError(f"volume_size = {volume} is outside 1 to {limits.VOLUME.most} GiB")


def _check_role(name: str, role: str) -> None:
    if not _ROLE.fullmatch(role):
        raise ValueError(
            f'{name} = "{role}" is no ARN of a role, such as '
            '"arn:aws:iam::123456789012:role/waterflow"'
        )


def _check_network(subnets: list[str], groups: list[str]) -> None:
    for ours, theirs, has, lacks in (
        (subnets, groups, "subnets", "security_groups"),
        (groups, subnets, "security_groups", "subnets"),
    ):
        if ours and not theirs:
            raise ValueError(f'{has} needs {lacks} beside it: {lacks} = ["..."]')
    for name, ids, most in (
        ("subnets", subnets, limits.SUBNETS.most),
        ("security_groups", groups, limits.SECURITY_GROUPS.most),
    ):
        if len(ids) > most:
            raise ValueError(f"{name} names {len(ids)}; SageMaker takes at most {most}")


def _check_place(profile: SageMakerSettings) -> None:
    if not _REGION.fullmatch(profile.region):
        raise ValueError(f'region = "{profile.region}" is no AWS region, such as "eu-central-1"')
    if not _BUCKET.fullmatch(profile.bucket):
        raise ValueError(
            f'bucket = "{profile.bucket}" is no name of a bucket: write it without s3:// and '
            "without a path, which is `prefix`"
        )


def _check_image(profile: SageMakerSettings) -> None:
    if profile.image is None and profile.region not in images.ACCOUNTS:
        raise ValueError(
            f'region = "{profile.region}" has no scikit-learn image of AWS. Name your own: '
            'image = "...", python = "3.12"'
        )


def _check_tags(tags: dict[str, str]) -> None:
    own = limits.TAGS.most - _RESERVED_TAGS
    if len(tags) > own:
        raise ValueError(f"tags has {len(tags)} entries; at most {own} are taken")
    longest, value_length = limits.TAG_KEY.most, limits.TAG_VALUE.most
    for key, value in tags.items():
        if not 1 <= len(key) <= longest or not _TAG.fullmatch(key) or key.startswith("aws:"):
            raise ValueError(
                f'tags."{key}" is no tag: 1 to {longest} letters, digits, spaces and . : / = + - '
                "@ _, and not aws: at the start"
            )
        if len(value) > value_length or not _TAG.fullmatch(value):
            raise ValueError(
                f'tags."{key}" = "{value:.40}": a value has at most {value_length} letters, '
                "digits, spaces and . : / = + - @ _"
            )
