"""Placeholders in commands, arguments and constants: what stands for each when a task runs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_kfp.emulator.errors import TaskError
from waterflow_kfp.emulator.values import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PLACEHOLDER: Final = re.compile(r"\{\{\s*\$?([^{}]*?)\s*\}\}")
_KEYED: Final = re.compile(
    r"\.(inputs|outputs)\.(parameters|artifacts)\[['\"]([^'\"\]]+)['\"]\](.*)", re.DOTALL
)
_METADATA: Final = re.compile(r"\.metadata\[['\"]([^'\"\]]+)['\"]\]")
_ESCAPE: Final = re.compile(r"\.json_escape\[(\d+)\]$")
_STRUCTURES: Final = ("Concat", "IfPresent")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What placeholders stand for.

    Attributes:
        run: Name -> value of what is said of the run and the task: "pipeline_job_name".
        executor_input: The task's ExecutorInput in JSON; only `inputs` while inputs are made.
        paths: Artifact's address -> its path in the job.
    """

    run: Mapping[str, str]
    executor_input: Mapping[str, Any]
    paths: Mapping[str, str] = field(default_factory=dict[str, str])

    def part(self, side: str, kind: str) -> Mapping[str, Any]:
        """Return the inputs or outputs of a kind: "parameterValues", "artifacts"."""
        return cast("Mapping[str, Any]", self.executor_input.get(side, {}).get(kind, {}))


def words(written: Iterable[str], scope: Scope) -> list[str]:
    """Return a command's words, each placeholder replaced, each structure resolved.

    Args:
        written: The words as the document has them.
        scope: What stands for placeholders.

    Raises:
        TaskError: Nothing stands for one.
    """
    return [one for word in written for one in _expanded(word, scope)]


def rendered(written: str, scope: Scope) -> str:
    """Return a text with every placeholder replaced.

    Raises:
        TaskError: Nothing stands for one.
    """
    return _PLACEHOLDER.sub(lambda match: _value(match, scope), written)


def structured(value: Any, scope: Scope) -> Any:
    """Return a value with the placeholders in all of its texts replaced.

    A text that is one placeholder becomes the value itself, of whatever type.

    Raises:
        TaskError: Nothing stands for one.
    """
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        keyed = _KEYED.fullmatch(whole[1]) if whole else None
        if keyed and keyed[1] == "inputs" and keyed[2] == "parameters" and not keyed[4]:
            there = scope.part("inputs", "parameterValues")
            return there.get(keyed[3], value)
        return rendered(value, scope)
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {rendered(name, scope): structured(one, scope) for name, one in entries}
    if isinstance(value, list):
        return [structured(one, scope) for one in cast("list[Any]", value)]
    return value


def _expanded(word: str, scope: Scope) -> list[str]:
    structure = _structure(word)
    if structure is None:
        return [rendered(word, scope)]
    return _resolved(structure, scope)


def _structure(word: str) -> Any:
    """Return what a word holds if it is a Concat or an IfPresent in JSON; None if it is not."""
    if not word.lstrip().startswith("{") or word.lstrip().startswith("{{"):
        return None
    try:
        value = json.loads(word)
    except ValueError:
        return None
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _STRUCTURES:
        return cast("Any", value)
    return None


def _resolved(part: Any, scope: Scope) -> list[str]:
    """Return the words that a part of a structure stands for."""
    if isinstance(part, str):
        return _expanded(part, scope)
    if isinstance(part, list):
        return [one for each in cast("list[Any]", part) for one in _resolved(each, scope)]
    if "Concat" in part:
        return ["".join(_resolved(part["Concat"], scope))]
    if "IfPresent" in part:
        present = part["IfPresent"]
        name = present["InputName"]
        there = name in scope.part("inputs", "parameterValues") or name in scope.part(
            "inputs", "artifacts"
        )
        return _resolved(present.get("Then" if there else "Else") or [], scope)
    raise TaskError(f"{json.dumps(part)} is neither a Concat nor an IfPresent")


def _value(match: re.Match[str], scope: Scope) -> str:
    inside, times = match[1], 0
    escape = _ESCAPE.search(inside)
    if escape:
        inside, times = inside[: escape.start()], int(escape[1])
    value = _plain(inside, match[0], scope)
    for _ in range(times):
        value = json.dumps(value)[1:-1]
    return value


def _plain(inside: str, whole: str, scope: Scope) -> str:
    if not inside:
        return json.dumps(scope.executor_input)
    if inside.lstrip(".") in scope.run:
        return scope.run[inside.lstrip(".")]
    if inside == ".outputs.output_file":
        return str(scope.executor_input["outputs"]["outputFile"])
    keyed = _KEYED.fullmatch(inside)
    if keyed is None:
        raise TaskError(f"the placeholder {whole} is not known")
    side, kind, name, rest = keyed.groups()
    if kind == "parameters":
        return _parameter(side, name, rest, whole, scope)
    return _artifact(side, name, rest, whole, scope)


def _parameter(side: str, name: str, rest: str, whole: str, scope: Scope) -> str:
    if side == "outputs":
        there = scope.part("outputs", "parameters")
        if name not in there or rest != ".output_file":
            raise TaskError(f"{whole}: the component has no such output parameter")
        return str(there[name]["outputFile"])
    values = scope.part("inputs", "parameterValues")
    if rest:
        raise TaskError(f"the placeholder {whole} is not known")
    return text(values[name]) if name in values else ""


def _artifact(side: str, name: str, rest: str, whole: str, scope: Scope) -> str:
    there = scope.part(side, "artifacts")
    if name not in there:
        if side == "inputs":
            return ""  # an optional one that was not given
        raise TaskError(f"{whole}: the component has no such output artifact")
    artifacts = there[name]["artifacts"]
    if rest == ".value":
        return json.dumps(artifacts)
    if not artifacts:
        raise TaskError(f"{whole}: the list of artifacts is empty")
    first = artifacts[0]
    metadata = _METADATA.fullmatch(rest)
    if metadata:
        return text(first.get("metadata", {}).get(metadata[1], ""))
    match rest:
        case ".uri":
            return str(first["uri"])
        case ".path":
            return str(first.get("customPath") or scope.paths.get(first["uri"], first["uri"]))
        case ".metadata":
            return json.dumps(first.get("metadata", {}))
        case ".name":
            return str(first.get("name", ""))
        case "":
            return json.dumps(first)
        case _:
            raise TaskError(f"the placeholder {whole} is not known")
