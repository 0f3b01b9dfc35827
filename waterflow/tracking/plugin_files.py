"""MLflow's artifact store inside a step: the folders beside the spool."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from waterflow.errors import TrackingError
from waterflow.tracking.spool import from_artifact_uri, inner


class SpoolArtifactRepository(ArtifactRepository):
    """MLflow's artifact store inside a step: the folder beside the spool."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._spool, self._run, self._under = from_artifact_uri(artifact_uri)
        self._top = self._spool.files(self._run) / self._under

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Copy a file beside the spool and write its event."""
        self._log(Path(local_file), artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy what a folder holds beside the spool and write its events."""
        for entry in sorted(Path(local_dir).iterdir()):
            self._log(entry, artifact_path)

    def _log(self, path: Path, artifact_path: str | None) -> None:
        try:
            under = str(self._under / inner(artifact_path or ""))
            self._spool.log_artifact(path, under, self._run)
        except TrackingError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return what a folder of the run's artifacts holds."""
        top = self._top
        folder = top / inner(path or "")
        if not folder.is_dir():
            return []
        return [
            FileInfo(
                entry.relative_to(top).as_posix(),
                entry.is_dir(),
                None if entry.is_dir() else entry.stat().st_size,
            )
            for entry in sorted(folder.iterdir())
            if not entry.name.startswith(".")
        ]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        source = self._top / inner(remote_file_path)
        if not source.is_file():
            raise MlflowException(
                f"There is no artifact {remote_file_path}.", RESOURCE_DOES_NOT_EXIST
            )
        shutil.copyfile(source, local_path)


def folder_of(artifact_uri: str) -> Path:
    """Return where the files are that an artifact URI of a spool names."""
    spool, run, under = from_artifact_uri(artifact_uri)
    spool.close()
    return spool.files(run) / under
