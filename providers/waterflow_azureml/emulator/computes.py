"""Computes: clusters of virtual machines that scale from none, their sizes and their quotas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written
from waterflow_azureml.emulator import documents
from waterflow_azureml.emulator.documents import Kind
from waterflow_azureml.emulator.errors import invalid, unanswered
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    json_answer,
)
from waterflow_azureml.emulator.sizes import sizes

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.world import World

_NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
"""https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster"""
_CLUSTER: Final = "AmlCompute"
_LOCATION: Final = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
)
CORES: Final = 350
"""The cores of one family that a subscription may have at once, unless a fault says otherwise."""


def _admit(
    world: World, request: Request, identity: str, body: dict[str, Any], old: Record | None
) -> None:
    name, properties = identity.rpartition("/")[2], body.get("properties")
    if properties is None:
        raise invalid("properties is required.")
    kind = properties["computeType"]
    if kind != _CLUSTER:
        raise unanswered(
            f"computes of type {kind}", f"use {_CLUSTER}, or serverless compute, which needs none"
        )
    if not 2 <= len(name) <= 32 or not _NAME.fullmatch(name):
        raise invalid(
            f"The compute's name '{name}' must have 2 to 32 letters, digits and hyphens, begin "
            "with a letter, and end with no hyphen."
        )
    inner = properties["properties"] = properties.get("properties") or {}
    size = inner.get("vmSize")
    if not size:
        raise invalid("properties.properties.vmSize is required.")
    location = world.workspaces.require(request.scope).location
    _check_size(inner, str(size), location, old)
    _check_scale(inner)
    body.setdefault("location", location)


def _check_size(inner: dict[str, Any], size: str, location: str, old: Record | None) -> None:
    known = next((one for one in sizes() if one.lower() == size.lower()), None)
    if known is None:
        raise invalid(
            f"The specified subscription has no size '{size}' in {location}: it does not exist "
            "there. `GET .../vmSizes` lists those that do."
        )
    for member in ("vmSize", "vmPriority"):
        before = (old.properties.get("properties") or {}).get(member) if old else None
        if before and str(inner.get(member, before)).lower() != str(before).lower():
            raise invalid(f"The {member} of a compute cannot be changed: make another one.")


def _check_scale(inner: dict[str, Any]) -> None:
    scale = inner["scaleSettings"] = inner.get("scaleSettings") or {}
    least, most = scale.get("minNodeCount") or 0, scale.get("maxNodeCount")
    scale["minNodeCount"] = least
    if most is None:
        raise invalid("properties.properties.scaleSettings.maxNodeCount is required.")
    if not 0 <= least <= most or most < 1:
        raise invalid(
            f"The node counts must be 0 <= minNodeCount <= maxNodeCount, not {least} and {most}."
        )
    for held, member, value in (
        (inner, "vmPriority", "Dedicated"),
        (inner, "osType", "Linux"),
        (scale, "nodeIdleTimeBeforeScaleDown", "PT120S"),
    ):
        if held.get(member) is None:
            held[member] = value


def _shown(world: World, record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    properties = envelope["properties"]
    nodes = len(_nodes(world, record))
    least = properties["properties"]["scaleSettings"]["minNodeCount"]
    count = max(nodes, least)
    return envelope | {
        "properties": {
            "description": None,
            "resourceId": None,
            "disableLocalAuth": False,
            "isAttachedCompute": False,
            "computeLocation": envelope["location"],
            "createdOn": written(record.created),
            "modifiedOn": written(record.modified),
            **properties,
            "properties": {
                "remoteLoginPortPublicAccess": "NotSpecified",
                "enableNodePublicIp": True,
                "isolatedNetwork": False,
                "subnet": None,
                **properties["properties"],
                "allocationState": "Steady",
                "allocationStateTransitionTime": written(record.modified),
                "errors": None,
                "currentNodeCount": count,
                "targetNodeCount": count,
                "nodeStateCounts": {
                    "preparingNodeCount": 0,
                    "runningNodeCount": nodes,
                    "idleNodeCount": count - nodes,
                    "unusableNodeCount": 0,
                    "leavingNodeCount": 0,
                    "preemptedNodeCount": 0,
                },
            },
        }
    }


def _nodes(world: World, record: Record) -> list[dict[str, Any]]:
    """Return the nodes on which jobs run now, as the jobs' part knows them."""
    jobs: Any = world.parts.get("jobs")
    return [] if jobs is None else list(jobs.nodes(record.id))


