"""SageMaker's operations over HTTP: ours by our components, all others by moto."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar, Final

from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator import wire
from waterflow_sagemaker.emulator.errors import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Handler = Callable[[dict[str, Any]], dict[str, Any] | None]
    Answer = tuple[int, dict[str, str], Any]

_LOG: Final = logging.getLogger(__name__)


class Operations(SageMakerResponse):
    """Moto's SageMaker, with the operations of this emulator in front."""

    handlers: ClassVar[Mapping[str, Handler]] = {}
    """Operation -> what answers it; set by `serve` before the first request."""

    tags: ClassVar[Callable[[str], list[dict[str, str]] | None]]
    """Returns the tags of a resource of ours, to be changed in place."""

    def call_action(self) -> Any:
        """Answer one request."""
        operation = self._get_action()
        try:
            request = self._request()
            handler = self.handlers.get(operation) or self._tagging(operation, request)
            if handler is None:
                return self._moto(operation)
            check(operation, request)
            answer = handler(request)
            return self.serialized(ActionResult(answer or {}))
        except ServiceError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - the service answers with its own words, never with a page
            _LOG.exception("%s failed", operation)
            text = f"The emulator failed at {operation}: {type(error).__name__}: {error}"
            return refusal(ServiceError("InternalFailure", text, 500))

    def _request(self) -> dict[str, Any]:
        try:
            request = json.loads(self.body or "{}")
        except ValueError:
            request = None
        if not isinstance(request, dict):
            raise ServiceError("SerializationException", "The body is not a JSON object.")
        return request

    def _moto(self, operation: str) -> Any:
        try:
            return super().call_action()
        except NotImplementedError:
            raise ServiceError(
                "UnknownOperationException",
                f"Waterflow's emulator of SageMaker does not have {operation}.",
            ) from None

    def _tagging(self, operation: str, request: dict[str, Any]) -> Handler | None:
        if operation not in ("AddTags", "ListTags", "DeleteTags"):
            return None
        tags = type(self).tags(str(request.get("ResourceArn", "")))
        if tags is None:
            return None

        def act(request: dict[str, Any]) -> dict[str, Any]:
            if operation == "ListTags":
                return {"Tags": [dict(tag) for tag in tags]}
            gone = set(request.get("TagKeys", ()))
            new = {tag["Key"]: tag for tag in request.get("Tags", ())}
            tags[:] = [tag for tag in tags if tag["Key"] not in gone | set(new)]
            tags.extend(new.values())
            return {"Tags": [dict(tag) for tag in tags]} if operation == "AddTags" else {}

        return act


def serve(
    handlers: Mapping[str, Handler], tags: Callable[[str], list[dict[str, str]] | None]
) -> None:
    """Put our operations before moto's; to be called before moto's first request.

    Args:
        handlers: Operation -> what answers it.
        tags: Returns the tags of a resource of ours, to be changed in place; None for others.
    """
    from moto.sagemaker import urls

    Operations.handlers, Operations.tags = handlers, staticmethod(tags)  # type: ignore[assignment]
    for path in urls.url_paths:
        urls.url_paths[path] = Operations.dispatch


def refusal(error: ServiceError) -> Answer:
    """Return an error as moto answers with it."""
    reply = wire.refusal("sagemaker", error)
    return reply.status, dict(reply.headers), reply.body.decode()
