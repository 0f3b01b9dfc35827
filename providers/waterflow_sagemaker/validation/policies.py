"""What stands beside a step's Arguments: its members, retries, caching, property files, outputs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.validation.scope import as_object, objects
from waterflow_sagemaker.validation.shapes import near, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.validation.scope import Json, Placed
    from waterflow_sagemaker.validation.shapes import Path

    Problem = tuple[Path, str]

EXCEPTIONS: Final = (
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"""
ATTEMPTS: Final = 20
EXPIRY: Final = 14400
"""Minutes; with ATTEMPTS the limits of sagemaker.mlops.workflow.retry."""
_COMMON: Final = ("Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description")
_CHECK: Final = (
    "CacheConfig", "CheckType", "ModelPackageGroupName", "SkipCheck", "FailOnViolation",
    "RegisterNewBaseline", "SuppliedBaselineStatistics", "SuppliedBaselineConstraints",
    "ModelName",
)  # fmt: skip
_OWN: Final = {
    "Processing": ("CacheConfig", "RetryPolicies", "PropertyFiles"),
    "Training": ("CacheConfig", "RetryPolicies"),
    "Tuning": ("CacheConfig", "RetryPolicies"),
    "Transform": ("CacheConfig", "RetryPolicies"),
    "AutoML": ("CacheConfig", "RetryPolicies"),
    "Model": ("RetryPolicies",),
    "RegisterModel": ("RetryPolicies",),
    "Callback": ("CacheConfig", "SqsQueueUrl", "OutputParameters"),
    "Lambda": ("CacheConfig", "FunctionArn", "OutputParameters"),
    "QualityCheck": _CHECK,
    "ClarifyCheck": _CHECK,
    "Condition": (),
    "Fail": (),
}
"""Step type -> the members that it has beside the common ones."""
_DURATION: Final = re.compile(
    r"P?(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.IGNORECASE
)
"""ISO 8601 as CacheConfig takes it, "T12H" included (sagemaker.mlops.workflow.steps)."""


def allowed_members(kind: str) -> tuple[str, ...] | None:
    """Return the members of a step of a type; None where they are not known."""
    return (*_COMMON, *_OWN[kind]) if kind in _OWN else None


def policy_problems(placed: Placed) -> Iterator[Problem]:
    """Yield (path, "found ...; limit") for what stands beside a step's Arguments."""
    step = placed.step
    if step.get("RetryPolicies") is not None:
        yield from _retries(step["RetryPolicies"])
    if step.get("CacheConfig") is not None:
        yield from _cache(step["CacheConfig"])
    if step.get("PropertyFiles") is not None:
        yield from _files(placed)
    if placed.type == "Lambda" and not isinstance(step.get("FunctionArn"), (str, dict)):
        yield ("FunctionArn",), f"found {shown(step.get('FunctionArn'))}; a value is required"
    if placed.type == "Callback" and not isinstance(step.get("SqsQueueUrl"), (str, dict)):
        yield ("SqsQueueUrl",), f"found {shown(step.get('SqsQueueUrl'))}; a value is required"


def _retries(value: Any) -> Iterator[Problem]:
    path: Path = ("RetryPolicies",)
    if not isinstance(value, list):
        yield path, f"found {shown(value)}; a list is required"
        return
    for index, policy in enumerate(cast("list[Any]", value)):
        if isinstance(policy, dict):
            found = _retry(as_object(cast("object", policy)))
            yield from (((*path, index, *inner), text) for inner, text in found)
        else:
            yield (*path, index), f"found {shown(policy)}; an object is required"


def _retry(policy: Json) -> Iterator[Problem]:
    known = ("ExceptionType", "BackoffRate", "IntervalSeconds", "MaxAttempts", "ExpireAfterMin")
    for name in policy:
        if name not in known:
            yield (name,), f"found the unknown member '{name}'; {near(name, known)}"
    kinds = policy.get("ExceptionType")
    if isinstance(kinds, str):
        kinds = [kinds]  # the form of AWS's published schema
    if not isinstance(kinds, list) or not kinds:
        yield ("ExceptionType",), f"found {shown(kinds)}; a list of {', '.join(EXCEPTIONS)}"
    for index, kind in enumerate(cast("list[Any]", kinds) if isinstance(kinds, list) else []):
        if kind not in EXCEPTIONS:
            told = f"found {shown(kind)}; allowed is one of {', '.join(EXCEPTIONS)}"
            yield ("ExceptionType", index), told
    yield from _number(policy, "BackoffRate", 0, None, whole=False)
    yield from _number(policy, "IntervalSeconds", 0, None)
    yield from _number(policy, "MaxAttempts", 1, ATTEMPTS)
    yield from _number(policy, "ExpireAfterMin", 0, EXPIRY)
    given = [name for name in ("MaxAttempts", "ExpireAfterMin") if policy.get(name) is not None]
    if len(given) != 1:
        told = " and ".join(given) or "neither"
        yield (), f"found {told}; exactly one is required of MaxAttempts, ExpireAfterMin"


def _number(
    told: Json, name: str, least: int, most: int | None, whole: bool = True
) -> Iterator[Problem]:
    value = told.get(name)
    if value is None:
        return
    kinds = (int,) if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        kind = "a whole number" if whole else "a number"
        yield (name,), f"found {shown(value)}; {kind} is required"
    elif value < least:
        yield (name,), f"found {shown(value)}; at least {least} is required"
    elif most is not None and value > most:
        yield (name,), f"found {shown(value)}; at most {most} is allowed"


def _cache(value: Any) -> Iterator[Problem]:
    told = as_object(value)
    for name in told:
        if name not in ("Enabled", "ExpireAfter"):
            told_known = near(name, ("Enabled", "ExpireAfter"))
            yield ("CacheConfig", name), f"found the unknown member '{name}'; {told_known}"
    enabled, expires = told.get("Enabled"), told.get("ExpireAfter")
    if not isinstance(enabled, bool):
        yield ("CacheConfig", "Enabled"), f"found {shown(enabled)}; true or false is required"
    if expires is None:
        return
    if not isinstance(expires, str) or _DURATION.fullmatch(expires) is None:
        told_form = f"found {shown(expires)}; an ISO 8601 duration is required, such as P30D"
        yield ("CacheConfig", "ExpireAfter"), told_form


def _files(placed: Placed) -> Iterator[Problem]:
    path: Path = ("PropertyFiles",)
    value = placed.step["PropertyFiles"]
    if not isinstance(value, list):
        yield path, f"found {shown(value)}; a list is required"
        return
    config = as_object(placed.arguments.get("ProcessingOutputConfig"))
    outputs = [str(one.get("OutputName")) for one in objects(config.get("Outputs"))]
    seen: set[str] = set()
    for index, file in enumerate(objects(cast("object", value))):
        for name in ("PropertyFileName", "OutputName", "FilePath"):
            if not isinstance(file.get(name), str) or not file[name]:
                yield (*path, index, name), f"found {shown(file.get(name))}; a text is required"
        name, output = file.get("PropertyFileName"), file.get("OutputName")
        if isinstance(name, str) and name in seen:
            told = f"found {shown(name)} twice; names of property files must be unique"
            yield (*path, index, "PropertyFileName"), told
        seen.add(str(name))
        if isinstance(output, str) and output and output not in outputs:
            told = f"found the unknown output '{output}'; {near(output, outputs)}"
            yield (*path, index, "OutputName"), told
