"""Container steps: a program's command line, its placeholders replaced by the paths of its job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow_sagemaker.translation import mounts as mounting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_sagemaker.machines import JobType
    from waterflow_sagemaker.translation.mounts import Mounts

_PLACEHOLDER: Final = re.compile(r"\{(inputs|outputs|parameters)\.([^{}]+)\}")


def check(step: spec.Step) -> None:
    """Refuse what a container step cannot have here, where no runtime of ours is in its job.

    Args:
        step: The step.

    Raises:
        UnsupportedFeatureError: It asks for secrets, retries or requirements.
    """
    refused = (
        (step.environment.secrets, "secrets of a container step",
         "Let the program read them from Secrets Manager, with the role of the job."),
        (step.retry.retries, f"retries={step.retry.retries} of a container step",
         "Leave `retries` out: faults of the service are retried anyway. Or retry in the command."),
        (step.environment.requirements, "requirements of a container step",
         "Put them into its image."),
    )  # fmt: skip
    for setting, feature, alternative in refused:
        if setting:
            raise UnsupportedFeatureError(step.name, feature, "sagemaker", alternative)
    for name, input_ in step.inputs.items():
        if isinstance(input_.source, spec.FromStep) and input_.source.key is not None:
            raise UnsupportedFeatureError(
                step.name,
                f"the single entry '{input_.source.key}' as input '{name}'",
                "sagemaker",
                "Give the container the whole output, or let a Python step return the entry.",
            )


def command(
    parameters: Mapping[str, spec.Parameter],
    kind: JobType,
    step: spec.Step,
    run: spec.Container,
    mounts: Mounts,
) -> list[Any]:
    """Return a program's command line: texts, or expressions that give a text.

    Args:
        parameters: The pipeline's parameters.
        kind: The kind of job.
        step: The step.
        run: What it runs.
        mounts: Its inputs.

    Raises:
        UnsupportedFeatureError: A path depends on data that only a run knows.
    """
    output = mounting.TRAINING_OUTPUT if kind == "training" else mounting.PROCESSING_OUTPUT
    if kind == "training":
        _rename_channels(mounts)
    known: dict[str, Any] = {f"outputs.{name}": f"{output}/{name}" for name in step.outputs}
    for name, input_ in step.inputs.items():
        if name in mounts.paths:
            known[f"inputs.{name}"] = mounts.paths[name]
            if isinstance(input_.source, spec.FromData):
                entry = mounting.entry_name(input_.source.uri)
                known[f"inputs.{name}"] = f"{mounts.paths[name]}/{entry}"
        known |= _value(parameters, name, input_.source)
    parts = [_filled(part, known) for part in run.command]
    for name, input_ in step.inputs.items():
        source = input_.source
        is_data = isinstance(source, spec.FromParameter) and name in mounts.paths
        if is_data and any(f"{{inputs.{name}}}" in part for part in run.command):
            raise UnsupportedFeatureError(
                step.name,
                f"outside data of a parameter as input '{name}' of a container step",
                "sagemaker",
                "Only the run knows its name. Let a Python step take it and return its path.",
            )
    return parts


def _rename_channels(mounts: Mounts) -> None:
    """Give channels names that can be variables: AWS's start scripts export one for each."""
    for number, one in enumerate(mounts.mounts):
        path = one.path.replace("-", "_")
        mounts.mounts[number] = mounting.Mount(one.name.replace("-", "_"), path, one.uri)
        for name, place in mounts.paths.items():
            if f"{place}/".startswith(f"{one.path}/"):
                mounts.paths[name] = path + place[len(one.path) :]


def _value(
    parameters: Mapping[str, spec.Parameter], name: str, source: spec.Source
) -> dict[str, Any]:
    if isinstance(source, spec.FromValue):
        value = source.value
        return {f"parameters.{name}": value if isinstance(value, str) else to_text(value)}
    if isinstance(source, spec.FromParameter):
        if parameters[source.name].type == "data":
            return {}
        return {f"parameters.{name}": {"Get": f"Parameters.{source.name}"}}
    return {}


def _filled(part: str, known: dict[str, Any]) -> Any:
    """Return one part of a command line with its placeholders filled."""
    values: list[Any] = []
    end = 0
    for match in _PLACEHOLDER.finditer(part):
        value = known.get(f"{match[1]}.{match[2]}")
        if value is None:
            continue
        values += [part[end : match.start()], value]
        end = match.end()
    values = [value for value in [*values, part[end:]] if value != ""]
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    return values[0] if len(values) == 1 else {"Std:Join": {"On": "", "Values": values}}
