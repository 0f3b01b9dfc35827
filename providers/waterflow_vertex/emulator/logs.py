"""Cloud Logging: entries that programs and jobs write, and the queries that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import filters, sdk
from waterflow_vertex.emulator.documents import cut
from waterflow_vertex.emulator.entries import insert_id
from waterflow_vertex.emulator.errors import invalid, unanswered
from waterflow_vertex.emulator.routes import LOGGING, Call, How
from waterflow_vertex.emulator.rpcs import Rpc, Service

if TYPE_CHECKING:
    from waterflow_vertex.emulator.world import World

_TYPES: Final = f"{sdk.LOGGING}.types.logging"
_ENTRY: Final = f"{sdk.LOGGING}.types.log_entry"
_USUAL_PAGE: Final = 50
_LARGEST_PAGE: Final = 1000


# --- its methods ----------------------------------------------------------------------------------


def _log_name(world: World, name: str) -> str:
    """Return a log's name with its project's id."""
    head, slash, rest = name.partition("/logs/")
    if not slash or not rest or not head.startswith("projects/"):
        raise invalid(f"Invalid log name '{name}': projects/P/logs/L is expected.")
    project = world.projects.get(head.removeprefix("projects/"), "logging.logEntries.create")
    return f"projects/{project.id}/logs/{rest}"


def _write(world: World, call: Call, request: Any) -> Any:
    del call
    entries: list[dict[str, Any]] = []
    moment = world.clock.now()
    for number, one in enumerate(request.entries):
        held = sdk.copied(one)
        if not held.log_name:
            held.log_name = request.log_name
        if not held.resource.type:
            held.resource.CopyFrom(request.resource)
        if not held.resource.type:
            held.resource.type = "global"
        held.log_name = _log_name(world, held.log_name)
        for key, value in request.labels.items():
            if key not in held.labels:
                held.labels[key] = value
        if not held.HasField("timestamp"):
            sdk.stamp(held.timestamp, moment + number * 1e-6)
        sdk.stamp(held.receive_timestamp, moment)
        held.insert_id = held.insert_id or insert_id()
        project = world.projects.of(held.log_name)
        if "project_id" not in held.resource.labels:
            held.resource.labels["project_id"] = project.id
        entries.append(sdk.written(held))
    if not request.dry_run:
        world.logs.add(entries)
    return sdk.message(_TYPES, "WriteLogEntriesResponse")()


def _resources(world: World, names: list[str], permission: str) -> set[str]:
    held: set[str] = set()
    for name in names:
        if not name.startswith("projects/"):
            raise unanswered(f"logs of {name}", "name a project: projects/P")
        parts = name.split("/")
        held.add(f"projects/{world.projects.get(parts[1], permission).id}")
    if not held:
        raise invalid("At least one of resource_names must be specified.")
    return held


def _list(world: World, call: Call, request: Any) -> Any:
    del call
    resources = _resources(world, list(request.resource_names), "logging.logEntries.list")
    order = request.order_by.strip() or "timestamp asc"
    if order not in ("timestamp asc", "timestamp desc", "timestamp"):
        raise invalid(f"Invalid order_by '{order}': use 'timestamp asc' or 'timestamp desc'.")
    if request.page_size < 0:
        raise invalid("page_size must not be negative.")
    # A log is named by its project's id or its number.
    text = request.filter
    for project in world.projects.all():
        text = text.replace(f"projects/{project.number}/logs", f"projects/{project.id}/logs")
    found = world.logs.find(filters.compiled(text), resources, newest=order.endswith("desc"))
    size = min(request.page_size or _USUAL_PAGE, _LARGEST_PAGE)
    part, token = cut(found, size, request)
    kind = sdk.message(_ENTRY, "LogEntry")
    answer = sdk.message(_TYPES, "ListLogEntriesResponse")(next_page_token=token)
    answer.entries.extend([sdk.parse(kind, one) for one in part])
    return answer


def _list_logs(world: World, call: Call, request: Any) -> Any:
    del call
    names = [request.parent, *request.resource_names] if request.parent else request.resource_names
    held = world.logs.names(_resources(world, list(names), "logging.logs.list"))
    part, token = cut(held, min(request.page_size or _USUAL_PAGE, _LARGEST_PAGE), request)
    return sdk.message(_TYPES, "ListLogsResponse")(log_names=part, next_page_token=token)


def _delete(world: World, call: Call, request: Any) -> Any:
    del call
    world.logs.remove(_log_name(world, request.log_name))
    return sdk.message("google.protobuf.empty_pb2", "Empty")()


def _unanswered(name: str) -> Any:
    def refuse(*_: object) -> Any:
        raise unanswered(f"LoggingServiceV2.{name}", "list entries again")

    return refuse


SERVICES: Final = (
    Service(
        "google.logging.v2.LoggingServiceV2", LOGGING, "", "", _TYPES,
        (
            Rpc("WriteLogEntries", _write, How.RUN, "logging.logEntries.create",
                uris=(("POST", "/v2/entries:write", "*"),)),
            Rpc("ListLogEntries", _list, How.STATE, "logging.logEntries.list",
                uris=(("POST", "/v2/entries:list", "*"),)),
            Rpc("ListLogs", _list_logs, How.STATE, "logging.logs.list",
                uris=(("GET", "/v2/{parent=projects/*}/logs", ""),)),
            Rpc("DeleteLog", _delete, How.RUN, "logging.logs.delete",
                uris=(("DELETE", "/v2/{log_name=projects/*/logs/*}", ""),)),
            Rpc("TailLogEntries", _unanswered("TailLogEntries"), How.REFUSED,
                uris=(("POST", "/v2/entries:tail", "*"),)),
            Rpc("ListMonitoredResourceDescriptors",
                _unanswered("ListMonitoredResourceDescriptors"), How.REFUSED,
                uris=(("GET", "/v2/monitoredResourceDescriptors", ""),)),
        ),
    ),
)  # fmt: skip
