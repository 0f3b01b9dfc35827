"""Rules of SageMaker's jobs that its service model does not tell."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.definition.document import as_object, objects
from waterflow_sagemaker.definition.shapes import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from waterflow_sagemaker.definition.document import Json, Problem, Step
    from waterflow_sagemaker.definition.shapes import Path

PROCESSING: Final = "/opt/ml/processing"
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html"""
CHECKPOINTS: Final = "/opt/ml/checkpoints"
"""Where a training job's checkpoints are when CheckpointConfig does not say."""
_RESERVED: Final = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code")
_REFUSED: Final = {
    "RegisterModel": ("CertifyForMarketplace", "Description"),
    "AutoML": ("ModelDeployConfig", "GenerateCandidateDefinitionsOnly"),
}
"""What AWS's own SDK takes out because a pipeline is refused with it (sagemaker.mlops.workflow)."""


def job_problems(step: Step) -> Iterator[Problem]:
    """Yield all that a step's Arguments break."""
    arguments = step.arguments
    for check in _CHECKS.get(step.type, ()):
        yield from check(arguments)
    for name in _REFUSED.get(step.type, ()):
        if name in arguments:
            yield (name,), "found a value; a pipeline is refused with it, leave it out"
    experiment = as_object(arguments.get("ExperimentConfig"))
    for name in experiment:
        if name != "TrialComponentDisplayName":
            yield (
                ("ExperimentConfig", name),
                "found a value; a pipeline gives it itself: set PipelineExperimentConfig",
            )
    yield from _tags(arguments)


def _tags(arguments: Json) -> Iterator[Problem]:
    tags = objects(arguments.get("Tags"))
    yield from _twice(tags, "Key", ("Tags",))
    for index, tag in enumerate(tags):
        if str(tag.get("Key", "")).lower().startswith("aws:"):
            yield ("Tags", index, "Key"), f"found {shown(tag['Key'])}; 'aws:' is reserved"


# --- processing -----------------------------------------------------------------------------------


def _processing(arguments: Json) -> Iterator[Problem]:
    cluster = as_object(as_object(arguments.get("ProcessingResources")).get("ClusterConfig"))
    if cluster and "InstancePreferences" not in cluster:
        for name in ("InstanceType", "InstanceCount"):
            if cluster.get(name) is None:
                path = ("ProcessingResources", "ClusterConfig", name)
                yield path, "found nothing; a value is required"
    inputs = objects(arguments.get("ProcessingInputs"))
    yield from _twice(inputs, "InputName", ("ProcessingInputs",))
    yield from _paths(inputs, ("S3Input", "DatasetDefinition"), ("ProcessingInputs",))
    config = as_object(arguments.get("ProcessingOutputConfig"))
    outputs = objects(config.get("Outputs"))
    where = ("ProcessingOutputConfig", "Outputs")
    yield from _twice(outputs, "OutputName", where)
    yield from _paths(outputs, ("S3Output", "FeatureStoreOutput"), where)


