"""What stands beside a step's Arguments: its members, retries, caching, property files, order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.caching import duration
from waterflow_sagemaker.definition.document import (
    EXCEPTIONS,
    INNER_STEPS,
    OUTPUT_TYPES,
    TRIGGERS,
    PropertyFile,
    RetryPolicy,
    Step,
    as_object,
    objects,
    text_or_empty,
)
from waterflow_sagemaker.definition.shapes import near, shown
from waterflow_sagemaker.limits import RETRIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.definition.document import Json, Problem, StepEntry
    from waterflow_sagemaker.definition.shapes import Path

    Problems = list[Problem]

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
_ADDRESSES: Final = {"Lambda": "FunctionArn", "Callback": "SqsQueueUrl"}
"""Step type -> the member that says what is called."""
_POLICY: Final = (
    "ExceptionType",
    "BackoffRate",
    "IntervalSeconds",
    "MaxAttempts",
    "ExpireAfterMin",
)


def allowed_members(kind: str) -> tuple[str, ...] | None:
    """Return the members of a step of a type; None where they are not known."""
    return (*_COMMON, *_OWN[kind]) if kind in _OWN else None


def read_step(entry: StepEntry) -> Step:
    """Read a step, with all that is wrong beside its Arguments."""
    source = as_object(entry.source)
    kind = text_or_empty(source.get("Type"))
    arguments = {
        name: value
        for name, value in as_object(source.get("Arguments")).items()
        if name not in INNER_STEPS.get(kind, ())
    }
    problems: Problems = []
    retries = _retries(source.get("RetryPolicies"), problems)
    cache = _cache(source.get("CacheConfig"), problems)
    files = _files(source.get("PropertyFiles"), arguments, problems)
    _outputs(source.get("OutputParameters"), problems)
    address = _ADDRESSES.get(kind)
    if address and not isinstance(source.get(address), (str, dict)):
        problems.append(((address,), f"found {shown(source.get(address))}; a value is required"))
    return Step(
        source=source,
        label=entry.label,
        name=entry.name,
        type=kind,
        arguments=arguments,
        chain=entry.chain,
        looped=entry.looped,
        depends=_depends(source.get("DependsOn")),
        retries=retries,
        cache=cache,
        files=files,
        problems=tuple(problems),
    )


# --- order ----------------------------------------------------------------------------------------


def _depends(value: Any) -> dict[str, str]:
    depends: dict[str, str] = {}
    for entry in cast("list[Any]", value) if isinstance(value, list) else []:
        pair = as_object(entry) or {"Step": entry}
        if isinstance(pair.get("Step"), str):
            depends[pair["Step"]] = text_or_empty(pair.get("Trigger", TRIGGERS[0]))
    return depends


def trigger_problems(entry: Any) -> Iterator[str]:
    """Yield what is wrong with an entry of DependsOn beside the step that it names."""
    pair = as_object(entry)
    trigger = pair.get("Trigger", TRIGGERS[0])
    if trigger not in TRIGGERS:
        yield f"found the Trigger {shown(trigger)}; {near(str(trigger), TRIGGERS)}"
    for name in pair:
        if name not in ("Step", "Trigger"):
            yield f"found the unknown member '{name}'; {near(name, ('Step', 'Trigger'))}"


# --- retries --------------------------------------------------------------------------------------


def _retries(value: Any, problems: Problems) -> tuple[RetryPolicy, ...]:
    path: Path = ("RetryPolicies",)
    if value is None:
        return ()
    if not isinstance(value, list):
        problems.append((path, f"found {shown(value)}; a list is required"))
        return ()
    policies: list[RetryPolicy] = []
    for index, policy in enumerate(cast("list[Any]", value)):
        if isinstance(policy, dict):
            policies.append(_retry(as_object(cast("object", policy)), (*path, index), problems))
        else:
            problems.append(((*path, index), f"found {shown(policy)}; an object is required"))
    return tuple(policies)


def _retry(policy: Json, path: Path, problems: Problems) -> RetryPolicy:
    """Read one policy, by the schema in AWS's document (`limits.RETRIES` names it)."""
    for name in policy:
        if name not in _POLICY:
            text = f"found the unknown member '{name}'; {near(name, _POLICY)}"
            problems.append(((*path, name), text))
    # A list in the document's schema and in all that the SDK writes; the schema that AWS published
    # in 2022 has a text here, which no other source does.
    kinds = policy.get("ExceptionType")
    listed = cast("list[Any]", kinds) if isinstance(kinds, list) else []
    where = (*path, "ExceptionType")
    if not listed:
        problems.append((where, f"found {shown(kinds)}; a list of {', '.join(EXCEPTIONS)}"))
    for index, kind in enumerate(listed):
        if kind not in EXCEPTIONS:
            text = f"found {shown(kind)}; allowed is one of {', '.join(EXCEPTIONS)}"
            problems.append(((*where, index), text))
    numbers = {
        name: _number(policy, name, path, problems)
        for name in ("BackoffRate", "IntervalSeconds", "MaxAttempts", "ExpireAfterMin")
    }
    ends = [name for name in ("MaxAttempts", "ExpireAfterMin") if policy.get(name) is not None]
    if len(ends) != 1:
        text = " and ".join(ends) or "neither"
        problems.append(
            (path, f"found {text}; exactly one is required of MaxAttempts, ExpireAfterMin")
        )
    attempts, minutes = numbers["MaxAttempts"], numbers["ExpireAfterMin"]
    interval, backoff = numbers["IntervalSeconds"], numbers["BackoffRate"]
    return RetryPolicy(
        exceptions=tuple(str(kind) for kind in listed),
        interval=1 if interval is None else interval,
        backoff=2.0 if backoff is None else backoff,
        attempts=None if attempts is None else int(attempts),
        minutes=None if minutes is None else int(minutes),
    )


