"""Resources that are documents in the service too: put, read, changed, removed and listed alike."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from waterflow.emulation.paging import page
from waterflow_azureml.emulator import models
from waterflow_azureml.emulator.errors import Refusal, invalid, missing
from waterflow_azureml.emulator.routes import (
    MANAGEMENT,
    WORKSPACE,
    How,
    Request,
    Route,
    json_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.resources import Record
    from waterflow_azureml.emulator.world import World

PAGE: Final = 100
"""The most entries of a list's page, where a request names no other number."""


def _as_it_is(_world: World, _record: Record, envelope: dict[str, Any]) -> dict[str, Any]:
    return envelope


def _all(_world: World, _request: Request, records: list[Record]) -> list[Record]:
    return records


def _free(_world: World, _request: Request, _record: Record) -> None:
    return None


def _any(
    _world: World, _request: Request, _identity: str, _body: dict[str, Any], _old: Record | None
) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of resource below a workspace.

    Attributes:
        path: Its path there: `environments/{name}/versions/{version}`.
        model: The SDK's model of its body.
        patch: The model of a body that changes it; "" where it can only be put anew.
        title: What refusals call it.
        admit: Refuses what the model cannot; may complete the body.
        leave: Refuses that one be removed.
        shown: Completes what is answered of it.
        listed: Chooses and orders what a list answers.
        lasting: Whether it takes the cloud a while to make, change and remove it.
    """

    path: str
    model: str
    patch: str = ""
    title: str = "resource"
    admit: Callable[[World, Request, str, dict[str, Any], Record | None], None] = _any
    leave: Callable[[World, Request, Record], None] = _free
    shown: Callable[[World, Record, dict[str, Any]], dict[str, Any]] = _as_it_is
    listed: Callable[[World, Request, list[Record]], list[Record]] = _all
    lasting: bool = False

    @property
    def type(self) -> str:
        """Its type below workspaces: `environments/versions`."""
        return "/".join(part for part in self.path.split("/") if not part.startswith("{"))

    @property
    def operation(self) -> str:
        """What its operations' names begin with."""
        return self.type.replace("/", ".")

    def identity(self, request: Request, names: dict[str, str]) -> str:
        """Return the id that a request means."""
        return f"{request.scope.id}/{self.path.format(**names)}"

    def owner(self, request: Request, names: dict[str, str]) -> str:
        """Return the id of what the kind's resources belong to."""
        above = self.path.rpartition("/")[0].rpartition("/")[0]
        return f"{request.scope.id}/{above.format(**names)}".rstrip("/")


def routes(kind: Kind) -> list[Route]:
    """Return the routes of a kind: get, put, change, delete and list."""

    def get(world: World, request: Request, **names: str) -> Reply:
        record = require(world, kind, kind.identity(request, names))
        return json_answer(_answered(world, kind, record))

    def put(world: World, request: Request, **names: str) -> Reply:
        models.check(kind.model, request.json)
        return _kept(world, kind, request, names, copy.deepcopy(request.json))

    def patch(world: World, request: Request, **names: str) -> Reply:
        models.check(kind.patch, request.json)
        record = require(world, kind, kind.identity(request, names))
        return _kept(world, kind, request, names, merged(record.body, request.json))

    def delete(world: World, request: Request, **names: str) -> Reply:
        identity = kind.identity(request, names)
        record = world.resources.get(identity)
        if record is None:
            return json_answer(None, 204)
        kind.leave(world, request, record)
        if not kind.lasting:
            world.resources.delete(identity)
            return json_answer(None)
        return json_answer(None, 202, _begun(world, request, identity, "Deleting"))

    def listing(world: World, request: Request, **names: str) -> Reply:
        owner = kind.owner(request, names)
        if kind.path.count("{") > 1 and world.resources.get(owner) is None:
            raise _absent(kind, owner)
        held = world.resources.below(owner, kind.type)
        return paged(world, request, kind, kind.listed(world, request, held))

    path = f"{WORKSPACE}/{kind.path}"
    above = path.rpartition("/")[0]
    name = kind.operation
    answered = [
        Route("GET", MANAGEMENT, path, f"{name}.get", get, How.STATE),
        Route("PUT", MANAGEMENT, path, f"{name}.create", put, How.RECORD),
        Route("DELETE", MANAGEMENT, path, f"{name}.delete", delete, How.RECORD),
        Route("GET", MANAGEMENT, above, f"{name}.list", listing, How.STATE),
    ]
    if kind.patch:
        answered.append(Route("PATCH", MANAGEMENT, path, f"{name}.update", patch, How.RECORD))
    return answered


def require(world: World, kind: Kind, identity: str) -> Record:
    """Return a resource.

    Args:
        world: The cloud.
        kind: Its kind.
        identity: Its id.

    Raises:
        Refusal: There is none.
    """
    record = world.resources.get(identity)
    if record is None:
        raise _absent(kind, identity)
    return record


def paged(world: World, request: Request, kind: Kind, records: list[Record]) -> Reply:
    """Return a page of a list, with the address of the next one.

    Args:
        world: The cloud.
        request: What asks for it: `$top` and `count` limit the whole list and a page.
        kind: The kind of what is listed.
        records: The whole list.
    """
    query = request.query
    top = _number(query, "$top")
    size = min(PAGE, _number(query, "count") or _number(query, "pageSize") or PAGE)
    whole = records if top is None else records[:top]
    try:
        held, following = page(whole, size, query.get("$skip") or None)
    except ValueError as error:
        raise invalid(f"$skip: {error}") from None
    answer: dict[str, Any] = {"value": [_answered(world, kind, record) for record in held]}
    if following is not None:
        more = urlencode({**query, "$skip": following})
        answer["nextLink"] = f"{request.url}?{more}"
    return json_answer(answer)


def merged(old: Any, change: Any) -> Any:
    """Return a document with a change in it: members are replaced one by one, null removes one."""
    if not isinstance(old, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    result = copy.deepcopy(old)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(old.get(name), value)
    return result


def _kept(
    world: World, kind: Kind, request: Request, names: dict[str, str], body: dict[str, Any]
) -> Reply:
    identity = kind.identity(request, names)
    with world.resources.lock:
        before = world.resources.get(identity)
        condition = request.headers.get("if-match")
        if condition and condition.strip('"') != (before.tag if before else ""):
            text = "The condition specified by If-Match is not met."
            raise Refusal(412, "PreconditionFailed", text)
        kind.admit(world, request, identity, body, before)
        record = world.resources.put(identity, kind.type, body)
    status, headers = (200 if before else 201), dict[str, str]()
    if kind.lasting:
        headers = _begun(world, request, identity, "Updating" if before else "Creating")
        if request.method == "PATCH":
            status = 202
    return json_answer(_answered(world, kind, record), status, headers)


def _begun(world: World, request: Request, identity: str, state: str) -> dict[str, str]:
    location = world.workspaces.require(request.scope).location
    return world.operations.begin(identity, state, request.scope.subscription, location)


def _answered(world: World, kind: Kind, record: Record) -> dict[str, Any]:
    envelope = record.envelope()
    if kind.lasting:
        state = world.operations.state(record.id)
        envelope.setdefault("properties", {})["provisioningState"] = state
    return kind.shown(world, record, envelope)


def _absent(kind: Kind, identity: str) -> Refusal:
    name = identity.rpartition("/workspaces/")[2].partition("/")[2]
    return missing(f"Not found: there is no {kind.title} {name}.")


def _number(query: Any, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise invalid(f"{name} must be a whole number from 1, not '{text}'")
    return int(text)
