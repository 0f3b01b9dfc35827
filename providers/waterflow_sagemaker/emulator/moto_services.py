"""Operations of moto's services that are answered by ours, as moto lacks them or a part of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True)
class Caller:
    """Who sends a request, and where to.

    Attributes:
        account: The account.
        region: The region that it is sent to.
        authorization: The header that it is signed with.
    """

    account: str
    region: str
    authorization: str


def extend(service: str, parts: Iterable[Any]) -> None:
    """Put operations of ours in the place of moto's; to be called before moto's first request.

    Args:
        service: A service of moto's, such as "iam".
        parts: What answers: each has OPERATIONS, the operation -> its method, which takes the
            request and its Caller.
    """
    urls = importlib.import_module(f"moto.{service}.urls")
    handlers = {
        operation: getattr(part, method)
        for part in parts
        for operation, method in part.OPERATIONS.items()
    }
    for path, dispatch in urls.url_paths.items():
        urls.url_paths[path] = _extended(service, dispatch.__self__, handlers).dispatch


def _extended(
    service: str,
    base: Any,
    handlers: Mapping[str, Callable[[dict[str, Any], Caller], dict[str, Any]]],
) -> Any:
    """Return moto's class of a service's answers with operations of ours."""

    class Extended(base):
        def call_action(self) -> Any:
            handler = handlers.get(self._get_action())
            if handler is None:
                return super().call_action()
            self.parse_parameters(self.normalized_request)
            authorization = str(self.headers.get("Authorization", ""))
            try:
                caller = Caller(self.current_account, self.region, authorization)
                return self.serialized(ActionResult(handler(dict(self.params), caller)))
            except ServiceError as error:
                reply = wire.refusal(service, error)
                return reply.status, dict(reply.headers), reply.body.decode()

    return Extended