def _paths(entries: list[Json], kinds: tuple[str, str], where: Path) -> Iterator[Problem]:
    """Check where a container finds inputs, or leaves outputs."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        present = [kind for kind in kinds if entry.get(kind) is not None]
        if len(present) != 1:
            words = " and ".join(present) or "neither"
            yield (*where, index), f"found {words}; exactly one is required of {', '.join(kinds)}"
        for kind in present:
            path = (*where, index, kind, "LocalPath")
            local = as_object(entry[kind]).get("LocalPath")
            if local is None and not entry.get("AppManaged") and kind.startswith("S3"):
                yield path, f"found nothing; a folder below {PROCESSING} is required"
            if not isinstance(local, str):
                continue
            plain = posixpath.normpath(local)
            if not in_processing(local):
                yield path, f"found {shown(local)}; it must be below {PROCESSING}"
            elif plain in seen:
                yield path, f"found {shown(local)}; entry {seen[plain]} has the same LocalPath"
            seen.setdefault(plain, index)


# --- training -------------------------------------------------------------------------------------


def _training(arguments: Json) -> Iterator[Problem]:
    algorithm = arguments.get("AlgorithmSpecification")
    serverless = "ServerlessJobConfig" in arguments
    if algorithm is None and not serverless:
        yield ("AlgorithmSpecification",), "found nothing; a value is required"
    elif isinstance(algorithm, dict):
        names = ("TrainingImage", "AlgorithmName")
        present = [name for name in names if as_object(algorithm).get(name) is not None]
        if len(present) != 1:
            words = " and ".join(present) or "neither"
            yield (
                ("AlgorithmSpecification",),
                f"found {words}; exactly one is required of {', '.join(names)}",
            )
        metrics = objects(as_object(algorithm).get("MetricDefinitions"))
        yield from _twice(metrics, "Name", ("AlgorithmSpecification", "MetricDefinitions"))
    yield from _twice(
        objects(arguments.get("InputDataConfig")), "ChannelName", ("InputDataConfig",)
    )
    if not serverless:
        yield from _resources(arguments)
        if arguments.get("StoppingCondition") is None:
            yield ("StoppingCondition",), "found nothing; MaxRuntimeInSeconds is required"
    yield from _spot(arguments)


def _resources(arguments: Json) -> Iterator[Problem]:
    resources = arguments.get("ResourceConfig")
    if resources is None:
        yield ("ResourceConfig",), "found nothing; a value is required"
        return
    members = as_object(resources)
    if not members or "InstancePreferences" in members:
        return
    groups = members.get("InstanceGroups")
    for name in ("InstanceType", "InstanceCount"):
        path = ("ResourceConfig", name)
        value = members.get(name)
        if groups is None and value is None:
            yield path, "found nothing; a value is required"
        elif groups is not None and value is not None:
            yield path, f"found {shown(value)}; it cannot stand beside InstanceGroups"
    if members.get("InstanceCount") == 0:
        yield ("ResourceConfig", "InstanceCount"), "found 0; at least 1 is required"
    for index, group in enumerate(objects(groups)):
        if group.get("InstanceCount") == 0:
            path = ("ResourceConfig", "InstanceGroups", index, "InstanceCount")
            yield path, "found 0; at least 1 is required"


def _spot(arguments: Json) -> Iterator[Problem]:
    """Check interruptible machines.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
    """
    stopping = as_object(arguments.get("StoppingCondition"))
    longest, waits = stopping.get("MaxRuntimeInSeconds"), stopping.get("MaxWaitTimeInSeconds")
    path = ("StoppingCondition", "MaxWaitTimeInSeconds")
    spot = arguments.get("EnableManagedSpotTraining")
    if spot is True and waits is None:
        yield path, "found nothing; EnableManagedSpotTraining requires a value"
    if spot is not True and waits is not None and not isinstance(spot, dict):
        yield path, f"found {shown(waits)}; only EnableManagedSpotTraining allows it"
    if isinstance(waits, int) and isinstance(longest, int) and waits < longest:
        yield path, f"found {waits}; at least MaxRuntimeInSeconds, {longest}, is required"
    local = as_object(arguments.get("CheckpointConfig")).get("LocalPath")
    if isinstance(local, str) and _below(local, _RESERVED):
        yield (
            ("CheckpointConfig", "LocalPath"),
            f"found {shown(local)}; the folder is SageMaker's own, take {CHECKPOINTS}",
        )


def in_processing(path: str) -> bool:
    """Return whether a processing job may have an input or output at a path."""
    return posixpath.normpath(path).startswith(f"{PROCESSING}/")


def _below(path: str, folders: Iterable[str]) -> bool:
    plain = posixpath.normpath(path)
    return any(plain == folder or plain.startswith(f"{folder}/") for folder in folders)


# --- models and transforms ------------------------------------------------------------------------


def _transform(arguments: Json) -> Iterator[Problem]:
    if as_object(arguments.get("TransformResources")).get("InstanceCount") == 0:
        yield ("TransformResources", "InstanceCount"), "found 0; at least 1 is required"


def _model(arguments: Json) -> Iterator[Problem]:
    present = [
        name for name in ("PrimaryContainer", "Containers") if arguments.get(name) is not None
    ]
    if len(present) != 1:
        words = " and ".join(present) or "neither"
        yield (), f"found {words}; exactly one is required of PrimaryContainer, Containers"


def _twice(entries: list[Json], key: str, where: Path) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.get(key)
        if isinstance(name, str):
            if name in seen:
                words = f"found {shown(name)}; entry {seen[name]} has the same {key}"
                yield (*where, index, key), words
            seen.setdefault(name, index)


_CHECKS: Final[Mapping[str, tuple[Callable[[dict[str, Any]], Iterator[Any]], ...]]] = {
    "Processing": (_processing,),
    "QualityCheck": (_processing,),
    "ClarifyCheck": (_processing,),
    "Training": (_training,),
    "Transform": (_transform,),
    "Model": (_model,),
}
