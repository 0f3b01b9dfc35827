"""The provider of the toy cloud: glue between the contract and the adapter's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.cloud.provider import CloudProvider, own
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities
from waterflow_toycloud import limits
from waterflow_toycloud.checks import document_errors
from waterflow_toycloud.compiler import compile_toy, pipeline_name, programs
from waterflow_toycloud.profile import ToySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.provider import Build, Document, Limit
    from waterflow.provider.schedules import Schedules


class ToyProvider(CloudProvider[ToySettings]):
    """Runs pipelines on the toy cloud."""

    name: ClassVar[str] = "toycloud"
    settings_type = ToySettings

    @property
    def capabilities(self) -> Capabilities:
        """What the toy cloud can do with this profile."""
        return Capabilities(
            instances=limits.HOSTS.most,
            spot=True,
            parameter_length=limits.PARAMETER.most,
            timeouts=True,
            requirements=self.settings.libraries == "wheelhouse",
            resume=True,
            keep_going=True,
            content_cache=False,
            tracks_later=True,
        )

    def make_bucket(self) -> Bucket:
        """Return the profile's bucket."""
        from waterflow_toycloud.service import bucket

        return bucket(self.settings)

    def make_service(self) -> Service[Any]:
        """Return the toy cloud."""
        from waterflow_toycloud.service import ToyService

        return ToyService(self.settings, self.bucket)

    @property
    def where(self) -> str:
        """Where runs are looked for, for messages."""
        return f"a pipeline '{pipeline_name(self.settings.prefix, '...')}' in the toy cloud"

    @property
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step."""
        return programs()

    def compile(self, build: Build) -> CloudDocument:
        """Translate a pipeline."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_toy(build, self.settings, self.profile)

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of the toy cloud that a document violates."""
        del build
        return document_errors(own(document))

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of the limits a pipeline uses."""
        return limits.used(own(document))

    def schedules(self) -> Schedules:
        """Return the profile's schedules."""
        from waterflow_toycloud.schedules import ToySchedules

        return ToySchedules(
            self.settings.prefix,
            lambda build, document: self.starter.deploy(build, document).address,
        )
