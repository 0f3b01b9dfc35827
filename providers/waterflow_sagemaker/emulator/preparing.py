"""What a profile's stack would have made on AWS: its bucket, its roles, its key, its images."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import ConfigurationError
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.world import REGION
from waterflow_sagemaker.images import ACCOUNTS
from waterflow_sagemaker.profile import SageMakerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from waterflow.project.profile import Profile

_ROLE: Final = re.compile(r"arn:([\w-]+):iam::(\d{12}):role(/(?:.*/)?)([^/]+)")
_ALIAS: Final = re.compile(r"(?:arn:[\w-]+:kms:([\w-]+):(\d{12}):)?(alias/.+)")
_IMAGE: Final = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.[^/]+/([^:@]+)(?:[:@].+)?")

Thing = list[str]
"""A kind of thing and its name, as the profile writes it."""


def named_things(profile: Profile) -> list[Thing]:
    """Return what a profile's settings name and its stack would have made.

    Args:
        profile: A profile of SageMaker.

    Raises:
        ConfigurationError: Its settings cannot be read.
    """
    settings = profile.convert(SageMakerSettings)
    every = (settings, *settings.steps.values())
    named = [
        ("bucket", settings.bucket),
        *(("role", one.role) for one in every),
        ("scheduler's role", settings.scheduler_role),
        *(("key", one.kms_key) for one in every),
        *(("repository", one.image) for one in every),
    ]
    return [[kind, name] for kind, name in dict.fromkeys(named) if name]


def option(profiles: Iterable[Profile]) -> tuple[str, list[str]]:
    """Return what profiles want as the option of the service's process, and what cannot be read.

    Args:
        profiles: Profiles of SageMaker.
    """
    things: dict[str, list[Thing]] = {}
    lines: list[str] = []
    for profile in profiles:
        try:
            things[profile.name] = named_things(profile)
        except ConfigurationError as error:
            lines.append(f"Nothing is made for profile '{profile.name}': {error}")
    return json.dumps(things), lines


def prepare(text: str) -> Iterator[str]:
    """Make in this process what is not there yet, and yield a line for each thing made.

    Args:
        text: What `option` returned.
    """
    by_profile: dict[str, list[Thing]] = json.loads(text)
    for profile, things in by_profile.items():
        for kind, name in things:
            new = _MAKERS[kind](name)
            if new is not None:
                yield f"Made for profile '{profile}': {kind} {new}"


# Each returns what it made, and None where it is there or is not this account's to make.


def _bucket(name: str) -> str | None:
    from moto.s3.models import s3_backends

    backend = s3_backends[ACCOUNT]["aws"]
    if name in backend.buckets:
        return None
    backend.create_bucket(name, REGION)
    return name


def _role(service: str) -> Callable[[str], str | None]:
    def make(arn: str) -> str | None:
        from moto.iam.models import iam_backends

        match = _ROLE.fullmatch(arn)
        if match is None:
            return None
        partition, account, path, name = match.groups()
        backend: Any = iam_backends[account][partition]
        if any(role.name == name for role in backend.get_roles()):
            return None
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }
        backend.create_role(
            name,
            json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            path,
            None,
            "made by waterflow emulate",
            [],
            "3600",
        )
        return arn

    return make


def _key(name: str) -> str | None:
    from moto.kms.models import kms_backends

    match = _ALIAS.fullmatch(name)
    if match is None:
        return None  # KMS itself chooses the ids of keys
    region, account, alias = match.groups()
    backend: Any = kms_backends[account or ACCOUNT][region or REGION]
    if backend.alias_exists(alias):
        return None
    key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "waterflow", None)
    backend.create_alias(key.id, alias)
    return name


def _repository(image: str) -> str | None:
    from moto.ecr.models import ecr_backends

    match = _IMAGE.fullmatch(image)
    if match is None or match[1] in ACCOUNTS.values():
        return None
    account, region, name = match.groups()
    backend: Any = ecr_backends[account][region]
    if name in backend.repositories:
        return None
    backend.create_repository(name, None, None, None, None, [])
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{name}"


_MAKERS: Final[dict[str, Callable[[str], str | None]]] = {
    "bucket": _bucket,
    "role": _role("sagemaker.amazonaws.com"),
    "scheduler's role": _role("scheduler.amazonaws.com"),
    "key": _key,
    "repository": _repository,
}
