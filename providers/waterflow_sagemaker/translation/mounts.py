"""What a job is given as mounts: one for each step it reads from, one for each outside data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from waterflow import spec
from waterflow.data.stores import scheme_of
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.job import leaves
from waterflow_sagemaker import limits
from waterflow_sagemaker.machines import as_training
from waterflow_sagemaker.translation.naming import S3_SCHEMES, s3_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_sagemaker.machines import JobType


PROCESSING_INPUT: Final = "/opt/ml/processing/input"
PROCESSING_OUTPUT: Final = "/opt/ml/processing/output"
TRAINING_INPUT: Final = "/opt/ml/input/data"
TRAINING_OUTPUT: Final = "/opt/ml/model"


@dataclass(frozen=True)
class Mount:
    """One input of a job.

    Attributes:
        name: Its name: of a processing input, or of a channel.
        path: Where it lies in the container.
        uri: The S3 URI, or the expression that gives it.
    """

    name: str
    path: str
    uri: Any


@dataclass
class Mounts:
    """All inputs of a job.

    Attributes:
        mounts: What SageMaker puts in place.
        inputs: Name on the runtime's command line -> where it is, as launch.json says it.
        producers: Native step -> the mount that holds its outputs, as launch.json says it.
        paths: Name on the command line -> its path in the container.
    """

    mounts: list[Mount] = field(default_factory=list[Mount])
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    producers: dict[str, str] = field(default_factory=dict[str, str])
    paths: dict[str, str] = field(default_factory=dict[str, str])


def artifacts_of(native: str, kind: JobType) -> dict[str, Any]:
    """Return the expression for the S3 URI that a step's outputs lie under.

    It ends in a slash: S3 finds by what keys begin with, and `train` begins `train_eval` too.

    Args:
        native: The step's native name.
        kind: Its kind of job.
    """
    if kind == "training":
        return {"Get": f"Steps.{native}.ModelArtifacts.S3ModelArtifacts"}
    place = "ProcessingOutputConfig.Outputs['artifacts'].S3Output.S3Uri"
    return {"Std:Join": {"On": "", "Values": [{"Get": f"Steps.{native}.{place}"}, "/"]}}


def collect(
    step: spec.Step,
    kind: JobType,
    sources: Mapping[str, str],
    kind_of: Callable[[str], JobType],
    is_raw: Callable[[spec.FromStep], bool],
    address: Callable[[spec.FromData | spec.FromParameter], tuple[Any, bool]],
    parameters: Mapping[str, spec.Parameter],
) -> Mounts:
    """Return what a step's job is to be given.

    Args:
        step: The step.
        kind: Its kind of job.
        sources: Step -> native name of the copy that it reads from.
        kind_of: Gives a step's kind of job.
        is_raw: Says whether a program has written an output.
        address: Gives outside data's S3 URI, and whether there may be none.
        parameters: The pipeline's parameters.
    """
    mounts = Mounts()
    names: dict[str, str] = {}
    base = TRAINING_INPUT if kind == "training" else PROCESSING_INPUT
    for name, source in leaves(step):
        if isinstance(source, spec.FromStep):
            native = sources[source.step]
            if native not in mounts.producers:
                channel = f"from-{len(mounts.producers) + 1}"
                mount = channel if kind == "training" else native
                place = f"{base}/{channel}" if kind == "training" else f"{base}/from/{native}"
                mounts.producers[native] = mount
                mounts.mounts.append(
                    Mount(channel, place, artifacts_of(native, kind_of(source.step)))
                )
                names[native] = place
            mounts.inputs[name] = {"from": native, "output": source.output}
            if is_raw(source):
                mounts.inputs[name]["raw"] = True  # without a manifest: the reader seals it
            mounts.paths[name] = f"{names[native]}/{source.output}"
        elif isinstance(source, spec.FromData) or parameters[source.name].type == "data":
            uri, optional = address(source)
            known = repr(source)
            if known not in names:
                channel = f"data-{sum(1 for m in mounts.mounts if m.name.startswith('data-')) + 1}"
                mount = channel if kind == "training" else name
                place = f"{base}/{channel}" if kind == "training" else f"{base}/data/{name}"
                mounts.mounts.append(Mount(channel, place, uri))
                names[known] = mount
                names[f"path {known}"] = place
            mounts.inputs[name] = {"data": names[known], "optional": optional}
            mounts.paths[name] = names[f"path {known}"]
    return mounts


def check_count(step: str, kind: JobType, number: int) -> None:
    """Refuse more mounts than a job can have.

    Args:
        step: The step's name.
        kind: Its kind of job.
        number: All mounts, those for its code and libraries too.

    Raises:
        UnsupportedFeatureError: There are more.
    """
    most = limits.MOUNTS[kind].most
    if number <= most:
        return
    other = (
        f" Or {as_training(step)}: a training job has {limits.CHANNELS.most}."
        if kind == "processing" and number <= limits.CHANNELS.most
        else ""
    )
    raise UnsupportedFeatureError(
        step,
        f"{number} mounts (its code, its libraries, one for each step that it reads from and for "
        f"each outside data), of which a {kind} job has {most}",
        "sagemaker",
        "Gather some of them in a step before it, so that fewer steps are read from." + other,
    )


def entry_name(uri: str) -> str:
    """Return the name of the file or folder that an address of data names."""
    if scheme_of(uri) in S3_SCHEMES:
        return s3_entry(uri)
    path = unquote(urlsplit(uri).path) if "://" in uri else uri
    if uri.startswith("dvc://"):
        path = uri.removeprefix("dvc://").partition("@")[0]
    return path.rstrip("/").rpartition("/")[2] or "data"
