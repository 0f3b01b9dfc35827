"""Where tasks' artifacts and files are, natively: on Vertex AI, and on Kubeflow Pipelines."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from waterflow_kfp.emulator.errors import INTERNAL, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from waterflow_kfp.emulator.records import Task

    Inside = Callable[[str], Path]
    """Path in the job -> the path on this machine."""

_FOLDERS: Final = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
_KFP: Final = "/tmp/kfp"  # noqa: S108 - the service's own
_KFP_OUTPUTS: Final = "/tmp/kfp_outputs"  # noqa: S108 - the service's own


class Layout(Protocol):
    """Where a run's artifacts and files are."""

    @property
    def root(self) -> str:
        """The run's root, as {{$.pipeline_root}} says it."""
        ...

    @property
    def mounts(self) -> Mapping[str, Path | None]:
        """Path in the job -> the folder of this machine; None for a new one of the job's own."""
        ...

    def uri(self, task: Task, output: str) -> str:
        """Return the address of a task's output artifact."""
        ...

    def path(self, uri: str) -> str:
        """Return an artifact's path in the job; its address where it has none."""
        ...

    def parameter_file(self, task: Task, name: str) -> str:
        """Return the path of an output parameter's file in the job."""
        ...

    def output_file(self, task: Task) -> str:
        """Return the path of the job's own account of its outputs."""
        ...

    def prepare(self, inside: Inside, inputs: Iterable[str], made: Iterable[str]) -> None:
        """Bring input artifacts to the job, and make the folders of its outputs' paths.

        Args:
            inside: Leads from paths in the job to this machine.
            inputs: The addresses of the input artifacts.
            made: The paths in the job of the outputs.

        Raises:
            TaskError: An input cannot be had.
        """
        ...

    def take(self, inside: Inside, uri: str, path: str) -> None:
        """Take an output artifact from its path in the job to its address."""
        ...


def path(uri: str) -> str:
    """Return an artifact's path in a job: `gs://b/x` is at `/gcs/b/x`."""
    for scheme, folder in _FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri


class VertexLayout:
    """Vertex AI: Cloud Storage is the folder /gcs in every job.

    Args:
        root: The run's root: `gs://BUCKET/PATH`.
        project: The project's number.
        job: The pipeline job's id.
        gcs: The folder of this machine with a folder for each bucket.
    """

    def __init__(self, root: str, project: str, job: str, gcs: Path) -> None:
        self.root, self._gcs = root.rstrip("/"), gcs
        self._place = f"{self.root}/{project}/{job}"
        self.mounts: Mapping[str, Path | None] = {"/gcs": gcs}

    def _folder(self, task: Task) -> str:
        return f"{self._place}/{task.name}_{task.id}"

    def uri(self, task: Task, output: str) -> str:
        """Return the address of a task's output artifact."""
        return f"{self._folder(task)}/{output}"

    def path(self, uri: str) -> str:
        """Return an artifact's path in the job."""
        return path(uri) if uri.startswith("gs://") else uri

    def parameter_file(self, task: Task, name: str) -> str:
        """Return the path of an output parameter's file in the job."""
        return path(f"{self._folder(task)}/{name}")

    def output_file(self, task: Task) -> str:
        """Return the path of the job's own account of its outputs."""
        return path(f"{self._folder(task)}/executor_output.json")

    def prepare(self, inside: Inside, inputs: Iterable[str], made: Iterable[str]) -> None:
        """Make the folders of the outputs' paths, and what an earlier attempt left there go."""
        del inputs
        for one in made:
            inside(one).parent.mkdir(parents=True, exist_ok=True)

    def take(self, inside: Inside, uri: str, path: str) -> None:
        """Take an output artifact that is not at its address' own path."""
        source, target = inside(path), inside(self.path(uri))
        if path == self.path(uri) or not source.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)


class Store(Protocol):
    """An object store, or several."""

    def bring(self, uri: str, target: Path) -> bool:
        """Copy the object or the objects below an address; return whether there is any."""
        ...

    def take(self, source: Path, uri: str) -> None:
        """Copy a file or a folder to an address."""
        ...


class KubeflowLayout:
    """Kubeflow Pipelines: the launcher brings inputs to the pod's own folders, and takes outputs.

    Args:
        root: The run's root, of any kind of store.
        pipeline: The pipeline's name.
        run: The run's id.
        store: The object stores.
    """

    MOUNTS: ClassVar[tuple[str, ...]] = ("/gcs", "/minio", "/s3", _KFP, _KFP_OUTPUTS)

    def __init__(self, root: str, pipeline: str, run: str, store: Store) -> None:
        self.root, self._store = root.rstrip("/"), store
        self._place = f"{self.root}/{pipeline}/{run}"
        self.mounts: Mapping[str, Path | None] = dict.fromkeys(self.MOUNTS)

    def uri(self, task: Task, output: str) -> str:
        """Return the address of a task's output artifact."""
        return f"{self._place}/{task.name}/{task.execution}/{output}"

    def path(self, uri: str) -> str:
        """Return an artifact's path in the job."""
        return path(uri)

    def parameter_file(self, task: Task, name: str) -> str:
        """Return the path of an output parameter's file in the job."""
        del task
        return f"{_KFP}/outputs/{name}"

    def output_file(self, task: Task) -> str:
        """Return the path of the job's own account of its outputs."""
        del task
        return f"{_KFP_OUTPUTS}/output_metadata.json"

    def prepare(self, inside: Inside, inputs: Iterable[str], made: Iterable[str]) -> None:
        """Bring input artifacts to the job, and make the folders of its outputs' paths.

        Raises:
            TaskError: An input cannot be had.
        """
        for uri in inputs:
            place = path(uri)
            if place == uri:
                continue
            target = inside(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self._store.bring(uri, target):
                raise TaskError(
                    f"failed to download input artifact: there is nothing at {uri}", INTERNAL
                )
        for one in made:
            inside(one).parent.mkdir(parents=True, exist_ok=True)

    def take(self, inside: Inside, uri: str, path: str) -> None:
        """Take an output artifact from its path in the job to its address."""
        source = inside(path)
        if source.exists():
            self._store.take(source, uri)
