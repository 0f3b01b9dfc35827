"""A register step's work: hands the model, verified, to the registry with what the job knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import TrackingError
from waterflow.runtime import contract
from waterflow.tracking.upstream import EXPERIMENT, STARTED, URI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.artifacts.folder import Manifest

TAGS: Final = "WATERFLOW_RUN_TAGS"

__all__ = ["EXPERIMENT", "STARTED", "TAGS", "URI", "register"]


def register(
    file: contract.StepFile, model: Path, manifest: Manifest, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Register a model and return its name, version and uri.

    Args:
        file: STEP.json.
        model: The model's artifact folder.
        manifest: Its manifest, verified.
        arguments: `name`, and where given `alias`, `example` and `metrics`.

    Raises:
        TrackingError: The registry cannot be reached, or the job was told of none.
        ArtifactError: The artifact is no model that can be registered.
    """
    from waterflow.tracking.registration import register as make_version

    uri = os.environ.get(URI)
    if not uri:
        raise TrackingError(
            f"The job knows no registry: {URI} is not set. Name one in the profile: "
            "[tracking] uri = ..."
        )
    bundle, _ = contract.source_folders()
    version = make_version(
        model,
        name=arguments["name"],
        alias=arguments.get("alias"),
        example=arguments.get("example"),
        metrics=arguments.get("metrics"),
        trusted_types=file.trusted_types,
        tracking_uri=uri,
        experiment=os.environ.get(EXPERIMENT) or file.pipeline,
        execution=contract.execution_id(file),
        step=file.step,
        attempt=contract.attempt(),
        run_started_ms=int(os.environ.get(STARTED, "0")),
        artifact_sha256=manifest.sha256 or "",
        tags=json.loads(os.environ.get(TAGS, "{}")),
        code=Path(bundle) if bundle else None,
    )
    return {name: version[name] for name in ("name", "version", "uri")}
