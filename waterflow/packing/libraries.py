"""The libraries that a step's result depends on, and which version of each is installed."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.packing.installed import code_files, digest_of
from waterflow.tracking import distributions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def versions(modules: Iterable[str], required: Iterable[str] = ()) -> dict[str, str]:
    """Return what is installed of some libraries and of all that they require in turn.

    Args:
        modules: Names of top-level modules.
        required: Names of distributions; those that are not installed are left out.

    Returns:
        Distribution -> version, sorted. What has no version that tells its content (a module found
        by PYTHONPATH, an editable install) has a digest of its sources instead.
    """
    pins: dict[str, str] = {}
    installed = distributions.installed()
    owners = distributions.owners()
    waiting = [name for name in map(distributions.normal, required) if name in installed]
    for module in modules:
        # Most are called like their module.
        own = distributions.normal(module)
        names = [own] if own in installed else sorted(owners.get(module, ()))
        waiting += names
        if not names or any(_is_editable(name) for name in names):
            digest = _source_digest(module)
            if digest is not None:
                pins[f"module {module}"] = digest
    while waiting:
        name = waiting.pop()
        if name in installed and name not in pins:
            pins[name] = installed[name]
            waiting.extend(_requires(name))
    return dict(sorted(pins.items()))


@cache
def _requires(distribution: str) -> tuple[str, ...]:
    """Return what a distribution always requires here: its extras are nobody's wish."""
    from packaging.requirements import Requirement

    names: list[str] = []
    for text in distributions.requires(distribution):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names.append(distributions.normal(requirement.name))
    return tuple(names)


@cache
def _is_editable(distribution: str) -> bool:
    text = metadata.distribution(distribution).read_text("direct_url.json")
    return text is not None and bool(json.loads(text).get("dir_info", {}).get("editable"))


def _source_digest(module: str) -> str | None:
    """Return a digest over a module's code; None where it has none to read."""
    return digest_of(_sources(module))


def _sources(module: str) -> Iterator[tuple[str, Path]]:
    try:
        spec = util.find_spec(module)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin is not None and Path(spec.origin).is_file():
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        for file in code_files(Path(folder)):
            yield file.relative_to(folder).as_posix(), file
