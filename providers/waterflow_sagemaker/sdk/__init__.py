"""Steps built with the sagemaker SDK (v3), taken into a Waterflow pipeline as container steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import waterflow as wf
from waterflow.language.trace import require
from waterflow.runs.submit import project_root
from waterflow_sagemaker.sdk.request import StepRequest, refuse_kind
from waterflow_sagemaker.sdk.uploads import Uploads, boto_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.language.step import ContainerOutputs

__all__ = ["step"]


def step(
    sdk_step: Any, *, inputs: Mapping[str, object] | None = None, **options: Any
) -> ContainerOutputs:
    """Add a step of the sagemaker SDK to the pipeline that is being traced.

    Args:
        sdk_step: A ProcessingStep or TrainingStep of `sagemaker.mlops.workflow.steps`, whose
            arguments were made under a PipelineSession: by `ScriptProcessor(...).run(...)`,
            `FrameworkProcessor(...).run(...)` or `ModelTrainer(...).train(...)`.
        inputs: Artifacts of Waterflow's steps, or `wf.Data`, for inputs of the SDK's step by their
            names, in place of the S3 addresses that those were given.
        options: As for `wf.container`: `parameters`, named in the SDK's arguments as
            `{parameters.NAME}`, `cache`, `after`, and resources in place of those of the SDK's
            instance type.

    Returns:
        The outputs by name, each a folder: of a processing step its own, of a training step
        `model`.

    Raises:
        DefinitionError: There is no pipeline being traced.
        UnsupportedFeatureError: The step has what cannot be taken.
        ProviderError: The code that the SDK uploaded cannot be fetched.
    """
    root = project_root(require("sdk.step").source)
    if not callable(getattr(sdk_step, "to_request", None)):
        refuse_kind(str(getattr(sdk_step, "name", sdk_step)), f"a {type(sdk_step).__name__}")
    uploads = Uploads(boto_session(sdk_step), root)
    request = StepRequest(sdk_step.to_request(), inputs or {}, uploads)
    return wf.container(
        name=request.name,
        image=request.image(),
        command=request.command(),
        inputs=request.inputs,
        outputs=list(request.outputs),
        **{**request.options(), **options},
    )
