"""scikit-learn estimators as skops files: canonical, closed to what is not trusted, and whole."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import object_graph
from waterflow.artifacts.base import library
from waterflow.artifacts.object_graph import Circle
from waterflow.artifacts.skops_file import canonical, member
from waterflow.artifacts.stamps import unstamped
from waterflow.artifacts.trust import dotted, refuse_untrusted
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WHAT: Final = "A scikit-learn estimator as an artifact"
_CIRCLES: Final = "circles.json"
"""What skops cannot write of a model that holds itself; other readers of the file pass over it."""


def dump_estimator(
    estimator: Any, path: Path, trusted: Sequence[str] = (), *, what: str | None = None
) -> None:
    """Write an estimator as a canonical skops file.

    Args:
        estimator: The fitted estimator, or what it is kept with: a dict of plain values.
        path: The file to write.
        trusted: Dotted names that it may hold beyond the allow-list.
        what: The model, as the subject of a sentence.

    Raises:
        ArtifactError: It holds types outside the allow-list, or what skops cannot write.
    """
    library("sklearn", _WHAT)
    skops = library("skops.io", _WHAT)
    what = what or f"The model ({dotted(type(estimator))})"
    try:
        parts = object_graph.survey(estimator)
        _refuse_parts(parts, what)
        with contextlib.ExitStack() as stack:
            stack.enter_context(object_graph.opened(estimator, parts.circles))
            for model in parts.stamped:
                stack.enter_context(unstamped(model))
            data = _dumps(skops, estimator, what)
    except RecursionError:
        raise ArtifactError(
            f"{what} is nested too deeply for a skops file. Return it as a Path to a file in its "
            "own library's format."
        ) from None
    refuse_untrusted(skops.get_untrusted_types(data=data), trusted, what)
    circles = [[c.path, c.depth, c.method] for c in parts.circles if not c.needless]
    beside = {_CIRCLES: json.dumps(circles, separators=(",", ":")).encode()} if circles else {}
    path.write_bytes(canonical(data, beside))


def _refuse_parts(parts: object_graph.Survey, what: str) -> None:
    """Refuse a model with parts of which it is known that no file can hold them."""
    for path, kind in parts.tables:
        raise ArtifactError(
            f"{what} holds a {kind} in {object_graph.shown(path)}, and a model file holds no "
            "tables. Keep the values as a NumPy array or a list (`.to_numpy()`, `.tolist()`), or "
            "return the table as an output of its own."
        )
    for path in parts.closed:
        raise ArtifactError(
            f"{what} holds itself in {object_graph.shown(path)}, which no file can say. Keep it as "
            "an attribute of an object, or leave it out."
        )


def _dumps(skops: Any, estimator: object, what: str) -> bytes:
    try:
        return skops.dumps(estimator)
    except (TypeError, ValueError, AttributeError) as error:
        path, part = object_graph.unwritable(estimator, skops.dumps)
        which = f"{object_graph.shown(path)} ({object_graph.type_name(part)}): " if path else ""
        raise ArtifactError(
            f"{what} cannot be written as a skops file: {which}{error}. Leave that out, return the "
            "model as a Path to a file in its own library's format, or keep it your own way: "
            "wf.serializer(Class, save=..., load=...)"
        ) from None


def load_estimator(path: Path, trusted: Sequence[str] = ()) -> Any:
    """Read an estimator from a skops file.

    Args:
        path: The file.
        trusted: Dotted names that it may hold beyond the allow-list.

    Raises:
        ArtifactError: It is no skops file, or holds types outside the allow-list.
    """
    from zipfile import BadZipFile

    library("sklearn", _WHAT)
    skops = library("skops.io", _WHAT)
    data = path.read_bytes()
    try:
        classes: list[str] = skops.get_untrusted_types(data=data)
        circles = _circles(data)
    except (BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a readable skops file: {error}") from None
    refuse_untrusted(classes, trusted, f"The model file {path}")
    try:
        estimator = skops.loads(data, trusted=classes)
        object_graph.close(estimator, circles)
    except ImportError as error:
        raise ArtifactError(_not_here(path, classes, error)) from error
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be loaded here: {error}. It was written with other versions of its "
            "libraries: install those of the lock file, or run the step that makes it again."
        ) from error
    return estimator


def _circles(data: bytes) -> list[Circle]:
    text = member(data, _CIRCLES)
    if text is None:
        return []
    return [
        Circle(tuple((str(kind), key) for kind, key in path), int(depth), str(method))
        for path, depth, method in json.loads(text)
    ]


def _not_here(path: Path, classes: Sequence[str], error: ImportError) -> str:
    """Return what to say of a model whose class cannot be imported."""
    missing = error.name or ""
    named = next((one for one in classes if missing and one.startswith(f"{missing}.")), None)
    if named is None:
        return (
            f"{path} cannot be loaded here: {error}. Install the library, in the version of the "
            "lock file."
        )
    return (
        f"{path} holds a {named}, and its module '{missing}' is not here. In a step, name the "
        f'class in @wf.pipeline(trusted_types=["{named}"]): its code then comes along. Elsewhere, '
        "import it from the project's folder, or install the library that has it."
    )
