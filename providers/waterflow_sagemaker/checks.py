"""The doors to all checks: a request, a whole pipeline definition, a run's parameter values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.validation import rules as definition_rules
from waterflow_sagemaker.validation import shapes as model_shapes
from waterflow_sagemaker.validation.scope import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


LONGEST_VALUE: Final = 1024
"""Characters of a parameter's value: the service model's limit on StartPipelineExecution's."""


def request_errors(operation: str, params: Mapping[str, Any]) -> list[str]:
    """Check a request against botocore's own model of SageMaker, offline.

    Args:
        operation: The operation's name, such as "CreateProcessingJob".
        params: The request.

    Returns:
        All that is wrong, each "1 validation error detected: Value ... at ... failed to satisfy
        constraint: ..." as the service says it; empty when nothing is. An operation that the
        model does not know is an error of its own.
    """
    if operation not in model_shapes.service().operation_names:
        return [f"1 validation error detected: Unknown operation '{operation}'"]
    shape = model_shapes.input_of(operation)
    if shape is None:
        return []
    found = model_shapes.Walk()(dict(params), shape)
    return [f"1 validation error detected: {model_shapes.refusal(one)}" for one in found]


def merged(errors: Sequence[str]) -> str:
    """Return several errors of a request as the one message that the service answers with."""
    if len(errors) == 1:
        return errors[0]
    texts = [error.partition(": ")[2] for error in errors]
    return f"{len(texts)} validation errors detected: {'; '.join(texts)}"


def document_errors(definition: Mapping[str, Any]) -> list[str]:
    """Check a whole pipeline definition, version 2020-12-01, offline.

    Args:
        definition: The definition as an object.

    Returns:
        Every violation, one line each: the step, the path in it, what was found, and what is
        allowed; empty when there is none.
    """
    return list(dict.fromkeys(definition_rules.violations(definition)))


def submission_errors(definition: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Check the parameter values of a run of a pipeline, offline.

    Args:
        definition: The pipeline's definition.
        parameters: Name -> value, as of the parameter's type or as the text that
            StartPipelineExecution takes.

    Returns:
        Every violation, one line each: unknown and missing parameters, values that are none of
        the type or too long, and what they make too long or wrong in a step's Arguments.
    """
    scope = definition_rules.scope_of(definition)
    errors: list[str] = []
    values = dict(scope.values)
    for name, value in parameters.items():
        declared = scope.parameters.get(name)
        if declared is None:
            near = model_shapes.near(name, scope.parameters)
            errors.append(f"Parameter '{name}': found a value for no parameter; {near}")
            continue
        values[name], problems = _value(declared, value)
        errors += [f"Parameter '{name}': {text}" for text in problems]
    for name in scope.parameters:
        if name not in values:
            errors.append(f"Parameter '{name}': found nothing; it has no default")
    if errors:
        return errors
    plain = definition_rules.scope_of(definition, {})
    given = definition_rules.scope_of(definition, values)
    for before, after in zip(plain.placed, given.placed, strict=True):
        known = set(definition_rules.step_violations(plain, before))
        found = definition_rules.step_violations(given, after)
        errors += [text for text in found if text not in known]
    return list(dict.fromkeys(errors))


def _value(declared: Mapping[str, Any], value: Any) -> tuple[Any, list[str]]:
    """Return a value as of its parameter's type, and what is wrong with it."""
    kind = declared.get("Type")
    if kind not in definition_rules.TYPES:
        return value, []
    text = as_text(value)
    if isinstance(value, str) and kind != "String":
        value = _parsed(kind, value)
    problems = list(definition_rules.value_problems(kind, value))
    if not problems and len(text) > LONGEST_VALUE:
        problems.append(f"found {len(text)} characters; at most {LONGEST_VALUE} are allowed")
    allowed = declared.get("EnumValues")
    if not problems and isinstance(allowed, list) and value not in allowed:
        problems.append(f"found {model_shapes.shown(value)}; allowed is one of {allowed}")
    return value, problems


def _parsed(kind: str, text: str) -> Any:
    """Return a text as a number or boolean; the text itself where it is none."""
    if kind == "Boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return int(text) if kind == "Integer" else float(text)
    except ValueError:
        return text