KIND: Final = Kind(
    path="computes/{name}",
    model="ComputeResource",
    patch="ClusterUpdateParameters",
    title="compute",
    admit=_admit,
    shown=_shown,
    lasting=True,
)


def cluster(location: str, size: str, nodes: int, *, spot: bool) -> dict[str, Any]:
    """Return a cluster that scales from zero.

    Args:
        location: The region.
        size: The size of its nodes.
        nodes: The most there can be.
        spot: Whether they are low-priority ones.
    """
    return {
        "location": location,
        "properties": {
            "computeType": _CLUSTER,
            "properties": {
                "vmSize": size,
                "vmPriority": "LowPriority" if spot else "Dedicated",
                "osType": "Linux",
                "scaleSettings": {
                    "minNodeCount": 0,
                    "maxNodeCount": nodes,
                    "nodeIdleTimeBeforeScaleDown": "PT120S",
                },
            },
        },
    }


def _list_nodes(world: World, request: Request, name: str) -> Reply:
    record = documents.require(world, KIND, f"{request.scope.id}/computes/{name}")
    return json_answer({"nodes": _nodes(world, record)})


def _power(world: World, request: Request, name: str) -> Reply:
    documents.require(world, KIND, f"{request.scope.id}/computes/{name}")
    verb = request.path.rstrip("/").rpartition("/")[2]
    raise invalid(f"A compute of type {_CLUSTER} does not {verb}: it scales by itself.")


def _sizes(world: World, request: Request, location: str) -> Reply:
    del world, request, location
    return json_answer(
        {
            "value": [
                {
                    "name": size.name,
                    "family": size.family,
                    "vCPUs": size.vcpu,
                    "gpus": size.gpus,
                    "osVhdSizeMB": 1047552,
                    "maxResourceVolumeMB": size.disk * 1024,
                    "memoryGB": size.memory,
                    "lowPriorityCapable": True,
                    "premiumIO": True,
                    "supportedComputeTypes": [_CLUSTER],
                    "estimatedVMPrices": {
                        "billingCurrency": "USD",
                        "unitOfMeasure": "OneHour",
                        "values": [
                            {
                                "retailPrice": size.price,
                                "osType": "Linux",
                                "vmTier": "Standard",
                            }
                        ],
                    },
                }
                for size in sizes().values()
            ]
        }
    )


def _usages(world: World, request: Request, location: str) -> Reply:
    families: dict[str, int] = {one.family: 0 for one in sizes().values()}
    for record in world.resources.below(f"/subscriptions/{request.scope.subscription}", KIND.type):
        inner = record.properties["properties"]
        size = next(one for name, one in sizes().items() if name.lower() == inner["vmSize"].lower())
        families[size.family] += size.vcpu * len(_nodes(world, record))
    base = f"/subscriptions/{request.scope.subscription}/providers"
    place = f"{base}/Microsoft.MachineLearningServices/locations/{location}"
    return json_answer(
        {
            "value": [
                {
                    "id": f"{place}/usages/{family}",
                    "type": "Microsoft.MachineLearningServices/vmFamily/dedicatedCores/usages",
                    "unit": "Count",
                    "currentValue": used,
                    "limit": CORES,
                    "name": {"value": family, "localizedValue": family},
                }
                for family, used in families.items()
            ]
        }
    )


_COMPUTE: Final = f"{WORKSPACE}/computes/{{name}}"
ROUTES: Final = [
    *documents.routes(KIND),
    Route("POST", MANAGEMENT, f"{_COMPUTE}/listNodes", "computes.nodes", _list_nodes, How.STATE),
    *(
        Route("POST", MANAGEMENT, f"{_COMPUTE}/{verb}", f"computes.{verb}", _power, How.STATE)
        for verb in ("start", "stop", "restart")
    ),
    Route("GET", MANAGEMENT, f"{_LOCATION}/vmSizes", "computes.sizes", _sizes, How.STATE),
    Route("GET", MANAGEMENT, f"{_LOCATION}/usages", "computes.usages", _usages, How.STATE),
]
