"""Looking, for `waterflow doctor`, at what runs on a cloud need: who asks, the bucket, images."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

from waterflow.errors import ConfigurationError, PermissionDeniedError, WaterflowError
from waterflow.provider import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow import spec
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service

CREDENTIALS = "credentials"


def examine(
    service: Service[Any], bucket: Bucket, pipeline: spec.Pipeline | None
) -> Iterator[Check]:
    """Look at who asks and at the bucket, then at what the cloud itself knows of.

    Args:
        service: The cloud.
        bucket: The profile's bucket.
        pipeline: A pipeline whose own needs are looked at too.
    """
    try:
        who = service.identity()
    except WaterflowError as error:
        # Nothing else can be asked, and would only be told the same.
        yield Check.of(CREDENTIALS, error, "broken")
        return
    if who is not None:
        yield Check(CREDENTIALS, "ok", who)
    yield from looked_at("bucket", lambda: _used(bucket))
    yield from service.examine(pipeline)


def looked_at(
    name: str, look: Callable[[], str | Check], *, needed: bool = True
) -> Iterator[Check]:
    """Yield what came of a look: what was found, or why it is broken.

    Args:
        name: What is looked at.
        look: Returns what was found, in words or as a finding of its own.
        needed: Whether a run does with it what the look does: where it does not, that it may not
            be looked at is a warning.
    """
    try:
        finding = look()
    except PermissionDeniedError as error:
        yield Check.of(name, error, "broken" if needed else "warning")
    except WaterflowError as error:
        yield Check.of(name, error, "broken")
    else:
        yield finding if isinstance(finding, Check) else Check(name, "ok", finding)


def _used(bucket: Bucket) -> str:
    """Write, read and remove an object, as runs do."""
    name, content = f"doctor/{secrets.token_hex(8)}", b"waterflow doctor"
    bucket.put(name, content)
    try:
        if bucket.get(name) != content:
            raise ConfigurationError(
                f"{bucket.uri()} does not give back what was written. Look at the store"
            )
    finally:
        bucket.delete(name)
    return f"{bucket.uri()} can be written and read"


def python_check(name: str, image: str, python: str | None, where: str) -> Check:
    """Compare an image's Python with the one that pipelines are submitted from.

    Args:
        name: What is looked at.
        image: The image.
        python: Its Python, as the profile says.
        where: The part of the profile that names it, as it is written in waterflow.toml.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python is None:
        return Check(
            name,
            "broken",
            f"{image}: the profile does not say which Python it has",
            f'Write under [{where}]: python = "{here}"',
        )
    if python != here:
        return Check(
            name,
            "broken",
            f"{image} has Python {python}, and this environment {here}",
            f"Work in Python {python}, or name an image with Python {here} under [{where}]",
        )
    return Check(name, "ok", f"{image}, Python {python}")