def _number(policy: Json, name: str, path: Path, problems: Problems) -> float | None:
    """Return a member that is a number within its bounds; None where it is not there or is none."""
    value = policy.get(name)
    if value is None:
        return None
    bound, where = RETRIES.get(name), (*path, name)  # the factor has none
    whole = name != "BackoffRate"
    if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool):
        kind = "a whole number" if whole else "a number"
        problems.append((where, f"found {shown(value)}; {kind} is required"))
        return None
    if value < 0:
        problems.append((where, f"found {shown(value)}; at least 0 is required"))
    elif bound is not None and value > bound.most:
        problems.append((where, f"found {shown(value)}; at most {bound.most} is allowed"))
    return value


# --- caching --------------------------------------------------------------------------------------


def _cache(value: Any, problems: Problems) -> float | None:
    """Read CacheConfig, by the document that `caching.duration` names.

    None of its members is required: AWS's SDK writes `Enabled` alone for a CacheConfig without
    `expire_after`, and the schema that `parameters` names has no required member. Without
    `ExpireAfter` no result is too old: what bound the service has then is nowhere said.
    """
    if value is None:
        return None
    config, path = as_object(value), ("CacheConfig",)
    for name in config:
        if name not in ("Enabled", "ExpireAfter"):
            text = f"found the unknown member '{name}'; {near(name, ('Enabled', 'ExpireAfter'))}"
            problems.append(((*path, name), text))
    if not isinstance(value, dict):
        problems.append((path, f"found {shown(value)}; an object is required"))
    enabled, expires = config.get("Enabled", False), config.get("ExpireAfter")
    if not isinstance(enabled, bool):
        problems.append(((*path, "Enabled"), f"found {shown(enabled)}; true or false is required"))
    if "ExpireAfter" not in config:
        return math.inf if enabled is True else None
    try:
        seconds = duration(text_or_empty(expires))
    except ValueError:
        text = f"found {shown(expires)}; an ISO 8601 duration is required, such as P30D"
        problems.append(((*path, "ExpireAfter"), text))
        return None
    return seconds if enabled is True else None


# --- output parameters ----------------------------------------------------------------------------


def _outputs(value: Any, problems: Problems) -> None:
    """Check OutputParameters: the names, and the types that AWS's SDK and schema know."""
    path: Path = ("OutputParameters",)
    if not isinstance(value, (list, type(None))):
        problems.append((path, f"found {shown(value)}; a list is required"))
    seen: set[str] = set()
    for index, entry in enumerate(objects(value)):
        name, kind = entry.get("OutputName"), entry.get("OutputType", OUTPUT_TYPES[0])
        if not isinstance(name, str) or not name:
            text = f"found {shown(name)}; a name is required"
            problems.append(((*path, index, "OutputName"), text))
        elif name in seen:
            text = f"found {shown(name)} twice; names of output parameters must be unique"
            problems.append(((*path, index, "OutputName"), text))
        else:
            seen.add(name)
        if kind not in OUTPUT_TYPES:
            text = f"found {shown(kind)}; allowed is one of {', '.join(OUTPUT_TYPES)}"
            problems.append(((*path, index, "OutputType"), text))


# --- property files -------------------------------------------------------------------------------


def _files(value: Any, arguments: Json, problems: Problems) -> dict[str, PropertyFile]:
    path: Path = ("PropertyFiles",)
    if value is None:
        return {}
    if not isinstance(value, list):
        problems.append((path, f"found {shown(value)}; a list is required"))
        return {}
    config = as_object(arguments.get("ProcessingOutputConfig"))
    outputs = [str(one.get("OutputName")) for one in objects(config.get("Outputs"))]
    files: dict[str, PropertyFile] = {}
    for index, entry in enumerate(objects(cast("object", value))):
        for member in ("PropertyFileName", "OutputName", "FilePath"):
            if not isinstance(entry.get(member), str) or not entry[member]:
                text = f"found {shown(entry.get(member))}; a text is required"
                problems.append(((*path, index, member), text))
        name, output = entry.get("PropertyFileName"), entry.get("OutputName")
        if isinstance(name, str) and name in files:
            text = f"found {shown(name)} twice; names of property files must be unique"
            problems.append(((*path, index, "PropertyFileName"), text))
        if isinstance(output, str) and output and output not in outputs:
            text = f"found the unknown output '{output}'; {near(output, outputs)}"
            problems.append(((*path, index, "OutputName"), text))
        files[str(name)] = PropertyFile(str(output), str(entry.get("FilePath")))
    return files
