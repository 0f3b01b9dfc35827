"""The metadata server: what a job learns of its project, and the tokens of its service account.

Jobs find it at GCE_METADATA_HOST, an address on loopback whose path says whose account it is; and
at its own name past the door, to which they say the same. Others are told that there is none.
"""

from __future__ import annotations

import base64
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.wire import Reply
from waterflow_vertex.emulator.errors import Refusal
from waterflow_vertex.emulator.routes import METADATA, How, Request, Route, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_vertex.emulator.routes import Call
    from waterflow_vertex.emulator.world import World

_FLAVOR: Final = ("Metadata-Flavor", "Google")
_PREFIX: Final = "/_job/"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


class Keepers:
    """The part that knows whose metadata a path's key stands for."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, str, str]] = {}

    def admit(self, account: str, project: str, location: str) -> str:
        """Return a new key for a job.

        Args:
            account: Its service account.
            project: Its project's id.
            location: Where it runs.
        """
        key = secrets.token_urlsafe(18)
        self._held[key] = (account, project, location)
        return key

    def get(self, key: str) -> tuple[str, str, str]:
        """Return a key's account, project and location.

        Raises:
            Refusal: There is no such key.
        """
        held = self._held.get(key)
        if held is None:
            raise Refusal("PERMISSION_DENIED", "This key is no job's.")
        return held


def variables(world: World, account: str, project: str, location: str) -> dict[str, str]:
    """Return the variables by which Google's libraries find the metadata server in a job."""
    host = world.endpoint.partition("://")[2]
    key = world.parts["keepers"].admit(account, project, location)
    # urllib tells a proxy who asks only where there is a password too.
    door = world.site.access.get("HTTP_PROXY", "").replace("://", f"://{key}:job@", 1)
    return {
        **({"HTTP_PROXY": door, "http_proxy": door} if door else {}),
        "GCE_METADATA_HOST": f"{host}{_PREFIX}{key}",
        "GCE_METADATA_ROOT": f"{host}{_PREFIX}{key}",
        "GCE_METADATA_IP": f"{host}{_PREFIX}{key}",
    }


def _text(value: str) -> Reply:
    return Reply(200, value.encode(), (("Content-Type", "application/text"), _FLAVOR))


def _flavored(request: Request) -> None:
    """Refuse what does not say that it means the metadata server: Google does as well."""
    if request.headers.get("metadata-flavor") != "Google":
        text = "Missing Metadata-Flavor:Google header."
        raise Refusal("PERMISSION_DENIED", text, headers=(_FLAVOR,))


def _root(world: World, request: Request, call: Call, key: str) -> Reply:
    del request, call
    world.parts["keepers"].get(key)
    return _text("computeMetadata/\n")


def _values(world: World, key: str) -> Mapping[str, Callable[[], str]]:
    account, project, location = world.parts["keepers"].get(key)
    number = world.projects.get(project).number
    return {
        "project/project-id": lambda: project,
        "project/numeric-project-id": lambda: number,
        "instance/region": lambda: f"projects/{number}/regions/{location}",
        "instance/zone": lambda: f"projects/{number}/zones/{location}-a",
        "universe/universe-domain": lambda: "googleapis.com",
        "universe/universe_domain": lambda: "googleapis.com",
        "instance/service-accounts": lambda: f"default/\n{account}/\n",
    }


def _value(world: World, request: Request, call: Call, key: str, path: str) -> Reply:
    del call
    _flavored(request)
    held = _values(world, key).get(path.strip("/"))
    if held is None:
        raise Refusal("NOT_FOUND", f"There is no metadata at {path}.", headers=(_FLAVOR,))
    return _text(held())


def _account(
    world: World, request: Request, call: Call, key: str, name: str, path: str = ""
) -> Reply:
    del call
    _flavored(request)
    account = world.parts["keepers"].get(key)[0]
    if name not in ("default", account):
        raise Refusal("NOT_FOUND", f"There is no account {name} here.", headers=(_FLAVOR,))
    match path.strip("/"):
        case "":
            body: Any = {"aliases": ["default"], "email": account, "scopes": [SCOPE]}
            return json_answer(body, 200, dict([_FLAVOR]))
        case "email":
            return _text(account)
        case "scopes":
            return _text(f"{SCOPE}\n")
        case "aliases":
            return _text("default\n")
        case "token":
            scope = request.argument("scopes").replace(",", " ")
            return json_answer(world.identities.issue(account, scope), 200, dict([_FLAVOR]))
        case "identity":
            audience = request.argument("audience")
            if not audience:
                text = "non-empty audience parameter required"
                raise Refusal("INVALID_ARGUMENT", text, headers=(_FLAVOR,))
            return _text(world.identities.identity(account, audience))
        case other:
            raise Refusal("NOT_FOUND", f"There is no metadata at {other}.", headers=(_FLAVOR,))


def _by_name(handler: Any, world: World, request: Request, call: Call, *names: str) -> Reply:
    """Answer at the server's own name, by what the caller has said to the door."""
    kind, _, coded = request.headers.get("proxy-authorization", "").partition(" ")
    try:
        key = base64.b64decode(coded).decode().partition(":")[0] if kind == "Basic" else ""
    except ValueError:
        key = ""
    if not key:
        text = "There is no metadata server on this machine: it is no machine of Google Cloud's."
        raise Refusal("NOT_FOUND", text)
    return handler(world, request, call, key, *names)


_OWN: Final = "/computeMetadata/v1"
_V1: Final = f"{_PREFIX}{{key}}{_OWN}"
ROUTES: Final = [
    Route("GET", METADATA, f"{_PREFIX}{{key}}", "metadata.root", _root, How.STATE, open=True),
    Route("GET", METADATA, f"{_V1}/instance/service-accounts/{{name}}", "metadata.account",
          _account, How.STATE, open=True),
    Route("GET", METADATA, f"{_V1}/instance/service-accounts/{{name}}/{{path}}",
          "metadata.account", _account, How.RUN, open=True),
    Route("GET", METADATA, f"{_V1}/{{path=**}}", "metadata.get", _value, How.STATE, open=True),
    Route("GET", METADATA, "/", "metadata.root", partial(_by_name, _root), How.STATE, open=True),
    Route("GET", METADATA, f"{_OWN}/instance/service-accounts/{{name}}", "metadata.account",
          partial(_by_name, _account), How.STATE, open=True),
    Route("GET", METADATA, f"{_OWN}/instance/service-accounts/{{name}}/{{path}}",
          "metadata.account", partial(_by_name, _account), How.RUN, open=True),
    Route("GET", METADATA, f"{_OWN}/{{path=**}}", "metadata.get", partial(_by_name, _value),
          How.STATE, open=True),
]  # fmt: skip
