"""The settings of a profile of the toy cloud."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ToySettings(Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of a profile.

    Attributes:
        bucket: The bucket for code, data and results.
        prefix: What all names in it, and those of all pipelines, begin with.
        image: The image of all steps.
        python: The Python of that image.
        libraries: "wheelhouse" brings a step's libraries to its jobs; "image" expects them there.
        cache_days: Days for which a step's result may stand for it.
        poll: Seconds between two looks at a run.
    """

    bucket: str
    prefix: str = "waterflow"
    image: str = "python:3.11"
    python: str = "3.11"
    libraries: Literal["wheelhouse", "image"] = "wheelhouse"
    cache_days: int = 30
    poll: float = 5.0
