"""Candidates side by side: steps that run the same with other settings, and lists of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.report.data import Candidate, Comparison
from waterflow.report.hiding import value as hidden_value
from waterflow.report.results import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow.provider import Artifact
    from waterflow.report.results import Place

_MOST: Final = 500
_COLUMNS: Final = 12


def comparisons(
    pipeline: spec.Pipeline | None,
    artifacts: Iterable[Artifact],
    values: Mapping[Place, Any],
) -> tuple[Comparison, ...]:
    """Return what a run compares.

    Args:
        pipeline: Its spec.
        artifacts: Its artifacts.
        values: The plain values among them.
    """
    if pipeline is None:
        return ()
    artifacts = list(artifacts)
    return (*_steps(pipeline, artifacts, values), *_lists(artifacts, values))


def _steps(
    pipeline: spec.Pipeline, artifacts: list[Artifact], values: Mapping[Place, Any]
) -> Iterator[Comparison]:
    """Yield the steps of one function that return metrics, with the constants they were given."""
    steps = {step.name: step for step in pipeline.steps}
    groups: dict[tuple[str, str], list[tuple[spec.Step, dict[str, Any]]]] = {}
    order = {step.name: number for number, step in enumerate(pipeline.steps)}
    for one in sorted(artifacts, key=lambda one: order.get(one.step, 0)):
        value, step = values.get((one.step, one.output)), steps.get(one.step)
        if one.type != "metrics" or not isinstance(value, dict) or step is None:
            continue
        if isinstance(step.run, spec.Function):
            key = (f"{step.run.module}:{step.run.name}", one.output)
            groups.setdefault(key, []).append((step, value))
    for (function, _), members in groups.items():
        if len(members) < 2:
            continue
        constants = {step.name: _settings(step, steps) for step, _ in members}
        settings = [
            name
            for name in dict.fromkeys(key for one in constants.values() for key in one)
            if len({one.get(name) for one in constants.values()}) > 1
        ][:_COLUMNS]
        metrics = list(dict.fromkeys(str(key) for _, value in members for key in value))[:_COLUMNS]
        yield Comparison(
            title=function.rpartition(":")[2],
            settings=tuple(settings),
            metrics=tuple(metrics),
            candidates=tuple(
                Candidate(
                    label=step.name,
                    step=step.name,
                    cells={
                        **{key: constants[step.name].get(key, "") for key in settings},
                        **{key: value.get(key) for key in metrics},
                    },
                )
                for step, value in members[:_MOST]
            ),
        )


def _settings(step: spec.Step, steps: Mapping[str, spec.Step]) -> dict[str, str]:
    """Return the constants of a step, and of the steps right before it that it alone takes from."""
    constants = _constants(step)
    for input_ in step.inputs.values():
        source = input_.source
        if isinstance(source, spec.FromStep) and source.step in steps:
            for name, text in _constants(steps[source.step]).items():
                constants.setdefault(name, text)
    return constants


def _constants(step: spec.Step) -> dict[str, str]:
    return {
        name: hidden_value(name, short(one.source.value, 60))
        for name, one in step.inputs.items()
        if isinstance(one.source, spec.FromValue)
    }


def _lists(artifacts: list[Artifact], values: Mapping[Place, Any]) -> Iterator[Comparison]:
    """Yield outputs that are lists of results, as a map's: each item is a candidate."""
    for one in artifacts:
        value = values.get((one.step, one.output))
        items: list[Any] = value if isinstance(value, list) else []
        if len(items) < 2 or not all(_is_row(item) for item in items):
            continue
        columns = list(dict.fromkeys(str(key) for item in items for key in item))[:_COLUMNS]
        numbers = [key for key in columns if all(_is_number(item.get(key)) for item in items)]
        yield Comparison(
            title=one.step if one.output == "output" else f"{one.step}.{one.output}",
            settings=tuple(key for key in columns if key not in numbers),
            metrics=tuple(numbers),
            candidates=tuple(
                Candidate(
                    label=str(number),
                    step=one.step,
                    cells={
                        key: item.get(key)
                        if key in numbers
                        else hidden_value(key, short(item.get(key), 60))
                        for key in columns
                    },
                )
                for number, item in enumerate(items[:_MOST])
            ),
        )


def _is_row(item: object) -> bool:
    if not isinstance(item, dict) or not item:
        return False
    return all(one is None or isinstance(one, (str, int, float, bool)) for one in item.values())


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
