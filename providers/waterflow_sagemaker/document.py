"""A pipeline as it was compiled for SageMaker: what its own parts read after compilation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waterflow.cloud.document import CloudDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Document


@dataclass(frozen=True, kw_only=True)
class SchedulerSettings:
    """What keeps a pipeline's schedule.

    Attributes:
        group: The schedule group.
        role: ARN of the role by which pipelines are started; None where the profile names none.
    """

    group: str
    role: str | None


@dataclass(frozen=True, kw_only=True)
class SageMakerDocument(CloudDocument):
    """A pipeline compiled for SageMaker; `definition` is its pipeline definition as an object.

    Attributes:
        region: The AWS region.
        bucket: The bucket of code, data and results.
        prefix: What all keys in it begin with, without slashes at its ends.
        role: ARN of the pipeline's role.
        resource_tags: The tags of the pipeline as an AWS resource, sorted by key.
        description: The pipeline's description, as long as AWS takes it.
        parallel: Steps that run at a time; None for AWS's own bound.
        scheduler: What keeps its schedule; None for a pipeline that has none.
    """

    region: str
    bucket: str
    prefix: str
    role: str
    resource_tags: Mapping[str, str]
    description: str
    parallel: int | None
    scheduler: SchedulerSettings | None

    def request(self, definition: Any) -> dict[str, Any]:
        """Return the request of CreatePipeline.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html

        Args:
            definition: The definition in the form that is needed: AWS takes JSON text.
        """
        request: dict[str, Any] = {
            "PipelineName": self.pipeline,
            "PipelineDisplayName": self.pipeline,
            "PipelineDescription": self.description,
            "RoleArn": self.role,
            "Tags": [{"Key": key, "Value": value} for key, value in self.resource_tags.items()],
            "PipelineDefinition": definition,
        }
        if self.parallel is not None:
            request["ParallelismConfiguration"] = {"MaxParallelExecutionSteps": self.parallel}
        return request


def own(document: Document) -> SageMakerDocument:
    """Return a document as the one that this provider compiled.

    Raises:
        TypeError: It is another provider's.
    """
    if not isinstance(document, SageMakerDocument):
        raise TypeError(f"A document of provider '{document.provider}' is none of SageMaker's")
    return document
