"""The code key of a step: the digest that caches know its code by, and the parts that make it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from waterflow.packing.effects import Effects
from waterflow.packing.reach import Hidden, Reach
from waterflow.packing.sources import parse, text_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.packing.bundle import Bundle
    from waterflow.packing.sources import Source

_SHORT: Final = 16
"""Hex digits that tell one state of a part from another."""
OURS: Final = "Waterflow"
"""The part that is Waterflow's own code."""


@dataclass(frozen=True)
class CodeKey:
    """What caches know a step's code by.

    Attributes:
        digest: sha256 over all that the step's function can reach, in hex.
        parts: What that is: "train() in steps.py" -> the digest of what it says.
        whole: Why the whole bundle counts, where what the function reaches cannot be told.
    """

    digest: str
    parts: dict[str, str] = field(default_factory=dict[str, str])
    whole: str | None = None


class CodeKeys:
    """Finds the code keys of steps, parsing each module once."""

    def __init__(self) -> None:
        self._projects: dict[tuple[str, str], _Project | None] = {}

    def of(self, bundle: Bundle, name: str, types: Iterable[str] = ()) -> CodeKey:
        """Return the code key of a step.

        Args:
            bundle: Its bundle.
            name: Its function's name in the bundle's module.
            types: Full names of classes that are found by their names in what the step reads.
        """
        at = bundle.digest, bundle.module
        if at not in self._projects:
            self._projects[at] = _project(bundle)
        project = self._projects[at]
        if project is None:
            return whole_bundle(bundle, f"{bundle.module} is no module of the project")
        reach = Reach(project.sources, project.effects)
        try:
            reach.root(bundle.module, name)
            for one in types:
                module, _, cls = one.rpartition(".")
                if module in project.sources:
                    reach.root(module, cls)
        except Hidden as reason:
            return whole_bundle(bundle, str(reason))
        except RecursionError:
            return whole_bundle(bundle, "the code is nested too deeply")
        lines = [*_others(bundle).items(), *((line, "") for line in reach.lines())]
        parts = dict(_others(bundle))
        for statement, source in reach.reached.items():
            label = f"{statement.label} in {bundle.modules[source.name]}"
            said = reach.digest(statement)
            parts[label] = text_sha256(parts[label] + said) if label in parts else said
        if reach.libraries:
            parts["imported libraries"] = text_sha256("\n".join(reach.libraries))
        text = "\n".join(f"{name}\0{digest}" for name, digest in lines)
        return CodeKey(text_sha256(text), _shortened(parts))


@dataclass(frozen=True)
class _Project:
    """The modules of one bundle."""

    sources: dict[str, Source]
    effects: Effects


def _project(bundle: Bundle) -> _Project | None:
    """Return the modules of a bundle; None where its step is no module of the project."""
    sources: dict[str, Source] = {}
    for name, path in bundle.modules.items():
        content = bundle.files[path]
        if path.endswith(".py") and isinstance(content, bytes):
            package = PurePosixPath(path).name == "__init__.py"
            sources[name] = parse(name, content, package=package)
    return _Project(sources, Effects(sources)) if bundle.module in sources else None


def whole_bundle(bundle: Bundle, reason: str | None = None) -> CodeKey:
    """Return the code key that counts all of a bundle, to the last comment.

    Args:
        bundle: The bundle.
        reason: Why all of it counts.
    """
    parts = {**_others(bundle), **{path: bundle.hashes[path] for path in bundle.modules.values()}}
    return CodeKey(text_sha256(f"bundle {bundle.digest}"), _shortened(parts), reason)


def _others(bundle: Bundle) -> dict[str, str]:
    """Return the digests of what is no Python module of the project: all of it always counts."""
    ours: list[str] = []
    others: dict[str, str] = {}
    python = {path for path in bundle.modules.values() if path.endswith(".py")}
    for path in bundle.files:
        digest = f"{bundle.hashes[path]}{' x' if path in bundle.programs else ''}"
        if path in python:
            continue
        if path.startswith(("waterflow/", "waterflow-")):
            ours.append(f"{path} {digest}")
        else:
            others[path] = digest
    return {OURS: text_sha256("\n".join(ours)), **others}


def _shortened(parts: dict[str, str]) -> dict[str, str]:
    return {name: digest[:_SHORT] for name, digest in sorted(parts.items())}
