"""SageMaker's operations over HTTP, each answered by a part of ours, or refused."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar, Final

from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse

from waterflow.emulation.errors import ServiceError
from waterflow_sagemaker.emulator import wire
from waterflow_sagemaker.emulator.errors import check, unknown

if TYPE_CHECKING:
    from waterflow_sagemaker.emulator.regions import Regions

    Answer = tuple[int, dict[str, str], Any]

_LOG: Final = logging.getLogger(__name__)


class Operations(SageMakerResponse):
    """SageMaker's API: moto reads requests and writes answers, and none of its own is left."""

    regions: ClassVar[Regions]
    """What answers, by region; set by `serve` before the first request."""

    def call_action(self) -> Any:
        """Answer one request."""
        operation = self._get_action()
        try:
            handler = self.regions[self.region].handlers.get(operation)
            if handler is None:
                return refusal(unknown("sagemaker", operation))
            request = self._request()
            check(operation, request)
            answer = handler(request)
            return self.serialized(ActionResult(answer or {}))
        except ServiceError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - the service answers with its own words, never with a page
            _LOG.exception("%s failed", operation)
            text = f"The emulator failed at {operation}: {type(error).__name__}: {error}"
            return refusal(ServiceError("InternalFailure", text, 500))

    def parse_parameters(self, request: Any) -> None:
        """Read nothing: moto's reader fails at what is of the wrong type, and refuses nothing."""

    def _request(self) -> dict[str, Any]:
        try:
            request = json.loads(self.body or "{}")
        except ValueError:
            request = None
        if not isinstance(request, dict):
            raise ServiceError("SerializationException", "The body is not a JSON object.")
        return request


def serve(regions: Regions) -> None:
    """Put our operations in the place of moto's; to be called before moto's first request.

    Args:
        regions: What answers.
    """
    from moto.sagemaker import urls

    Operations.regions = regions
    for path in urls.url_paths:
        urls.url_paths[path] = Operations.dispatch


def refusal(error: ServiceError) -> Answer:
    """Return an error as moto answers with it."""
    reply = wire.refusal("sagemaker", error)
    return reply.status, dict(reply.headers), reply.body.decode()
