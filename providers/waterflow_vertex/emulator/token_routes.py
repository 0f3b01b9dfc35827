"""Google's token endpoint: tokens for what a key has signed, and what is known of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from waterflow_vertex.emulator.errors import Refusal
from waterflow_vertex.emulator.identity import subject
from waterflow_vertex.emulator.routes import OAUTH, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.routes import Call
    from waterflow_vertex.emulator.world import World

_JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def _token(world: World, request: Request, call: Call) -> Reply:
    """Issue a token for what an account's key has signed."""
    del call
    kind = request.headers.get("content-type", "")
    text = request.body.decode("utf-8", "replace")
    form = dict(parse_qsl(text)) if "json" not in kind else request.json
    if form.get("grant_type") != _JWT:
        raise Refusal(
            "INVALID_ARGUMENT",
            "Waterflow's emulator of Google Cloud signs in service accounts by their keys "
            f"({_JWT}): nobody can be asked for a password here.",
            reason="unsupported_grant_type",
        )
    caller, claims = world.identities.exchanged(str(form.get("assertion", "")))
    if claims.get("target_audience"):
        audience = str(claims["target_audience"])
        return json_answer({"id_token": world.identities.identity(caller, audience)})
    return json_answer(world.identities.issue(caller, str(claims.get("scope", ""))))


def _token_info(world: World, request: Request, call: Call) -> Reply:
    del call
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    text = request.argument("access_token") or form.get("access_token", "")
    held = world.identities.token(text)
    if held is None:
        raise Refusal("INVALID_ARGUMENT", "Invalid Value", reason="invalid_token")
    number = subject(held.caller)
    return json_answer(
        {
            "azp": number,
            "aud": number,
            "scope": held.scope,
            "exp": str(int(held.end)),
            "expires_in": str(int(held.end - time.time())),
            "email": held.caller,
            "email_verified": "true",
            "access_type": "online",
        }
    )


ROUTES: Final = [
    Route("POST", OAUTH, "/token", "token", _token, How.RUN, open=True),
    Route("GET", OAUTH, "/tokeninfo", "tokeninfo", _token_info, How.STATE, open=True),
    Route("POST", OAUTH, "/tokeninfo", "tokeninfo", _token_info, How.STATE, open=True),
]  # fmt: skip
