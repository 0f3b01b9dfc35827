"""Container steps: a program's command line, its placeholders replaced by native ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from waterflow import spec
from waterflow.cloud.planning import entry_name
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow_kfp import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_kfp.planning import KfpPlanning

SKIPPED: Final = ".waterflow-skipped"
"""What lies in an output of a program that was not run; `job/place.py` knows it."""
SCRIPT: Final = (
    "set -e; skip=; "
    'said() { [ -e "$1" ] && { IFS= read -r line < "$1" || :; '
    """case "$line" in *'"skipped":true'*) return 0;; esac; }; return 1; }; """
    'while [ "$1" != -- ]; do path="${1#*=}"; case "$1" in '
    f'in=*) if said "$path/manifest.json" || [ -e "$path/{SKIPPED}" ]; then skip=1; fi;; '
    f'*) mkdir -p "$path"; if [ -n "$skip" ]; then : > "$path/{SKIPPED}"; fi;; '
    "esac; shift; done; shift; "
    "if [ -n \"$skip\" ]; then echo 'waterflow: the step is skipped'; exit 0; fi; "
    'exec "$@"'
)
"""Makes the folders of a program's outputs and starts it, where none of its inputs was skipped.

Its image need hold no more than a shell, and `mkdir`.
"""
_PLACEHOLDER: Final = re.compile(r"\{(inputs|outputs|parameters)\.([^{}]+)\}")
_REFUSED: Final = (
    ("secrets", "Let the program read them from the store of secrets, with the job's identity."),
    ("timeout", "End it in the command, where `timeout` is in the image."),
    ("requirements", "Put them into its image."),
    ("metrics", "Let a Python step read the program's log, or its result, and return them."),
)


def check(planning: KfpPlanning, step: spec.Step) -> None:
    """Refuse what a container step cannot have here, where no runtime of ours is in its job.

    Raises:
        UnsupportedFeatureError: It asks for something that only our runtime does.
    """
    wishes: Mapping[str, object] = {
        "secrets": step.environment.secrets,
        "timeout": step.timeout,
        "requirements": step.environment.requirements,
        "metrics": step.metrics or (),
    }
    dialect = planning.dialect
    for name, alternative in _REFUSED:
        if wishes[name] and name not in dialect.program_features:
            raise UnsupportedFeatureError(
                step.name, f"{name} of a container step", dialect.provider, alternative
            )
    for name, input_ in step.inputs.items():
        source = input_.source
        if isinstance(source, spec.FromStep) and source.key is not None:
            raise UnsupportedFeatureError(
                step.name,
                f"the single entry '{source.key}' as input '{name}'",
                dialect.provider,
                "Give the container the whole output, or let a Python step return the entry.",
            )


def command(
    planning: KfpPlanning,
    step: spec.Step,
    run: spec.Container,
    artifacts: Mapping[str, str],
    parameters: Mapping[str, str],
) -> list[str]:
    """Return a program's command line.

    Args:
        planning: The pipeline.
        step: The step.
        run: What it runs.
        artifacts: Input -> the input artifact that holds it.
        parameters: Input -> the input parameter that holds it.

    Raises:
        DefinitionError: A word would be taken for a placeholder of the service's own.
        UnsupportedFeatureError: It asks for what it cannot have.
    """
    check(planning, step)
    known = {f"outputs.{name}": naming.output_path(name) for name in step.outputs}
    for name, input_ in step.inputs.items():
        source = input_.source
        if isinstance(source, spec.FromValue):
            value = source.value
            text = value if isinstance(value, str) else to_text(value)
            known[f"parameters.{name}"] = _plain(step, text)
        elif name in parameters:
            known[f"parameters.{name}"] = naming.input_value(parameters[name])
        elif name in artifacts and not isinstance(source, spec.FromParameter):
            path = naming.input_path(artifacts[name])
            if isinstance(source, spec.FromData) and planning.copy_of(source.uri) is not None:
                path += _plain(step, f"/{entry_name(source.uri)}")
            known[f"inputs.{name}"] = path
        elif any(f"{{inputs.{name}}}" in part for part in run.command):
            raise UnsupportedFeatureError(
                step.name,
                f"input '{name}' of a container step, of which only the run knows the name",
                planning.dialect.provider,
                "Let a Python step take it and return one result for the program.",
            )
    words = [_filled(step, part, known) for part in run.command]
    before = [
        f"in={naming.input_path(artifacts[name])}"
        for name, input_ in step.inputs.items()
        if isinstance(input_.source, spec.FromStep) and input_.source.step in planning.unsure
    ]
    before += [f"out={naming.output_path(name)}" for name in sorted(step.outputs)]
    return ["sh", "-c", SCRIPT, naming.OWN, *before, "--", *words]


def _filled(step: spec.Step, part: str, known: Mapping[str, str]) -> str:
    """Return one word of a command line with its placeholders filled."""
    text, end = "", 0
    for match in _PLACEHOLDER.finditer(part):
        value = known.get(f"{match[1]}.{match[2]}")
        if value is not None:
            text += _plain(step, part[end : match.start()]) + value
            end = match.end()
    return text + _plain(step, part[end:])


def _plain(step: spec.Step, text: str) -> str:
    if "{{$" in text:
        raise DefinitionError(
            f"Step '{step.name}': {text[:80]!r} in its command would be taken for a placeholder "
            "of Kubeflow Pipelines, {{$...}}. Write it in another way"
        )
    return text
