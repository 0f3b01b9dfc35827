"""Long-running operations: what takes the cloud a while is done at once here, and polled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.documents import cut
from waterflow_vertex.emulator.errors import invalid, missing, unready
from waterflow_vertex.emulator.routes import VERTEX, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_PB: Final = f"{sdk.LONGRUNNING}.operations_pb2"
_UNDER: Final = f"{sdk.LOCATIONS}.locations_pb2"
LOCATIONS: Final = (
    "us-central1", "us-east1", "us-east4", "us-west1", "us-west2", "us-west4", "us-south1",
    "northamerica-northeast1", "southamerica-east1", "europe-west1", "europe-west2", "europe-west3",
    "europe-west4", "europe-west6", "europe-west8", "europe-west9", "europe-north1",
    "europe-central2", "europe-southwest1", "asia-east1", "asia-east2", "asia-northeast1",
    "asia-northeast3", "asia-south1", "asia-southeast1", "asia-southeast2", "australia-southeast1",
    "me-central2", "me-west1", "africa-south1",
)  # fmt: skip
"""https://cloud.google.com/vertex-ai/docs/general/locations"""


# --- its methods ----------------------------------------------------------------------------------


def _get(world: World, call: Call, request: Any) -> Any:
    return world.operations.get(world.projects.canonical(call, request.name))


def _list(world: World, call: Call, request: Any) -> Any:
    if request.filter:
        raise invalid("Operations cannot be filtered by this emulator.")
    name = request.name.removesuffix("/operations")
    parent = (
        world.projects.parent(call, name)
        if name.count("/") == 3
        else world.projects.canonical(call, name)
    )
    part, token = cut(world.operations.below(parent), request.page_size or 50, request)
    return sdk.message(_PB, "ListOperationsResponse")(operations=part, next_page_token=token)


def _delete(world: World, call: Call, request: Any) -> Any:
    name = _get(world, call, request).name
    world.operations.remove(name)
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


def _cancel(world: World, call: Call, request: Any) -> Any:
    name = _get(world, call, request).name
    raise unready(f"Operation '{name}' is done: it cannot be canceled.")


def _location(name: str, project: str) -> Any:
    kind = sdk.message(_UNDER, "Location")
    return kind(name=f"projects/{project}/locations/{name}", location_id=name)


def _get_location(world: World, call: Call, request: Any) -> Any:
    parent = world.projects.parent(call, request.name)
    _, project, _, location = parent.split("/")
    if location not in LOCATIONS:
        raise missing(f"Location '{location}' is not found.")
    return _location(location, project)


def _list_locations(world: World, call: Call, request: Any) -> Any:
    del call
    project = world.projects.of(request.name)
    held = [_location(one, project.number) for one in LOCATIONS]
    part, token = cut(held, request.page_size or 50, request)
    return sdk.message(_UNDER, "ListLocationsResponse")(locations=part, next_page_token=token)


def _request(name: str) -> Any:
    return partial(sdk.message, _PB, name)


def _under(name: str) -> Any:
    return partial(sdk.message, _UNDER, name)


OPERATIONS: Final = Service(
    "google.longrunning.Operations", VERTEX, "", "", _PB,
    (
        Rpc("CancelOperation", _cancel, How.STATE, "aiplatform.operations.cancel",
            _request("CancelOperationRequest"),
            (("POST", "/v1/{name=projects/*/locations/*/**/operations/*}:cancel", "*"),
             ("POST", "/v1/{name=projects/*/locations/*/operations/*}:cancel", "*"))),
        Rpc("WaitOperation", _get, How.STATE, "aiplatform.operations.wait",
            _request("WaitOperationRequest"),
            (("POST", "/v1/{name=projects/*/locations/*/**/operations/*}:wait", "*"),
             ("POST", "/v1/{name=projects/*/locations/*/operations/*}:wait", "*"))),
        Rpc("GetOperation", _get, How.STATE, "aiplatform.operations.get",
            _request("GetOperationRequest"),
            (("GET", "/v1/{name=projects/*/locations/*/**/operations/*}", ""),
             ("GET", "/v1/{name=projects/*/locations/*/operations/*}", ""),
             ("GET", "/ui/{name=projects/*/locations/*/**/operations/*}", ""),
             ("GET", "/ui/{name=projects/*/locations/*/operations/*}", ""))),
        Rpc("ListOperations", _list, How.STATE, "aiplatform.operations.list",
            _request("ListOperationsRequest"),
            (("GET", "/v1/{name=projects/*/locations/*/**}/operations", ""),
             ("GET", "/v1/{name=projects/*/locations/*}/operations", ""))),
        Rpc("DeleteOperation", _delete, How.STATE, "aiplatform.operations.delete",
            _request("DeleteOperationRequest"),
            (("DELETE", "/v1/{name=projects/*/locations/*/**/operations/*}", ""),
             ("DELETE", "/v1/{name=projects/*/locations/*/operations/*}", ""))),
    ),
)  # fmt: skip
PLACES: Final = Service(
    "google.cloud.location.Locations", VERTEX, "", "", _UNDER,
    (
        Rpc("GetLocation", _get_location, How.STATE, "aiplatform.locations.get",
            _under("GetLocationRequest"), (("GET", "/v1/{name=projects/*/locations/*}", ""),)),
        Rpc("ListLocations", _list_locations, How.STATE, "aiplatform.locations.list",
            _under("ListLocationsRequest"), (("GET", "/v1/{name=projects/*}/locations", ""),)),
    ),
)  # fmt: skip
SERVICES: Final = (OPERATIONS, PLACES)
