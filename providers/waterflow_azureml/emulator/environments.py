"""The environments of jobs: which image stands for each, and the build of one that needs it."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from waterflow_azureml.emulator.addresses import resource_name

if TYPE_CHECKING:
    from waterflow.emulation.images import Images
    from waterflow_azureml.emulator.resources import Resources

BUILD_LOG: Final = "azureml-logs/20_image_build_log.txt"
"""The name of the log of an image's build."""
_REGISTRY: Final = "azureml://registries/"


class EnvironmentMissingError(Exception):
    """There is no such environment."""


class BuildError(Exception):
    """An image cannot be built; its text says why."""


@dataclass(frozen=True)
class Environment:
    """An environment that a job names.

    Attributes:
        name: Its name and version.
        image: The image, or the one that it is built on.
        conda: Its conda file; "" for none.
        context: Where the files of its Docker build are; "" for none.
        digest: Of its definition.
    """

    name: str
    image: str
    conda: str
    context: str
    digest: str

    @property
    def built(self) -> bool:
        """Whether it is an image of its own that must be built."""
        return bool(self.conda or self.context)

    def requirements(self) -> list[str]:
        """Return what its conda file asks for.

        Raises:
            BuildError: The file cannot be read.
        """
        try:
            held: Any = yaml.safe_load(self.conda) if self.conda else {}
        except yaml.YAMLError as error:
            raise BuildError(f"the conda file is no YAML: {error}") from None
        if held is None or not isinstance(held, dict):
            raise BuildError("the conda file says no dependencies")
        listed: list[Any] = cast("dict[str, Any]", held).get("dependencies") or []
        if not isinstance(cast("Any", listed), list):
            raise BuildError("the conda file's dependencies are no list")
        asked: list[str] = []
        for one in listed:
            asked += [str(each) for each in one.get("pip", ())] if isinstance(one, dict) else [one]
        return asked


class Environments:
    """The environments of workspaces, and which of their images were built.

    Args:
        resources: Where their documents are.
        images: What stands for images here.
    """

    def __init__(self, resources: Resources, images: Images) -> None:
        self._resources, self._images = resources, images
        self._built: set[str] = set()
        self._lock = threading.Lock()

    def get(self, identity: str) -> Environment:
        """Return an environment.

        Args:
            identity: Its ARM id, or its address in a registry.

        Raises:
            EnvironmentMissingError: There is none.
        """
        if identity.startswith(_REGISTRY):
            # The registry's images are Microsoft's: what stands for one here is known by its name.
            name = identity.partition("/environments/")[2].partition("/")[0]
            return Environment(name, name, "", "", hashlib.sha256(identity.encode()).hexdigest())
        record = self._resources.get(identity.removeprefix("azureml:"))
        if record is None and "/labels/" in identity:
            record = self._newest(identity.partition("/labels/")[0])
        if record is None:
            raise EnvironmentMissingError(f"There is no environment '{identity}'.")
        properties, build = record.properties, record.properties.get("build") or {}
        defined = {key: properties.get(key) for key in ("image", "condaFile", "build", "osType")}
        container, _, version = record.id.rpartition("/versions/")
        return Environment(
            f"{resource_name(container)}:{version}",
            str(properties.get("image") or ""),
            str(properties.get("condaFile") or ""),
            str(build.get("contextUri") or ""),
            hashlib.sha256(json.dumps(defined, sort_keys=True).encode()).hexdigest(),
        )

    def image(self, environment: Environment) -> str:
        """Return the image whose stand-in runs an environment's jobs: `--image` may name either."""
        for name in (environment.name, environment.name.rpartition(":")[0]):
            if name and self._images.find(name) is not None:
                return name
        return environment.image or environment.name

    def needs_build(self, environment: Environment) -> bool:
        """Return whether an environment's image must be built before a job can run."""
        return environment.built and environment.digest not in self._built

    def build(self, environment: Environment) -> list[str]:
        """Build an image, and return the log of it.

        What stands for the image has its libraries already; what is done here is to read what the
        environment asks for, as the service's build does first.

        Raises:
            BuildError: It cannot be built.
        """
        lines = [f"Building the image of environment {environment.name}"]
        lines += [f"FROM {environment.image}"] if environment.image else []
        lines += [f"Requirement: {one}" for one in environment.requirements()]
        with self._lock:
            self._built.add(environment.digest)
        return [*lines, "Image built and pushed"]

    def _newest(self, container: str) -> Any:
        listed = self._resources.below(container.removeprefix("azureml:"), "environments/versions")
        return max(listed, key=lambda one: one.created, default=None)

    def snapshot(self) -> list[str]:
        """Return which images were built, as JSON."""
        return sorted(self._built)

    def restore(self, saved: list[str]) -> None:
        """Take those of a snapshot."""
        self._built = set(saved)
