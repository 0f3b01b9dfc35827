"""The types a user writes in a step's or a pipeline's signature beyond other libraries' own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar, cast

from waterflow.language.values import definition_error

T = TypeVar("T")


class StaticMarker:
    """Marks a parameter that must be known while a pipeline is traced."""

    def __repr__(self) -> str:
        return "wf.Static"


STATIC = StaticMarker()

Static = Annotated[T, STATIC]
"""A parameter known while tracing: `folds: wf.Static[int] = 5` may be given to `range`.

Its value is baked into the spec, so another value makes another spec.
"""


class Data:
    """Outside data: the only door by which a pipeline reads what it did not make.

    Args:
        uri: A local path (relative paths are seen from the project's root), or a URI whose
            scheme is s3, gs, abfss, https or dvc.

    A local file is stored under its content's digest at submit; a URI is pinned to a version or
    etag. Inside a step, `path` is where its bytes are: one file or folder under its own name.

    Raises:
        DefinitionError: It is no path and no text, or empty.
    """

    def __init__(self, uri: str | Path) -> None:
        if not isinstance(uri, str | Path) or not str(uri).strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise definition_error(
                f"wf.Data({uri!r}) names no data. Write a path or a URI, such as "
                'wf.Data("data/rows.csv").'
            )
        self.uri = str(uri)
        self._path: Path | None = None

    @classmethod
    def at(cls, uri: str, path: Path) -> Data:
        """Return data whose bytes are at a local path: what a step is handed."""
        data = cls(uri)
        data._path = path
        return data

    @property
    def path(self) -> Path:
        """The local file or folder.

        Outside a step, as when a step's function is called by itself, a relative path is seen from
        the working folder: work in the project's root to find what a run would.

        Raises:
            ArtifactError: A URI is asked for its path outside a step, where nothing fetched it.
        """
        if self._path is not None:
            return self._path
        if "://" in self.uri:
            from waterflow.errors import ArtifactError

            raise ArtifactError(
                f"{self.uri} has no local path here: it is fetched for the step that takes it. "
                "Give the wf.Data to a step, and read `.path` there."
            )
        return Path(self.uri)

    def open(self) -> BinaryIO:
        """Open the file for reading bytes."""
        return self.path.open("rb")

    def __repr__(self) -> str:
        return f"wf.Data({self.uri!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and other.uri == self.uri

    def __hash__(self) -> int:
        return hash(("waterflow.Data", self.uri))


@dataclass(frozen=True)
class Secret:
    """A reference to a secret in the provider's store; the value exists only inside a job."""

    name: str

    def value(self) -> str:
        """Return the secret itself, read with the job's own identity.

        Raises:
            ConfigurationError: There is no such secret, or this is not a step's job.
        """
        from waterflow.language.context import resolve_secret

        return resolve_secret(self.name)


def secret(name: str) -> Secret:
    """Refer to a secret by its name in the provider's store.

    Args:
        name: The secret's name. Locally it is the environment variable
            `WATERFLOW_SECRET_<NAME>`, upper case, with `-`, `.` and `/` as `_`.

    Raises:
        DefinitionError: It is no text, or empty.
    """
    if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise definition_error(
            f"wf.secret({name!r}) names no secret. Write its name in the provider's store, such as "
            'wf.secret("api-token").'
        )
    return Secret(name)


def as_items(value: object) -> list[Any] | None:
    """Return a list's or tuple's items, or None when the value is neither."""
    if isinstance(value, (list, tuple)):
        return list(cast("list[Any]", value))
    return None
