"""A run's artifacts, as run history has them: listed, and where to write and read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow.emulation.clock import written
from waterflow_azureml.emulator import tracking
from waterflow_azureml.emulator.documents import PAGE
from waterflow_azureml.emulator.errors import Refusal, invalid, missing
from waterflow_azureml.emulator.routes import API, WORKSPACE, How, Request, Route, json_answer
from waterflow_azureml.emulator.workspaces import ARTIFACTS, FILES

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.workspaces import Workspace
    from waterflow_azureml.emulator.world import World

_ORIGIN: Final = "ExperimentRun"
_SIGNED: Final = "sv=2023-11-03&sr=b&sp=rwc&sig=emulated"


def place(run: str) -> str:
    """Return where a run's artifacts are in the container of artifacts."""
    return f"{_ORIGIN}/dcid.{run}"


def address(workspace: Workspace, run: str, experiment: str = "0") -> str:
    """Return the address of a run's artifacts, as MLflow writes it."""
    return f"{tracking.address(workspace)}/experiments/{experiment}/runs/{run}/artifacts"


def sizes(world: World, workspace: Workspace, run: str) -> dict[str, int]:
    """Return a run's artifacts: name -> bytes.

    Args:
        world: The cloud.
        workspace: The workspace.
        run: The run.
    """
    held = world.blobs.container(workspace.account, ARTIFACTS).blobs
    start = f"{place(run)}/"
    with world.blobs.lock:
        names = [name for name in sorted(held) if name.startswith(start)]
        return {name[len(start) :]: held[name].size for name in names}


def _uri(workspace: Workspace, run: str, path: str) -> str:
    host = f"https://{workspace.account}.blob.core.windows.net"
    return f"{host}/{ARTIFACTS}/{quote(f'{place(run)}/{path}')}?{_SIGNED}"


def _content(workspace: Workspace, run: str, path: str) -> dict[str, Any]:
    return {
        "contentUri": _uri(workspace, run, path),
        "origin": _ORIGIN,
        "container": f"dcid.{run}",
        "path": path,
        "tags": {},
    }


def _entry(world: World, workspace: Workspace, run: str, path: str) -> dict[str, Any]:
    blob = world.blobs.container(workspace.account, ARTIFACTS).blobs.get(f"{place(run)}/{path}")
    moment = blob.created if blob else world.clock.now()
    return {
        "artifactId": f"{_ORIGIN}/dcid.{run}/{path}",
        "origin": _ORIGIN,
        "container": f"dcid.{run}",
        "path": path,
        "etag": f'"{blob.tag}"' if blob else None,
        "createdTime": written(moment),
        "dataPath": {"dataStoreName": FILES, "relativePath": f"{place(run)}/{path}"},
        "tags": {},
    }


def _list(world: World, request: Request, experiment: str, run: str) -> Reply:
    del experiment
    workspace = world.workspaces.require(request.scope)
    start = request.query.get("path", "").strip("/")
    paths = [
        one
        for one in sizes(world, workspace, run)
        if not start or one == start or one.startswith(f"{start}/")
    ]
    token = request.query.get("continuationToken") or "0"
    if not token.isdecimal():
        raise invalid(f"'{token}' is no token of a list")
    begin = int(token)
    held = paths[begin : begin + PAGE]
    more = str(begin + PAGE) if len(paths) > begin + PAGE else None
    entries: list[dict[str, Any]]
    if request.path.rstrip("/").endswith("prefix/contentinfo"):
        entries = [_content(workspace, run, one) for one in held]
    else:
        entries = [_entry(world, workspace, run, one) for one in held]
    return json_answer({"value": entries, "continuationToken": more, "nextLink": None})


def _path(request: Request) -> str:
    path = request.query.get("path", "").strip("/")
    if not path:
        raise invalid("The parameter 'path' is required.")
    return path


def _present(world: World, request: Request, run: str) -> tuple[Workspace, str]:
    workspace, path = world.workspaces.require(request.scope), _path(request)
    if path not in sizes(world, workspace, run):
        raise missing(f"The artifact {path} of run {run} was not found.")
    return workspace, path


def _info(world: World, request: Request, experiment: str, run: str) -> Reply:
    del experiment
    workspace, path = _present(world, request, run)
    return json_answer(_content(workspace, run, path))


def _metadata(world: World, request: Request, experiment: str, run: str) -> Reply:
    del experiment
    workspace, path = _present(world, request, run)
    return json_answer(_entry(world, workspace, run, path))


def _signed(world: World, request: Request, experiment: str, run: str) -> Reply:
    del experiment
    workspace, path = _present(world, request, run)
    return json_answer(_uri(workspace, run, path))


def _announced(world: World, request: Request, experiment: str, run: str) -> Reply:
    """Return the addresses to which artifacts are to be written."""
    del experiment
    workspace = world.workspaces.require(request.scope)
    paths = request.json.get("paths")
    if not isinstance(paths, list) or not all(
        isinstance(one, dict) and isinstance(one.get("path"), str) and one["path"].strip("/")
        for one in paths
    ):
        raise Refusal(400, "UserError", "The request must have 'paths', a list of {path}.")
    names = [one["path"] for one in paths]
    return json_answer(
        {
            "artifacts": {one: _entry(world, workspace, run, one) for one in names},
            "artifactContentInformation": {one: _content(workspace, run, one) for one in names},
            "errors": {},
        }
    )


_RIGHT: Final = "Microsoft.MachineLearningServices/workspaces/experiments/runs"
_BASES: Final = tuple(
    f"/history/v1.0{WORKSPACE}/{kind}/{{experiment}}/runs/{{run}}/artifacts"
    for kind in ("experiments", "experimentids")
)
ROUTES: Final = [
    route
    for base in _BASES
    for route in (
        Route("GET", API, base, "artifacts.list", _list, How.STATE, action=f"{_RIGHT}/read"),
        Route("GET", API, f"{base}/path", "artifacts.list", _list, How.STATE,
              action=f"{_RIGHT}/read"),
        Route("GET", API, f"{base}/prefix/contentinfo", "artifacts.list", _list, How.STATE,
              action=f"{_RIGHT}/read"),
        Route("GET", API, f"{base}/contentinfo", "artifacts.content", _info, How.STATE,
              action=f"{_RIGHT}/read"),
        Route("GET", API, f"{base}/metadata", "artifacts.get", _metadata, How.STATE,
              action=f"{_RIGHT}/read"),
        Route("GET", API, f"{base}/artifacturi", "artifacts.uri", _signed, How.STATE,
              action=f"{_RIGHT}/read"),
        Route("POST", API, f"{base}/batch/metadata", "artifacts.announce", _announced, How.RUN,
              action=f"{_RIGHT}/write"),
    )
]  # fmt: skip
