"""What a profile's stack would have made on AWS: its bucket, its roles, its key, its images."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import ConfigurationError
from waterflow_sagemaker.emulator.identity import ROLE
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.images import ACCOUNTS
from waterflow_sagemaker.profile import SageMakerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from waterflow.emulation.preparing import Wish
    from waterflow.project.profile import Profile
    from waterflow_sagemaker.emulator.identity import Identities

_ROLE: Final = re.compile(r"arn:([\w-]+):iam::(\d{12}):role(/(?:.*/)?)([^/]+)")
_FULL_ACCESS: Final = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
_ALIAS: Final = re.compile(r"(?:arn:[\w-]+:kms:([\w-]+):(\d{12}):)?(alias/.+)")
_IMAGE: Final = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.[^/]+/([^:@]+)(?:[:@].+)?")

Thing = list[str]
"""A kind of thing and its name, as the profile writes it."""


def named_things(profile: Profile) -> Wish:
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
    things = [[kind, name] for kind, name in dict.fromkeys(named) if name]
    return {"region": settings.region, "things": things}


def region(profiles: Iterable[Profile]) -> str | None:
    """Return the region of the first profile that names one; None when none does.

    Args:
        profiles: Profiles of SageMaker.
    """
    for profile in profiles:
        with contextlib.suppress(ConfigurationError):
            return profile.convert(SageMakerSettings).region
    return None


def prepare(text: str, identities: Identities) -> Iterator[str]:
    """Make in this process what is not there yet, and yield a line for each thing made.

    Whoever uses the emulator has the first role of this account that a profile names, as in a
    notebook that was given it; without one, a role that SageMaker's console would have made.

    Args:
        text: What `option` returned.
        identities: Told whose identity that is.
    """
    by_profile: dict[str, Wish] = json.loads(text)
    for profile, wish in by_profile.items():
        for kind, name in wish["things"]:
            new = _MAKERS[kind](name, wish)
            if new is not None:
                yield f"Made for profile '{profile}': {kind} {new}"
    roles = [
        name
        for wish in by_profile.values()
        for kind, name in wish["things"]
        if kind == "role" and name.split(":")[4] == ACCOUNT
    ]
    identities.role = next(iter(roles), ROLE)
    _make_role(identities.role, "sagemaker.amazonaws.com", {})


# Each returns what it made, and None where it is there or is not this account's to make.


def _bucket(name: str, wish: Wish) -> str | None:
    from moto.s3.models import s3_backends

    backend = s3_backends[ACCOUNT]["aws"]
    if name in backend.buckets:
        return None
    backend.create_bucket(name, wish["region"])
    return name


def _role(arn: str, wish: Wish) -> str | None:
    """Make a role of pipelines and jobs: it may do all with SageMaker, and use the bucket."""
    buckets = [f"arn:aws:s3:::{name}" for kind, name in wish["things"] if kind == "bucket"]
    objects = [f"{bucket}/*" for bucket in buckets]
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": objects},
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": buckets,
            },
        ],
    }
    return arn if _make_role(arn, "sagemaker.amazonaws.com", {"waterflow": policy}) else None


def _scheduler_role(arn: str, wish: Wish) -> str | None:
    """Make a role of schedules: it may start pipelines."""
    start = {
        "Effect": "Allow",
        "Action": "sagemaker:StartPipelineExecution",
        "Resource": f"arn:aws:sagemaker:{wish['region']}:{ACCOUNT}:pipeline/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [start]}
    return arn if _make_role(arn, "scheduler.amazonaws.com", {"waterflow": policy}) else None


def _make_role(arn: str, service: str, policies: dict[str, dict[str, Any]]) -> bool:
    """Make a role that a service may assume; return whether it was not there.

    Args:
        arn: The role's ARN.
        service: The service, such as "sagemaker.amazonaws.com".
        policies: The documents of its inline policies, by name.
    """
    from moto.iam.models import iam_backends

    match = _ROLE.fullmatch(arn)
    if match is None:
        return False
    partition, account, path, name = match.groups()
    backend: Any = iam_backends[account][partition]
    if any(role.name == name for role in backend.get_roles()):
        return False
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    backend.create_role(name, document, path, None, "made by waterflow emulate", [], "3600")
    if service.startswith("sagemaker"):
        backend.attach_role_policy(_FULL_ACCESS.replace("arn:aws:", f"arn:{partition}:"), name)
    for policy, text in policies.items():
        backend.put_role_policy(name, policy, json.dumps(text))
    return True


def _key(name: str, wish: Wish) -> str | None:
    from moto.kms.models import kms_backends

    match = _ALIAS.fullmatch(name)
    if match is None:
        return None  # KMS itself chooses the ids of keys
    region, account, alias = match.groups()
    backend: Any = kms_backends[account or ACCOUNT][region or wish["region"]]
    if backend.alias_exists(alias):
        return None
    key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "waterflow", None)
    backend.create_alias(key.id, alias)
    return name


def _repository(image: str, _wish: Wish) -> str | None:
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


_MAKERS: Final[dict[str, Callable[[str, Wish], str | None]]] = {
    "bucket": _bucket,
    "role": _role,
    "scheduler's role": _scheduler_role,
    "key": _key,
    "repository": _repository,
}
