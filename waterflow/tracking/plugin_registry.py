"""MLflow's model registry inside a step: the one behind the spool, spoken to at once."""

from __future__ import annotations

import functools
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from waterflow.tracking.client import ATTEMPT, EXECUTION, STEP, make
from waterflow.tracking.plugin_files import folder_of
from waterflow.tracking.spool import SCHEME, from_uri
from waterflow.tracking.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REQUEST: Final = "waterflow.request"
"""The tag by which a version is found again when its answer was lost."""


class SpoolRegistryStore:
    """The registry as a step sees it: all that the real one can do, and models of the step's own.

    A model that the step logged is beside its spool, from where nobody else can read it: before it
    becomes a version, its files go to the pipeline's run.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        del tracking_uri
        self._spool = from_uri(store_uri)
        self._upstream = Upstream(self._spool)
        self._store: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return what the real registry calls by a name; a function asks it in our way."""
        if name.startswith("__"):
            raise AttributeError(name)

        def get(store: Any) -> Any:
            return getattr(store, name)

        attribute = self._ask(name, get)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def asking(*args: Any, **how: Any) -> Any:
            def do(store: Any) -> Any:
                return getattr(store, name)(*args, **how)

            return self._ask(name, do)

        return asking

    def _ask(self, name: str, do: Callable[[Any], Any]) -> Any:
        def call(client: Any) -> Any:
            if self._store is None:
                # The client makes it of its own address, with what that needs: no other door.
                self._store = client._get_registry_client().store  # noqa: SLF001
            return do(self._store)

        return self._upstream.ask(f"{name.strip('_').replace('_', ' ')} in the registry", call)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> Any:
        """Make a version of a model that the step logged, saved, or found in the store."""
        folder = self._folder(source, local_model_path)
        if folder is not None:
            if not folder.is_dir():
                raise MlflowException(
                    f"There are no files of a model at {source}.", INVALID_PARAMETER_VALUE
                )
            under = f"registered/{self._spool.step}/{name}-{uuid.uuid4().hex[:12]}"
            run_id, source = self._upstream.upload(folder, under)
            model_id = None
        whence = {
            EXECUTION: self._spool.execution,
            STEP: self._spool.step,
            ATTEMPT: str(self._spool.attempt),
            _REQUEST: uuid.uuid4().hex,
        }
        every = [*(tags or ()), *(ModelVersionTag(key, text) for key, text in whence.items())]
        condition = f"name = '{name}' and tags.`{_REQUEST}` = '{whence[_REQUEST]}'"

        def create(store: Any) -> Any:
            def make_version() -> Any:
                return store.create_model_version(
                    name, source, run_id, every, run_link, description, model_id=model_id
                )

            def find() -> Any:
                return next(iter(store.search_model_versions(condition)), None)

            return make(self._upstream.uri, make_version, find)

        return self._ask("create_model_version", create)

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Return where the files of a version are."""

        def get(store: Any) -> Any:
            return store.get_model_version_download_uri(name, version)

        uri = self._ask("get_model_version_download_uri", get)
        return self._upstream.readable(str(uri))

    def _folder(self, source: str, local_model_path: str | None) -> Path | None:
        """Return where the files of a source are on this machine; None where they are elsewhere."""
        parts = urlsplit(source)
        if parts.scheme == SCHEME:
            return folder_of(source)
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path))
        if parts.scheme == "models" and parts.path.strip("/").startswith("m-"):
            if local_model_path is not None:
                return Path(local_model_path)
            from mlflow import MlflowClient

            model: Any = MlflowClient().get_logged_model(parts.path.strip("/"))
            location = str(model.artifact_location)
            return folder_of(location) if urlsplit(location).scheme == SCHEME else None
        return None
