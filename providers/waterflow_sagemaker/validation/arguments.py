"""A step's Arguments against the request that the pipeline makes of them, expressions included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.validation import shapes as model_shapes
from waterflow_sagemaker.validation.scope import KINDS
from waterflow_sagemaker.validation.shapes import Violation, Walk, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

    from waterflow_sagemaker.validation.scope import Found, Placed, Scope
    from waterflow_sagemaker.validation.shapes import Path

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


def argument_violations(scope: Scope, placed: Placed) -> Iterator[Violation]:
    """Yield what the model refuses in a step's Arguments.

    An expression stands for any value of its kind; what it is sure to hold (literal parts of a
    Join, the known value of a parameter) is held against the limits.
    """
    if placed.type not in CREATES:
        return
    operation, names = CREATES[placed.type]
    if placed.type == "AutoML" and "AutoMLProblemTypeConfig" in placed.arguments:
        operation = "CreateAutoMLJobV2"
    shape = model_shapes.input_of(operation)
    if shape is None:
        return
    walk = Walk(lambda value, inner, path: _stands(scope, value, inner, path), names)
    for found in walk(placed.arguments, shape):
        yield Violation(
            ("Arguments", *found.path), found.kind, found.value, found.limit, found.shape,
            found.parent,
        )  # fmt: skip


def _stands(
    scope: Scope, value: Mapping[str, Any], shape: Shape, path: Path
) -> Iterator[Violation]:
    """Yield why an expression cannot stand for a value of a shape."""
    if "Std:Join" in value:
        yield from _joined(scope, value["Std:Join"], shape, path)
    elif "Get" in value:
        found = scope.get(value["Get"])
        if found.error is None:
            yield from _got(scope, value["Get"], found, shape, path)
    elif KINDS.get(shape.type_name) in _WHOLE:
        yield _misfit(value, "a scalar", shape, path)


def _joined(scope: Scope, join: Any, shape: Any, path: Path) -> Iterator[Violation]:
    if KINDS.get(shape.type_name) != "String":
        yield _misfit({"Std:Join": join}, "a text", shape, path)
        return
    least, text = scope.length(join)
    if text is not None:
        yield from model_shapes.scalar(text, shape, path)
        return
    most = shape.metadata.get("max")
    if most is not None and least > most:
        told = f"found a Join of at least {least} characters"
        yield Violation(
            path, "reference", f"{told}; at most {most} characters allowed", None, shape
        )
    head = scope.head(join)
    if str(shape.metadata.get("pattern", "")).startswith("(https|s3)://"):
        start = head[: len("https://")]
        if not any(scheme.startswith(start) or start.startswith(scheme) for scheme in _SCHEMES):
            yield Violation(
                path, "reference", f"found {shown(head)}...; it must begin with s3://", None, shape
            )


_SCHEMES: Final = ("s3://", "https://")


def _got(scope: Scope, text: str, found: Found, shape: Any, path: Path) -> Iterator[Violation]:
    wanted = KINDS.get(shape.type_name)
    fits = {wanted, "Integer"} if wanted == "Float" else {wanted}
    if found.kind is not None and wanted is not None and found.kind not in fits:
        yield _misfit({"Get": text}, found.kind, shape, path)
        return
    name = found.parameter
    if name is None or scope.values.get(name) in (None, ""):
        return  # an empty default says "to be given"
    value = scope.values[name]
    for one in model_shapes.scalar(value, shape, path) if _is(value, found.kind) else ():
        told = f"{model_shapes.described(one)} (the value of parameter '{name}')"
        yield Violation(path, "reference", told, None, shape)


def _is(value: Any, kind: str | None) -> bool:
    if kind == "String":
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _misfit(value: Any, kind: str, shape: Any, path: Path) -> Violation:
    article = "an" if kind[0] in "AEIOU" else "a"
    gives = kind if kind.startswith("a ") else f"{article} {kind}"
    wanted = KINDS.get(shape.type_name, shape.type_name)
    return Violation(
        path, "reference", f"found {shown(value)}, which gives {gives}; {wanted} is required"
    )


def described(found: Violation) -> str:
    """Return "found ...; limit" of a violation, references included."""
    return str(found.value) if found.kind == "reference" else model_shapes.described(found)
