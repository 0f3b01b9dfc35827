"""Why a step runs, or did not: what differs from the earlier result of it, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.provider.state import Status
from waterflow.runs.cache import Basis
from waterflow.spec.parameters import to_text
from waterflow.spec.references import upstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.provider.state import RunState

NO_RESULT: Final = "no earlier result"
LOST: Final = "the earlier result is no longer whole"
NO_CACHE: Final = "this run takes no earlier results"

_NAMED: Final = 3
"""How many parts of the code are named before the rest is counted."""
_VALUE: Final = 40
"""Characters of a value that are shown."""
_FIELDS: Final = {
    "outputs": "the types of its outputs",
    "values": "the values that conditions take from it",
    "variables": "environment variable",
    "secrets": "secret",
    "trusted_types": "trusted_types",
    "metrics": "metric",
}
_BY_NAME: Final = ("variables", "secrets", "metrics")


def never(step: spec.Step) -> str | None:
    """Return why no earlier result may stand for a step; None where one may.

    Args:
        step: The step.
    """
    if isinstance(step.run, spec.Register):
        return "never cached: it registers a model"
    if step.cache:
        return None
    if not step.outputs:
        return "never cached: it has no outputs"
    return "never cached: cache=False"


def note_not_run(state: RunState, pipeline: spec.Pipeline) -> None:
    """Note in a final state of a run why steps did not run.

    Args:
        state: The state; reasons that the provider has given stay.
        pipeline: The run's spec.
    """
    steps = state.steps
    failed = [name for name, one in steps.items() if one.status is Status.FAILED]
    lost: dict[str, tuple[str, ...]] = {name: (name,) for name in failed}
    for step in pipeline.steps:
        one = steps.get(step.name)
        if one is None or one.status is not Status.NOT_RUN:
            continue
        before = (lost.get(name, ()) for name in sorted(upstream(pipeline, step)))
        lost[step.name] = causes = tuple(dict.fromkeys(name for names in before for name in names))
        if one.reason is None and causes:
            one.reason = f"it needs {', '.join(causes)}, which failed"
        elif one.reason is None and state.status is Status.CANCELLED:
            one.reason = "the run was cancelled"
        elif one.reason is None and failed:
            one.reason = f"{failed[0]} failed before it could start"


def is_difference(reason: str) -> bool:
    """Say whether a reason tells what differs from an earlier result: not that there is none."""
    return reason not in (NO_RESULT, NO_CACHE) and not reason.startswith("never cached")


def reasons(before: Basis, after: Basis) -> list[str]:
    """Return what differs between an earlier result's basis and that of the result to come.

    Args:
        before: Of the earlier result.
        after: Of the result to come.
    """
    # As it is kept: a tuple is a list there.
    after = Basis.from_json(json.loads(json.dumps(after.to_json())))
    old, new = before.requirements, after.requirements
    return [
        *code_reasons(before.code, before.parts, after.code, after.parts),
        *library_reasons(old.get("versions", {}), new.get("versions", {})),
        *_parameters(before, after),
        *(f"{what}: {how}" for what, how in _inputs(before.inputs, after.inputs)),
        *_fields(before.step, after.step),
        *_environment(old, new),
    ]


# --- code -----------------------------------------------------------------------------------------


def code_reasons(
    old: str | None, parts: Mapping[str, str], new: str | None, now: Mapping[str, str]
) -> Iterator[str]:
    """Yield what of the code differs.

    Args:
        old: What caches knew the code by.
        parts: What that was made of.
        new: What they know it by now.
        now: What that is made of.
    """
    from waterflow.packing.code_key import OURS  # here: a run that changes nothing needs no parser

    if old == new:
        return
    words = [
        *(f"{name} changed" for name in now if name in parts and now[name] != parts[name]),
        *(f"{name} is new" for name in now if name not in parts),
        *(f"{name} is gone" for name in parts if name not in now),
    ]
    ours = [one for one in words if one == f"{OURS} changed"]
    if ours and len(words) == 1:
        yield "code: Waterflow itself changed"
        return
    # Imports tell little where a function is named too.
    words.sort(key=lambda word: word.startswith("import "))
    yield f"code: {_few(words or ['the order of its statements changed'])}"


def _few(words: list[str]) -> str:
    rest = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def library_reasons(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Yield which libraries differ, by their versions or by their content."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        label = name.removeprefix("module ")
        if before is None:
            yield f"{label} {_version(after)} is new".replace("  ", " ")
        elif after is None:
            yield f"{label} {_version(before)} is gone".replace("  ", " ")
        elif _version(before) == _version(after):
            yield f"{label} {_version(after)}".rstrip() + ": other content"
        else:
            yield f"{label} {_version(before)} -> {_version(after)}"


def _version(text: str | None) -> str:
    """Return a version without the digest of what was installed under it."""
    version = (text or "").partition(" ")[0]
    return "" if version.startswith("sha256:") else version


# --- what it is given -----------------------------------------------------------------------------


def _parameters(before: Basis, after: Basis) -> Iterator[str]:
    old, new = _plain(before), _plain(after)
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"parameter {name} {_short(new[name])} is new"
        elif name not in new:
            yield f"parameter {name} is gone"
        elif old[name] != new[name]:
            yield f"parameter {name} {_short(old[name])} -> {_short(new[name])}"


def _plain(basis: Basis) -> dict[str, str]:
    """Return the plain values that a step is given, constants and parameters, as JSON text."""
    arguments: Mapping[str, Any] = basis.step.get("arguments", {})
    constants = {
        name: to_text(one["constant"])
        for name, one in arguments.items()
        if isinstance(one, dict) and "constant" in one
    }
    return constants | basis.parameters


def shown(value: Any) -> str:
    """Return a value as short JSON."""
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 3]}..."


def _inputs(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None or after is None:
            yield f"input {name}", "is new" if before is None else "is gone"
        elif "skipped" in (before, after):
            yield f"input {name}", "is skipped" if after == "skipped" else "is no longer skipped"
        else:
            yield f"input {name}", "other content"


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old.get("run") != new.get("run"):
        yield "it runs another function"
    yield from _arguments(old.get("arguments", {}), new.get("arguments", {}))
    for name, label in _FIELDS.items():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name in _BY_NAME:
            yield f"{label} {', '.join(_different(before or {}, after or {}))} changed"
        else:
            yield f"{label} changed"


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    missing = object()
    return (key for key in sorted({*old, *new}) if old.get(key, missing) != new.get(key, missing))


def _arguments(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield the arguments that come from elsewhere than before."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        constants = all(isinstance(one, dict) and "constant" in one for one in (before, after))
        if before != after and not constants and before is not None and after is not None:
            yield f"argument {name} comes from elsewhere"


def _environment(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, label in (("python", "Python"), ("image", "image")):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield f"{label} {before or 'none'} -> {after or 'none'}"
    if old.get("requirements") != new.get("requirements"):
        yield "its own requirements changed"
    elif old.get("wheelhouse") != new.get("wheelhouse"):
        yield "its own requirements come to other versions"
