"""The doors to all checks: a request, a whole pipeline definition, a run's parameter values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.errors import ConfigurationError
from waterflow_sagemaker.definition import shapes as model_shapes
from waterflow_sagemaker.definition.parameters import values_of
from waterflow_sagemaker.definition.references import ReferenceTargets
from waterflow_sagemaker.definition.rules import read, step_violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    violations = model_shapes.Walk()(dict(params), shape)
    return [f"1 validation error detected: {model_shapes.refusal(one)}" for one in violations]


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
    return list(read(definition).violations)


def check_submission(definition: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Refuse parameter values that SageMaker would refuse, offline.

    Args:
        definition: The pipeline's definition.
        parameters: Name -> value, as for `submission_errors`.

    Raises:
        ConfigurationError: It would; with all that is wrong.
    """
    errors = submission_errors(definition, parameters)
    if errors:
        raise ConfigurationError(
            "SageMaker would not take these parameters:\n" + "\n".join(f"  {e}" for e in errors)
        )


def submission_errors(definition: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Check the parameter values of a run of a pipeline, offline.

    Args:
        definition: The pipeline's definition.
        parameters: Name -> value, as of the parameter's type or as the text that
            StartPipelineExecution takes.

    Returns:
        Every violation, one line each: unknown and missing parameters, values that are none of
        the type or too long, and what they make too long or wrong in a step's Arguments. The last
        the service tells only when the step starts.
    """
    document = read(definition)
    values, errors = values_of(document.parameters, parameters)
    if errors:
        return errors
    plain, filled = ReferenceTargets(document), ReferenceTargets(document, values, started=True)
    for step in document.placed:
        before = set(step_violations(plain, step))
        errors += [text for text in step_violations(filled, step) if text not in before]
    return list(dict.fromkeys(errors))
