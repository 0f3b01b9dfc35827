"""The code key of a step: the digest that caches know its code by, and the parts that make it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from waterflow.packing.effects import Effects
from waterflow.packing.reach import Hidden, Reach
from waterflow.packing.sources import parse, text_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
        classes: Full names of the classes of the project that values which the step returns may
            be instances of: who reads them finds the classes by these names.
    """

    digest: str
    parts: dict[str, str] = field(default_factory=dict[str, str])
    whole: str | None = None
    classes: frozenset[str] = frozenset()


class CodeKeys:
    """Finds the code keys of steps, parsing each module once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, frozenset[str]], CodeKey] = {}
        self._projects: dict[tuple[str, str], _Project | None] = {}

    def of(self, bundle: Bundle, name: str, types: Iterable[str] = ()) -> CodeKey:
        """Return the code key of a step.

        Args:
            bundle: Its bundle.
            name: Its function's name in the bundle's module.
            types: Full names of classes that are found by their names in what the step reads.
        """
        key = bundle.digest, bundle.module, name, frozenset(types)
        if key not in self._known:
            self._known[key] = self._of(bundle, name, key[-1])
        return self._known[key]

    def _of(self, bundle: Bundle, name: str, types: frozenset[str]) -> CodeKey:
        at = bundle.digest, bundle.module
        if at not in self._projects:
            self._projects[at] = _project(bundle)
        project = self._projects[at]
        if project is None:
            return whole_bundle(bundle, f"{bundle.module} is no module of the project")
        reach = Reach(project.sources, project.effects)
        try:
            reach.root(bundle.module, name)
            for module in bundle.beside:
                reach.run(module)
            for one in sorted(types):
                for module, rest in _splits(one):
                    if module in project.sources:
                        reach.take(module, rest.partition(".")[0])
                        break
        except Hidden as reason:
            return replace(whole_bundle(bundle, str(reason)), classes=project.classes)
        except RecursionError:
            return replace(whole_bundle(bundle, "it is nested too deeply"), classes=project.classes)
        lines = [*_others(bundle).items(), *((line, "") for line in reach.lines())]
        parts = dict(_others(bundle))
        for statement, source in reach.reached.items():
            label = f"{statement.label} in {bundle.modules[source.name]}"
            said = reach.digest(statement)
            parts[label] = text_sha256(parts[label] + said) if label in parts else said
        if reach.libraries:
            parts["imported libraries"] = text_sha256("\n".join(reach.libraries))
        text = "\n".join(f"{name}\0{digest}" for name, digest in lines)
        classes = frozenset(
            f"{source.name}.{name}"
            for statement, source in reach.reached.items()
            for name in statement.classes
        )
        return CodeKey(text_sha256(text), _shortened(parts), classes=classes)


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read a dotted name as a module and what is in it, longest module first."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:end]), ".".join(parts[end:])


@dataclass(frozen=True)
class _Project:
    """The modules of one bundle."""

    sources: dict[str, Source]
    effects: Effects

    @cached_property
    def classes(self) -> frozenset[str]:
        """The full names of all its classes."""
        return frozenset(
            f"{source.name}.{name}"
            for source in self.sources.values()
            for statement in source.statements
            for name in statement.classes
        )


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
    """Return the digests of the files of which all always counts: those that may be read as data.

    So does a module by the name of one of Python's: libraries too import it instead.
    """
    ours: list[str] = []
    others: dict[str, str] = {}
    python = {
        path
        for name, path in bundle.modules.items()
        if path.endswith(".py")
        and path not in bundle.included
        and name.partition(".")[0] not in sys.stdlib_module_names
    }
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
