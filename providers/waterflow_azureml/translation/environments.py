"""What a job runs in: an Azure ML environment, whose version Azure's SDK makes of its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE: Final = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
"""Azure ML's own base image, with Open MPI; its Python comes by conda.
https://github.com/Azure/AzureML-Containers"""
REGISTERED: Final = re.compile(r"azureml:(//registries/)?[^\s]+")
"""An environment of the workspace or of a registry, in place of an image."""


def environment(image: str, python: str | None, pins: Sequence[str]) -> str | dict[str, Any]:
    """Return the environment of a job.

    Args:
        image: The image, or the name of an environment that is registered.
        python: The Python that conda installs; None for an image that has its own.
        pins: What pip installs when Azure builds the image.
    """
    if REGISTERED.fullmatch(image):
        return image
    environment: dict[str, Any] = {"image": image}
    if python is not None or pins:
        dependencies: list[Any] = [f"python={python}", "pip"] if python is not None else ["pip"]
        if pins:
            dependencies.append({"pip": list(pins)})
        environment["conda_file"] = {
            "name": "waterflow",
            "channels": ["conda-forge"],
            "dependencies": dependencies,
        }
    return environment
