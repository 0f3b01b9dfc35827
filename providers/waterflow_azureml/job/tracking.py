"""MLflow's way to the server that is part of a workspace: a plug-in for URIs `azureml://`.

Travels in the control input as `waterflow_azureml_tracking.py`, beside what tells MLflow of it; in
a job its tokens are of the job's identity, elsewhere of who is signed in. Of MLflow it takes the
clients of its REST interface, which ask for a token before each request, so that none grows old.
"""

from __future__ import annotations

import importlib
import json
import os
import posixpath
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRY_POINTS: Final = """\
[mlflow.tracking_store]
azureml = waterflow_azureml_tracking:tracking_store

[mlflow.model_registry_store]
azureml = waterflow_azureml_tracking:registry_store

[mlflow.artifact_repository]
azureml = waterflow_azureml_tracking:artifact_repository
"""
METADATA: Final = "Metadata-Version: 2.1\nName: waterflow-azureml-tracking\nVersion: 1\n"
"""What makes a folder beside this file a distribution, whose entry points MLflow reads."""
_RESOURCE: Final = "https://management.azure.com"
_SCOPE: Final = "/subscriptions/"
_TRIES: Final = 6
_PASSING: Final = (408, 429, 500, 502, 503, 504)
_TIMEOUT: Final = 120


def tracking_store(store_uri: str, **_: Any) -> Any:
    """Return MLflow's client of the tracking server.

    Args:
        store_uri: `azureml://HOST/mlflow/v1.0/subscriptions/...`.
    """
    module: Any = importlib.import_module("mlflow.store.tracking.rest_store")
    return module.RestStore(_credentials(store_uri))


def registry_store(store_uri: str, **_: Any) -> Any:
    """Return MLflow's client of the model registry.

    Args:
        store_uri: `azureml://HOST/mlflow/v1.0/subscriptions/...`.
    """
    module: Any = importlib.import_module("mlflow.store.model_registry.rest_store")
    return module.RestStore(_credentials(store_uri))


def artifact_repository(artifact_uri: str, **_: Any) -> Any:
    """Return what brings files to a run's artifacts.

    Args:
        artifact_uri: `azureml://HOST/mlflow/v2.0/SCOPE/experiments/NAME/runs/ID/artifacts...`.
    """
    base: Any = importlib.import_module("mlflow.store.artifact.artifact_repo").ArtifactRepository
    entry: Any = importlib.import_module("mlflow.entities").FileInfo
    files = RunFiles(artifact_uri)

    class Repository(base):
        """The artifacts of one run."""

        def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
            """Send a file."""
            files.send({posixpath.join(artifact_path or "", Path(local_file).name): local_file})

        def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
            """Send all files of a folder."""
            root = Path(local_dir)
            files.send(
                {
                    posixpath.join(artifact_path or "", file.relative_to(root).as_posix()): file
                    for file in sorted(root.rglob("*"))
                    if file.is_file()
                }
            )

        def list_artifacts(self, path: str | None = None) -> list[Any]:
            """Return what lies in a folder, folders too."""
            names = files.names(path or "")
            return [entry(name, folder, None) for name, folder in sorted(names.items())]

        def _download_file(self, remote_file_path: str, local_path: str) -> None:
            files.fetch(remote_file_path, Path(local_path))

    return Repository(artifact_uri)


