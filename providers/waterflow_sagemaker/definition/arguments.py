"""A step's Arguments against the request that the pipeline makes of them, expressions included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.definition import shapes as model_shapes
from waterflow_sagemaker.definition.references import KINDS
from waterflow_sagemaker.definition.shapes import Violation, Walk, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

    from waterflow_sagemaker.definition.document import Step
    from waterflow_sagemaker.definition.references import ReferenceTarget, ReferenceTargets
    from waterflow_sagemaker.definition.shapes import Path

CREATES: Final = {
    "Processing": ("CreateProcessingJob", ("ProcessingJobName",)),
    "QualityCheck": ("CreateProcessingJob", ("ProcessingJobName",)),
    "ClarifyCheck": ("CreateProcessingJob", ("ProcessingJobName",)),
    "Training": ("CreateTrainingJob", ("TrainingJobName",)),
    "Transform": ("CreateTransformJob", ("TransformJobName",)),
    "Tuning": ("CreateHyperParameterTuningJob", ("HyperParameterTuningJobName",)),
    "Model": ("CreateModel", ("ModelName",)),
    "RegisterModel": ("CreateModelPackage", ("ModelPackageName",)),
    "EndpointConfig": ("CreateEndpointConfig", ("EndpointConfigName",)),
    "Endpoint": ("CreateEndpoint", ("EndpointName",)),
    "InferenceComponent": ("CreateInferenceComponent", ("InferenceComponentName",)),
    "AutoML": ("CreateAutoMLJob", ("AutoMLJobName",)),
}
"""Step type -> (the operation, the names that the pipeline itself gives)."""
_WHOLE: Final = frozenset({"List", "Object"})


def argument_violations(targets: ReferenceTargets, step: Step) -> Iterator[Violation]:
    """Yield what the model refuses in a step's Arguments.

    An expression stands for any value of its kind; what it is sure to hold (literal parts of a
    Join, the known value of a parameter) is held against the limits.
    """
    if step.type not in CREATES:
        return
    operation, names = CREATES[step.type]
    if step.type == "AutoML" and "AutoMLProblemTypeConfig" in step.arguments:
        operation = "CreateAutoMLJobV2"
    shape = model_shapes.input_of(operation)
    if shape is None:
        return
    walk = Walk(lambda value, inner, path: _stands(targets, value, inner, path), names)
    for violation in walk(step.arguments, shape):
        yield replace(violation, path=("Arguments", *violation.path))


def _stands(
    targets: ReferenceTargets, value: Mapping[str, Any], shape: Shape, path: Path
) -> Iterator[Violation]:
    """Yield why an expression cannot stand for a value of a shape."""
    if "Std:Join" in value:
        yield from _joined(targets, value["Std:Join"], shape, path)
    elif "Get" in value:
        target = targets.get(value["Get"])
        if target.error is None:
            yield from _referred(targets, value["Get"], target, shape, path)
    elif KINDS.get(shape.type_name) in _WHOLE:
        yield _misfit(value, "a scalar", shape, path)


def _joined(targets: ReferenceTargets, join: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if KINDS.get(shape.type_name) != "String":
        yield _misfit({"Std:Join": join}, "a text", shape, path)
        return
    least, text = targets.length(join)
    if text is not None:
        yield from model_shapes.scalar(text, shape, path)
        return
    most = shape.metadata.get("max")
    if most is not None and least > most:
        words = f"found a Join of at least {least} characters; at most {most} characters allowed"
        yield Violation(path, "reference", words, None, shape)
    head = targets.head(join)
    if str(shape.metadata.get("pattern", "")).startswith("(https|s3)://"):
        start = head[: len("https://")]
        if not any(scheme.startswith(start) or start.startswith(scheme) for scheme in _SCHEMES):
            yield Violation(
                path, "reference", f"found {shown(head)}...; it must begin with s3://", None, shape
            )


_SCHEMES: Final = ("s3://", "https://")


def _referred(
    targets: ReferenceTargets, text: str, target: ReferenceTarget, shape: Any, path: Path
) -> Iterator[Violation]:
    kind = KINDS.get(shape.type_name)
    fits = {kind, "Integer"} if kind == "Float" else {kind}
    if target.kind is not None and kind is not None and target.kind not in fits:
        yield _misfit({"Get": text}, target.kind, shape, path)
        return
    name = target.parameter
    if name is None or targets.values.get(name) in (None, ""):
        return  # an empty default says that a run is to give one
    value = targets.values[name]
    for one in model_shapes.scalar(value, shape, path) if _is(value, target.kind) else ():
        words = f"{model_shapes.described(one)} (the value of parameter '{name}')"
        yield Violation(path, "reference", words, None, shape)


def _is(value: Any, kind: str | None) -> bool:
    if kind == "String":
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _misfit(value: Any, kind: str, shape: Any, path: Path) -> Violation:
    article = "an" if kind[0] in "AEIOU" else "a"
    gives = kind if kind.startswith("a ") else f"{article} {kind}"
    required = KINDS.get(shape.type_name, shape.type_name)
    return Violation(
        path, "reference", f"found {shown(value)}, which gives {gives}; {required} is required"
    )


def described(violation: Violation) -> str:
    """Return "found ...; limit" of a violation, references included."""
    if violation.kind == "reference":
        return str(violation.value)
    return model_shapes.described(violation)
