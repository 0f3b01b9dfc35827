"""Reading a pipeline definition (2020-12-01) as CreatePipeline does, with its refusals."""

from __future__ import annotations

import functools
import json
import re
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.caching import duration
from waterflow_sagemaker.emulator import conditions, parameters
from waterflow_sagemaker.emulator.documents import (
    EXECUTION_VARIABLES,
    Definition,
    PropertyFile,
    Step,
    gets,
    property_file,
    step_path,
)

VERSION: Final = "2020-12-01"

RUN: Final = frozenset(
    {"Processing", "Training", "Condition", "Fail", "Model", "RegisterModel", "Callback"}
)
NOT_RUN: Final = frozenset(
    {
        "Transform", "Tuning", "Lambda", "QualityCheck", "ClarifyCheck", "EMR", "EMRServerless",
        "AutoML", "EndpointConfig", "Endpoint", "InferenceComponent", "Lineage", "Job", "Cleanup",
        "ForEach", "MonitorBatchTransform",
    }
)  # fmt: skip

TRIGGERS: Final = ("Completed", "Failed", "Stopped", "Any")
"""What of a step a dependant may wait for (sagemaker.mlops.workflow.step_dependency)."""

RETRYABLE: Final = frozenset(
    {
        "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
        "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
    }
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RETRY_STEPS = frozenset({"Processing", "Training", "Model", "RegisterModel"})
_CACHED_STEPS = frozenset({"Processing", "Training"})


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Definition:
    """Read a definition; what was read once is remembered.

    Args:
        text: The JSON document.

    Raises:
        ServiceError: ValidationException, with all that is wrong in it.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _refused([f"it is no JSON: {error}"]) from None
    reader = _Reader()
    found = reader.read(document)
    if reader.errors:
        raise _refused(reader.errors)
    # Botocore's model is walked by the part of the provider that also serves `waterflow validate`.
    from waterflow_sagemaker.checks import document_errors

    if errors := document_errors(document):
        raise _refused(errors)
    return found


@functools.lru_cache(maxsize=64)
def labels(text: str) -> dict[str, dict[str, str]]:
    """Return the display name and description of each step of a valid definition."""
    return {name: step.shown for name, step in _Reader().read(json.loads(text)).steps.items()}


def _refused(errors: list[str]) -> ServiceError:
    return ServiceError(
        "ValidationException",
        "Unable to parse pipeline definition. Model Validation failed: " + "; ".join(errors),
    )


class _Reader:
    """Reads one document, and collects what is wrong with it."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.steps: dict[str, Step] = {}
        self.parameters: dict[str, dict[str, Any]] = {}

    def read(self, document: Any) -> Definition:
        if not isinstance(document, dict):
            self.errors.append("the definition is not an object")
            return Definition({}, {}, {})
        found = cast("dict[str, Any]", document)
        if found.get("Version") != VERSION:
            self.errors.append(f"Version is {found.get('Version')!r}, not '{VERSION}'")
        for declared in self._list(found, "Parameters", "the definition"):
            self.errors += parameters.declaration_errors(declared)
            name = str(declared.get("Name"))
            if name in self.parameters:
                self.errors.append(f"parameter '{name}' is declared twice")
            self.parameters[name] = declared
        steps = self._list(found, "Steps", "the definition")
        if not steps:
            self.errors.append("the definition has no Steps")
        self._take(steps, None)
        for step in self.steps.values():
            self._references(step)
        if not self.errors:
            self._cycles()
        experiment = found.get("PipelineExperimentConfig") or {}
        for path in gets(experiment):
            later = step_path(path) or path.endswith("JobName")
            error = "it is known only later" if later else self._reference_error(path)
            if error:
                self.errors.append(f"PipelineExperimentConfig: Get '{path}': {error}")
        return Definition(self.parameters, self.steps, experiment)

    def _list(self, holder: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
        found: Any = holder.get(key) or []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            self.errors.append(f"{key} of {where} is not a list of objects")
            return []
        return cast("list[dict[str, Any]]", found)

    def _take(self, steps: list[dict[str, Any]], branch: tuple[str, bool] | None) -> None:
        for entry in steps:
            name, kind = entry.get("Name"), entry.get("Type")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                self.errors.append(f"step name {name!r} is not 1 to 64 letters, digits, - or _")
                continue
            if name in self.steps:
                self.errors.append(f"step name '{name}' is not unique")
                continue
            if kind not in RUN:
                self.errors.append(_unknown(name, kind))
                continue
            arguments = entry.get("Arguments")
            if not isinstance(arguments, dict):
                self.errors.append(f"step '{name}' has no Arguments")
                continue
            found = cast("dict[str, Any]", arguments)
            own = {k: v for k, v in found.items() if k not in ("IfSteps", "ElseSteps")}
            self.steps[name] = Step(
                name=name,
                kind=cast("str", kind),
                arguments=own if kind == "Condition" else found,
                depends=self._depends(name, entry),
                branch=branch,
                cache=self._cache(name, cast("str", kind), entry.get("CacheConfig")),
                retries=self._retries(name, cast("str", kind), entry),
                files=self._files(name, found, entry),
                shown={
                    target: str(entry[source])
                    for source, target in (
                        ("DisplayName", "StepDisplayName"),
                        ("Description", "StepDescription"),
                    )
                    if entry.get(source)
                },
                extra={k: entry[k] for k in ("SqsQueueUrl", "OutputParameters") if k in entry},
            )
            if kind == "Condition":
                self.errors += [f"step '{name}': {e}" for e in conditions.errors(own)]
                self._take(self._list(found, "IfSteps", f"step '{name}'"), (name, True))
                self._take(self._list(found, "ElseSteps", f"step '{name}'"), (name, False))

    def _depends(self, name: str, entry: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for item in cast("list[Any]", entry.get("DependsOn") or []):
            if isinstance(item, dict):
                pair = cast("dict[str, Any]", item)
                step, trigger = str(pair.get("Step")), str(pair.get("Trigger", "Completed"))
            else:
                step, trigger = str(item), "Completed"
            if trigger not in TRIGGERS:
                allowed = ", ".join(TRIGGERS)
                self.errors.append(f"step '{name}': Trigger '{trigger}' is not one of {allowed}")
            found[step] = trigger
        return found

    def _cache(self, name: str, kind: str, config: Any) -> dict[str, Any] | None:
        if config is None:
            return None
        if kind not in _CACHED_STEPS:
            self.errors.append(f"step '{name}': a {kind} step has no CacheConfig")
            return None
        if not isinstance(config, dict) or not isinstance(config.get("Enabled"), bool):
            self.errors.append(f"step '{name}': CacheConfig.Enabled is not true or false")
            return None
        if not config["Enabled"]:
            return None
        try:
            duration(str(config.get("ExpireAfter")))
        except ValueError as error:
            self.errors.append(f"step '{name}': CacheConfig.ExpireAfter: {error}")
        return cast("dict[str, Any]", config)

    def _retries(self, name: str, kind: str, entry: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        policies = self._list(entry, "RetryPolicies", f"step '{name}'")
        if policies and kind not in _RETRY_STEPS:
            self.errors.append(f"step '{name}': a {kind} step has no RetryPolicies")
        for policy in policies:
            self.errors += [f"step '{name}': {error}" for error in _policy_errors(policy)]
        return tuple(policies)

    def _files(
        self, name: str, arguments: dict[str, Any], entry: dict[str, Any]
    ) -> dict[str, PropertyFile]:
        found: dict[str, PropertyFile] = {}
        outputs = (arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        named = {output.get("OutputName") for output in outputs}
        for item in self._list(entry, "PropertyFiles", f"step '{name}'"):
            file = PropertyFile(str(item.get("OutputName")), str(item.get("FilePath")))
            if file.output not in named:
                self.errors.append(
                    f"property file '{item.get('PropertyFileName')}' of step '{name}' is of "
                    f"output '{file.output}', which the step does not have"
                )
            found[str(item.get("PropertyFileName"))] = file
        return found

    # --- references -----------------------------------------------------------------------------

    def _references(self, step: Step) -> None:
        for name in step.depends:
            if name not in self.steps:
                self.errors.append(f"step '{step.name}' depends on unknown step '{name}'")
        for path in gets(step.arguments):
            if error := self._reference_error(path):
                self.errors.append(f"step '{step.name}': Get '{path}': {error}")

    def _reference_error(self, path: str) -> str | None:
        head, _, rest = path.partition(".")
        if head == "Parameters":
            return None if rest in self.parameters else f"there is no parameter '{rest}'"
        if head == "Execution":
            return None if rest in EXECUTION_VARIABLES else f"there is no variable '{rest}'"
        found = step_path(path)
        if found is None:
            return "it begins with none of Parameters, Execution and Steps"
        target = self.steps.get(found[0])
        if target is None:
            return f"there is no step '{found[0]}'"
        if target.kind == "Fail":
            return f"'{target.name}' is a Fail step, which has no properties"
        file = property_file(path)
        if file is not None and file[1] not in target.files:
            return f"step '{target.name}' has no property file '{file[1]}'"
        return None if found[1] else "it names no property of the step"

    def _cycles(self) -> None:
        graph = {name: dependencies(step) for name, step in self.steps.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            self.errors.append("the steps wait for one another: " + " <- ".join(error.args[1]))


def dependencies(step: Step) -> set[str]:
    """Return the steps that must end before this one, named by it or found in its arguments."""
    found = {name for path in gets(step.arguments) if (name := (step_path(path) or ("",))[0])}
    found |= step.depends.keys()
    return found | ({step.branch[0]} if step.branch else set())


def _unknown(name: str, kind: Any) -> str:
    if kind in NOT_RUN:
        known = ", ".join(sorted(RUN))
        return (
            f"step '{name}' is of type {kind}, which Waterflow's emulator does not run "
            f"(it runs {known})"
        )
    return f"step '{name}' is of unknown type {kind!r}"


def _policy_errors(policy: dict[str, Any]) -> list[str]:
    """Return what is wrong with a retry policy, by the limits of its documentation."""
    errors: list[str] = []
    kinds = policy.get("ExceptionType")
    if not isinstance(kinds, list) or not kinds:
        errors.append("RetryPolicies: ExceptionType is not a list of exception types")
    else:
        unknown = [str(kind) for kind in cast("list[Any]", kinds) if kind not in RETRYABLE]
        errors += [f"RetryPolicies: unknown exception type '{kind}'" for kind in unknown]
    if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
        errors.append("RetryPolicies: exactly one of MaxAttempts and ExpireAfterMin is needed")
    limits = {
        "IntervalSeconds": (0, 43200),
        "BackoffRate": (0, float("inf")),
        "MaxAttempts": (1, 20),
        "ExpireAfterMin": (1, 14400),
    }
    for key, (low, high) in limits.items():
        value = policy.get(key, low)
        if not isinstance(value, (int, float)) or not low <= value <= high:
            errors.append(f"RetryPolicies: {key} is {value!r}, not between {low} and {high}")
    return errors
