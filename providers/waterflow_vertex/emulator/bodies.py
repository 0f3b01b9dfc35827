"""The plain JSON of requests that have no message of the SDK's: members, texts, IAM policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.errors import invalid
from waterflow_vertex.emulator.routes import json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.routes import Request
    from waterflow_vertex.emulator.world import World


def members(request: Request, *known: str) -> dict[str, Any]:
    """Return a request's body, whose members are all known.

    Args:
        request: The request.
        known: The members that it may have.

    Raises:
        Refusal: One is not.
    """
    return checked(request.json, *known)


def checked(body: Any, *known: str) -> dict[str, Any]:
    """Return an object of JSON, whose members are all known.

    Args:
        body: What was sent.
        known: The members that it may have.

    Raises:
        Refusal: It is none, or a member is not known.
    """
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. An object is expected.")
    for name in body:
        if name not in known:
            text = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            raise invalid(text, **{name: "Cannot find field."})
    return body


def texts(value: Any, name: str) -> list[str]:
    """Return a list of texts.

    Args:
        value: What was sent.
        name: The member's name.

    Raises:
        Refusal: It is none.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"Invalid value at '{name}': a list of texts is expected.")
    return value


def policy(world: World, request: Request, place: str) -> Reply:
    """Answer a resource's IAM policy, after it was set where the request says so.

    Args:
        world: The cloud.
        request: `...:getIamPolicy` or `...:setIamPolicy`.
        place: The resource, as the projects' policies are kept by.

    Raises:
        Refusal: What is to be set is no policy.
    """
    if request.path.endswith(":setIamPolicy"):
        sent = members(request, "policy", "updateMask").get("policy")
        if not isinstance(sent, dict):
            raise invalid("policy is required.", policy="is required")
        kind = sdk.message(f"{sdk.IAM}.policy_pb2", "Policy")
        world.projects.policies[place] = sdk.written(sdk.parse(kind, sent))
    return json_answer(world.projects.policies.get(place, {"version": 1, "etag": "BwY="}))