class RunFiles:
    """The files of a run, by the workspace's run history.

    Args:
        uri: The address of the run's artifacts, or of a folder among them.
    """

    def __init__(self, uri: str) -> None:
        parts = urllib.parse.urlsplit(uri)
        scope, _, run = parts.path.partition("/experiments/")
        name, _, rest = run.partition("/runs/")
        run_id, _, place = rest.partition("/artifacts")
        scope = scope[scope.index(_SCOPE) :]
        self._within = place.strip("/")
        self._base = (
            f"https://{parts.netloc}/history/v1.0{scope}/experiments/{name}/runs/{run_id}/artifacts"
        )

    def send(self, files: dict[str, Any]) -> None:
        """Send files.

        Args:
            files: Name among the artifacts -> the local file.

        Raises:
            OSError: They cannot be sent.
        """
        named = {posixpath.join(self._within, name): Path(file) for name, file in files.items()}
        if not named:
            return
        body = {"paths": [{"path": name} for name in named]}
        answer = _json(f"{self._base}/batch/metadata", body)
        for name, error in (answer.get("errors") or {}).items():
            raise OSError(f"Azure ML takes no artifact '{name}': {error}")
        for name, place in answer["artifactContentInformation"].items():
            content = named[name].read_bytes()
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"}
            _sent("PUT", str(place["contentUri"]), content, headers)

    def names(self, folder: str) -> dict[str, bool]:
        """Return what lies in a folder: its name, and whether it is a folder too."""
        inside = posixpath.join(self._within, folder).strip("/")
        start = f"{inside}/" if inside else ""
        names: dict[str, bool] = {}
        for path in self._paths():
            if path.startswith(start):
                head, more, _ = path[len(start) :].partition("/")
                name = posixpath.join(folder, head)
                names[name] = names.get(name, False) or bool(more)
        return names

    def _paths(self) -> Iterator[str]:
        query = ""
        while True:
            answer = _json(f"{self._base}{query}")
            for one in answer.get("value") or ():
                yield str(one["path"])
            token = answer.get("continuationToken")
            if not token:
                return
            query = f"?continuationToken={urllib.parse.quote(str(token))}"

    def fetch(self, name: str, target: Path) -> None:
        """Write a file.

        Raises:
            OSError: There is no such artifact.
        """
        path = urllib.parse.quote(posixpath.join(self._within, name))
        place = _json(f"{self._base}/contentinfo?path={path}")
        target.write_bytes(_sent("GET", str(place["contentUri"])))


# --- requests -------------------------------------------------------------------------------------


def _credentials(uri: str) -> Callable[[], Any]:
    parts = urllib.parse.urlsplit(uri)
    scope = parts.path[parts.path.index(_SCOPE) :]
    host = f"https://{parts.netloc}/mlflow/v2.0{scope}"
    creds: Any = importlib.import_module("mlflow.utils.rest_utils").MlflowHostCreds
    return lambda: creds(host, token=token())


def token() -> str:
    """Return a token: of the job's identity, or of who is signed in.

    Raises:
        RuntimeError: There is none to be had.
    """
    if os.environ.get("AZUREML_RUN_ID"):
        return _secrets().token(_RESOURCE)
    return _signed_in()


def _signed_in() -> str:
    global _credential  # noqa: PLW0603 - one that keeps its tokens, for all clients
    try:
        identity: Any = importlib.import_module("azure.identity")
    except ModuleNotFoundError:
        return _secrets().token(_RESOURCE)
    if _credential is None:
        _credential = identity.DefaultAzureCredential(process_timeout=30)
    return str(_credential.get_token(f"{_RESOURCE}/.default").token)


_credential: Any = None


def _secrets() -> Any:
    """Return what asks for tokens of managed identities, as it travels or as it is installed."""
    try:
        return importlib.import_module("waterflow_secrets")
    except ModuleNotFoundError:
        return importlib.import_module("waterflow_azureml.job.secrets")


def _json(url: str, body: Any = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    return json.loads(_sent("GET" if body is None else "POST", url, content, headers) or b"{}")


def _sent(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    request = urllib.request.Request(url, body, headers or {}, method=method)  # noqa: S310 - https
    for left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:  # noqa: S310
                return reply.read()
        except urllib.error.HTTPError as error:
            if error.code not in _PASSING or not left:
                words = error.read().decode("utf-8", "replace")[:300]
                raise OSError(f"{method} {url.partition('?')[0]}: {error.code} {words}") from None
        except OSError:
            if not left:
                raise
        time.sleep(0.5 * 2 ** (_TRIES - 1 - left))
    raise AssertionError("unreachable")
