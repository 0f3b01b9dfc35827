"""What is refused by name: services of Vertex AI that are not run here, and what goes with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.errors import unanswered
from waterflow_vertex.emulator.routes import STORAGE, VERTEX, Call, How, Request, Route
from waterflow_vertex.emulator.rpcs import Service

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.world import World

_SERVED: Final = (
    "no model is served here, only its records are kept: run its container, or test it against "
    "Google Cloud"
)


def _service(name: str, module: str, instead: str = "") -> Service:
    return Service(
        f"google.cloud.aiplatform.v1.{name}", VERTEX, sdk.VERTEX, module,
        f"{sdk.VERTEX}.types.{module}", (), {"*": instead} if instead else {},
    )  # fmt: skip


SERVICES: Final = (
    _service("PredictionService", "prediction_service", _SERVED),
    _service("TensorboardService", "tensorboard_service", "track runs with MLflow"),
    _service("PersistentResourceService", "persistent_resource_service",
             "leave the persistent resource out: jobs here start at once"),
)  # fmt: skip


def _refuse(
    what: str, instead: str, world: World, request: Request, call: Call, *names: Any
) -> Reply:
    del world, request, call, names
    raise unanswered(what, instead)


def _route(method: str, path: str, operation: str, instead: str) -> Route:
    handler = partial(_refuse, operation, instead)
    return Route(method, STORAGE, path, operation, handler, How.REFUSED)


_O: Final = "/storage/v1/b/{bucket}/o/{name}"
_B: Final = "/storage/v1/b/{bucket}"
_UNIFORM: Final = "access is uniform here: use the bucket's IAM policy"
ROUTES: Final = [
    _route("POST", "/batch/storage/v1", "storage.batch", "send the requests one by one"),
    *(_route(method, f"{base}/{kind}{more}", f"storage.{kind}", _UNIFORM)
      for base in (_B, _O) for kind in ("acl", "defaultObjectAcl")
      for method, more in (("GET", ""), ("POST", ""), ("GET", "/{entity}"), ("DELETE", "/{entity}"),
                           ("PUT", "/{entity}"), ("PATCH", "/{entity}"))),
    *(_route(method, f"{_B}/notificationConfigs{more}", "storage.notificationConfigs",
             "let a schedule look for new objects")
      for method, more in (("GET", ""), ("POST", ""), ("GET", "/{one}"), ("DELETE", "/{one}"))),
    _route("POST", f"{_O}/watch", "storage.channels", "list the objects again"),
    _route("POST", f"{_O}/restore", "storage.restore", "use object versions"),
    _route("POST", f"{_B}/lockRetentionPolicy", "storage.lockRetentionPolicy",
           "leave the policy unlocked"),
    *(_route(method, "/storage/v1/{rest=**}", "storage", "leave it out")
      for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
    *(_route(method, "/upload/{rest=**}", "storage.upload", "leave it out")
      for method in ("POST", "PUT", "DELETE")),
    _route("GET", "/download/{rest=**}", "storage.download", "ask with alt=media"),
]  # fmt: skip
