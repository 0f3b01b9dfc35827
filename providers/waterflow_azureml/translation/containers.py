"""Container steps: a program's command line, its placeholders replaced by what its job is given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from waterflow import spec
from waterflow.cloud.planning import entry_name
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow_azureml.translation import quoting
from waterflow_azureml.translation.naming import RESULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.translation.parts import NodeParts
    from waterflow_azureml.translation.planning import AzurePlanning

SKIPPED: Final = ".waterflow-skipped"
"""What lies in an output of a program that was not run; `job/place.py` knows it."""
_PLACEHOLDER: Final = re.compile(r"\{(inputs|outputs|parameters)\.([^{}]+)\}")
_REFUSED: Final = (
    ("secrets", "Let the program read them from the Key Vault, with the identity of the job."),
    ("retries", "Retry in the command, where a shell is in the image."),
    ("requirements", "Put them into its image."),
    ("metrics", "Let a Python step read the program's log, or its result, and return them."),
)


def check(step: spec.Step) -> None:
    """Refuse what a container step cannot have here, where no runtime of ours is in its job.

    Args:
        step: The step.

    Raises:
        UnsupportedFeatureError: It asks for something that only our runtime does.
    """
    wishes: Mapping[str, object] = {
        "secrets": step.environment.secrets,
        "retries": step.retry.retries,
        "requirements": step.environment.requirements,
        "metrics": step.metrics or (),
    }
    for name, alternative in _REFUSED:
        if wishes[name]:
            raise UnsupportedFeatureError(
                step.name, f"{name} of a container step", "azureml", alternative
            )
    for name, input_ in step.inputs.items():
        source = input_.source
        if isinstance(source, spec.FromStep) and source.key is not None:
            raise UnsupportedFeatureError(
                step.name,
                f"the single entry '{source.key}' as input '{name}'",
                "azureml",
                "Give the container the whole output, or let a Python step return the entry.",
            )


def command(
    planning: AzurePlanning,
    step: spec.Step,
    run: spec.Container,
    parts: NodeParts,
    gates: list[tuple[str, bool]],
) -> list[str]:
    """Return a program's command line, as the words of a shell.

    Args:
        planning: The pipeline.
        step: The step.
        run: What it runs.
        parts: Its inputs and outputs.
        gates: The inputs that hold decisions, and the sides that it stands on.

    Raises:
        UnsupportedFeatureError: It asks for what it cannot have.
    """
    check(step)
    known: dict[str, str] = {
        f"outputs.{name}": quoting.path("outputs", planning.output_key(step.name, name))
        for name in step.outputs
    }
    for name, input_ in step.inputs.items():
        known |= _input(planning, step, run, name, input_.source, parts)
    words = [_filled(part, known) for part in run.command]
    if RESULT in parts.outputs:  # who waits for it is given this folder, which must hold something
        words += ["&&", ":", ">", f"{quoting.path('outputs', RESULT)}/ended"]
    conditions = _conditions(planning, step, parts, gates)
    return _guarded(step, words, conditions, known) if conditions else words


def _conditions(
    planning: AzurePlanning, step: spec.Step, parts: NodeParts, gates: list[tuple[str, bool]]
) -> list[str]:
    """Return what must hold for the program to run, as the tests of a shell."""
    tests = [
        f"said {quoting.path('inputs', name)}/decision.json "
        f"'\"decision\": {'true' if side else 'false'}'"
        for name, side in gates
    ]
    for name, input_ in step.inputs.items():
        source = input_.source
        if isinstance(source, spec.FromStep) and planning.may_be_skipped(source.step):
            path = quoting.path("inputs", parts.paths[name])
            tests.append(f"! said {path}/manifest.json '\"skipped\":true'")
            tests.append(f"! [ -e {path}/{SKIPPED} ]")
    return tests


def _guarded(
    step: spec.Step, words: list[str], conditions: list[str], known: dict[str, str]
) -> list[str]:
    """Return a command that runs a program only where conditions hold.

    Its image need hold no more than a shell: what it uses is built into it.
    """
    said = (
        'said() { [ -e "$1" ] && { IFS= read -r line < "$1" || :; '
        'case "$line" in *"$2"*) return 0;; esac; }; return 1; };'
    )
    told = quoting.word(f"waterflow: step '{step.name}' is skipped")
    marks = [f": > {known[f'outputs.{name}']}/{SKIPPED};" for name in sorted(step.outputs)]
    otherwise = ["else", "echo", f"{told};", *marks, "fi"]
    return [said, "if", f"{' && '.join(conditions)};", "then", *words, ";", *otherwise]


def _input(
    planning: AzurePlanning,
    step: spec.Step,
    run: spec.Container,
    name: str,
    source: spec.Source,
    parts: NodeParts,
) -> dict[str, str]:
    """Return what the placeholders of an input stand for."""
    if isinstance(source, spec.FromValue):
        value = source.value
        text = value if isinstance(value, str) else to_text(value)
        return {f"parameters.{name}": quoting.word(text)}
    if isinstance(source, spec.FromParameter):
        if planning.pipeline.parameters[source.name].type != "data":
            key = parts.text(name, f"${{{{parent.inputs.{source.name}}}}}")
            return {f"parameters.{name}": quoting.value(key)}
        if any(f"{{inputs.{name}}}" in part for part in run.command):
            raise UnsupportedFeatureError(
                step.name,
                f"outside data of a parameter as input '{name}' of a container step",
                "azureml",
                "Only the run knows its name. Let a Python step take it and return its path.",
            )
        return {}
    if name not in parts.paths:
        if any(f"{{inputs.{name}}}" in part for part in run.command):
            raise UnsupportedFeatureError(
                step.name,
                f"input '{name}' of a container step, which is one of several or a list",
                "azureml",
                "Let a Python step take it and return one result for the program.",
            )
        return {}
    path = quoting.path("inputs", parts.paths[name])
    if isinstance(source, spec.FromData):
        path += quoting.word(f"/{entry_name(source.uri)}")
    return {f"inputs.{name}": path}


def _filled(part: str, known: dict[str, str]) -> str:
    """Return one word of a command line with its placeholders filled."""
    text, end = "", 0
    for match in _PLACEHOLDER.finditer(part):
        value = known.get(f"{match[1]}.{match[2]}")
        if value is None:
            continue
        before = part[end : match.start()]
        text += (quoting.word(before) if before else "") + value
        end = match.end()
    rest = part[end:]
    return text + (quoting.word(rest) if rest or not text else "")
