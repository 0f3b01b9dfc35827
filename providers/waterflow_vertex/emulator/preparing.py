"""What profiles name is there when the emulator has started: projects, buckets, accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.emulation.preparing import Wish
    from waterflow.project.profile import Profile
    from waterflow_vertex.emulator.world import World

PROJECT: Final = "waterflow"
REGION: Final = "us-central1"
BUCKET: Final = "waterflow-data"
"""The project, region and bucket that are there for whoever names none."""


def named_things(profile: Profile) -> Wish:
    """Return what a profile's settings name and its stack would have made.

    Args:
        profile: A profile of Vertex AI.

    Raises:
        ConfigurationError: Its settings cannot be read.
    """
    from waterflow_vertex.profile import VertexSettings

    settings: Any = profile.convert(VertexSettings)
    every = (settings, *getattr(settings, "steps", {}).values())
    accounts = [getattr(one, "service_account", "") for one in every]
    return {
        "project": settings.project,
        "region": settings.region,
        "bucket": settings.bucket,
        "accounts": list(dict.fromkeys(one for one in accounts if one)),
        "key": getattr(settings, "kms_key", ""),
    }


def prepare(world: World, text: str) -> Iterator[str]:
    """Make what is not there yet, and yield a line for each thing made.

    Args:
        world: The cloud.
        text: What profiles name.
    """
    wishes: dict[str, Wish] = json.loads(text)
    usual: Wish = {
        "project": PROJECT, "region": REGION, "bucket": BUCKET, "accounts": [], "key": ""
    }  # fmt: skip
    for name, wish in wishes.items():
        for thing in _made(world, wish):
            yield f"Made for profile '{name}': {thing}"
    if not wishes:
        for thing in _made(world, usual):
            yield f"Made: {thing}"
    first = next(iter(wishes.values()), usual)["project"]
    world.identities.hand_out(first)
    world.projects.add_account(world.identities.submitter)


def _made(world: World, wish: Wish) -> Iterator[str]:
    if not wish["project"]:
        raise ConfigurationError("The profile names no project: set `project`.")
    project = world.projects.find(wish["project"])
    if project is None:
        project = world.projects.make(wish["project"], world.clock.now())
        yield f"project {project.id} (number {project.number})"
    bucket = wish["bucket"].removeprefix("gs://").strip("/")
    if bucket and world.buckets.find(bucket) is None:
        about: dict[str, Any] = {"location": wish["region"], "versioning": {"enabled": True}}
        if wish["key"]:
            about["encryption"] = {"defaultKmsKeyName": wish["key"]}
        world.buckets.make(bucket, project.number, about)
        yield f"bucket gs://{bucket}"
    for account in wish["accounts"]:
        if world.projects.account(account) is None:
            world.projects.add_account(account)
            yield f"service account {account}"
