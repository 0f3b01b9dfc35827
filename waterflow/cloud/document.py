"""A pipeline as it was compiled for a cloud: the native document, and what its jobs need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from waterflow.data.fingerprints import text_digest
from waterflow.provider import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Build

Encoding = Literal["data", "integer", "number", "text", "json"]
"""How a parameter's value travels: as the address of data, as a native whole number or number, as
a text as it is, or as JSON text."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """What a job must be given besides its inputs: its programs, its code and STEP.json.

    Attributes:
        digest: The digest under which it is kept.
        source: The spec's step whose bundle is the code.
        launch: launch.json: how the job is begun and where its outputs go.
        step: STEP.json.
    """

    digest: str
    source: str
    launch: Mapping[str, Any]
    step: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wheelhouse:
    """The wheels that a job installs.

    Attributes:
        platform: The platform of the wheels, such as "manylinux_2_28_x86_64".
        python: The Python version, such as "3.12".
        requirements: Requirements, pinned, in order.
        contents: Digest of what is installed here under these versions: of the same versions with
            another content the wheels are others.
    """

    platform: str
    python: str
    requirements: tuple[str, ...]
    contents: str = ""


@dataclass(frozen=True, kw_only=True)
class CloudDocument(Document):
    """A pipeline compiled for a cloud.

    Each provider derives its own from it. What is needed after compilation is a field: nobody
    reads settings back out of `content`, which is for people, prints and comparisons.

    Attributes:
        pipeline: The native pipeline's name.
        definition: The native document that runs, as plain data; nothing of a run is in it.
        tags: The lineage of its runs.
        build: The name of the object, below the profile's prefix, with the spec, lock file and
            data of this build.
        control: Native step -> what its jobs are given.
        wheelhouses: Digest -> the wheelhouse of jobs that name it.
        data: URI of outside data -> where it lies for the jobs.
        copies: URI of outside data -> the name, below the profile's prefix, under which a copy
            of it is kept; what jobs read where it is has none.
        none: Where an optional data parameter points to that has no value.
        encodings: Parameter -> how its value travels; static ones are not there.
        unsent: Parameter -> the default that a start does not say, where the cloud takes it as a
            default only.
    """

    pipeline: str
    definition: Mapping[str, Any]
    tags: Mapping[str, str]
    build: str
    control: Mapping[str, Control]
    wheelhouses: Mapping[str, Wheelhouse]
    data: Mapping[str, str]
    copies: Mapping[str, str]
    none: str
    encodings: Mapping[str, Encoding]
    unsent: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def job_content(self, build: Build) -> dict[str, Any]:
        """Return what its jobs need as plain data, for `content`.

        Args:
            build: What it was compiled from.
        """
        control = {
            native: {
                "digest": control.digest,
                "launch": control.launch,
                "step": control.step,
                "bundle": bundle.digest if (bundle := build.bundles.get(control.source)) else None,
                "code": build.code(control.source),
                "source": control.source,
            }
            for native, control in self.control.items()
        }
        wheelhouses = {
            digest: {
                "platform": wheelhouse.platform,
                "python": wheelhouse.python,
                "requirements": list(wheelhouse.requirements),
            }
            for digest, wheelhouse in self.wheelhouses.items()
        }
        return {
            "control": control,
            "wheelhouses": wheelhouses,
            "data": self.data,
            "none": self.none,
        }


def build_key(tags: Mapping[str, str]) -> str:
    """Return the key, below the profile's prefix, under which a build is kept.

    It is the same for the same spec, code, lock and data: nothing of a run is in it.

    Args:
        tags: The lineage of its runs.
    """
    return f"builds/{text_digest(json.dumps(tags, sort_keys=True))}.json"
