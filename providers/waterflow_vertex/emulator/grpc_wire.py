"""The gRPC side: any method of any service, answered by what answers it over HTTP."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import grpc

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.server import HOST
from waterflow_vertex.emulator import errors
from waterflow_vertex.emulator.errors import Refusal, refused_by_fault, unanswered
from waterflow_vertex.emulator.routes import Call, How, service

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from waterflow_vertex.emulator.rpcs import Rpc, Service
    from waterflow_vertex.emulator.world import World

_LOG: Final = logging.getLogger(__name__)
_WORKERS: Final = 32
_FAREWELL: Final = 2.0
_STATUSES: Final = {code.value[0]: code for code in grpc.StatusCode}


class GrpcServer:
    """The part that answers gRPC, from `start` to `close`.

    Args:
        services: What is answered.
        world: Returns what there is.
    """

    def __init__(self, services: Iterable[Service], world: Callable[[], World]) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(_WORKERS),
            handlers=[_Handlers({one.name: one for one in services}, world)],
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        self.port = int(self._server.add_insecure_port(f"{HOST}:0"))

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def close(self) -> None:
        """Answer no more."""
        ended: threading.Event = self._server.stop(0.5)
        ended.wait(_FAREWELL)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, services: dict[str, Service], world: Callable[[], World]) -> None:
        self._services, self._world = services, world

    def service(self, handler_call_details: Any) -> Any:
        """Return what answers a method."""
        _, name, method = str(handler_call_details.method).split("/", 2)
        held = self._services.get(name)
        rpc = held.methods.get(method) if held else None

        def answer(request: bytes, context: Any) -> bytes:
            return self._answer(held, rpc, name, method, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _answer(
        self,
        held: Service | None,
        rpc: Rpc | None,
        name: str,
        method: str,
        data: bytes,
        context: Any,
    ) -> bytes:
        world = self._world()
        try:
            told = dict(context.invocation_metadata())
            caller = world.identities.caller(told.get("authorization"))
            reply = self._struck(world, held, rpc, f"{name}/{method}", Call(caller), data)
        except ServiceError as error:
            _abort(context, error)
        except Exception as error:  # noqa: BLE001 - the client must get an answer
            # A fault of ours: said as such, so that nobody looks for it in a program.
            _LOG.exception("%s/%s failed", name, method)
            text = f"Waterflow's emulator failed at this request: {type(error).__name__}: {error}"
            _abort(context, Refusal("INTERNAL", text))
        else:
            return reply
        raise AssertionError  # abort raises

    def _struck(
        self,
        world: World,
        held: Service | None,
        rpc: Rpc | None,
        name: str,
        call: Call,
        data: bytes,
    ) -> bytes:
        """Answer a request, with the faults that it meets."""
        if held is None or rpc is None:
            raise unanswered(name)
        faults, where = world.site.faults, service(held.host.replace("*", ""))
        for fault in ("throttle", "error503"):
            if faults.request(fault, where, rpc.name):
                raise refused_by_fault(fault)
        late = faults.request("slow", where, rpc.name)
        lost = faults.request("lost", where, rpc.name)
        reply = self._do(world, held, rpc, call, data)
        if late:
            time.sleep(faults.slow_for)
        if lost:
            raise Refusal("UNAVAILABLE", "Socket closed")
        return reply

    @staticmethod
    def _do(world: World, held: Service, rpc: Rpc, call: Call, data: bytes) -> bytes:
        if rpc.how is How.REFUSED:
            rpc.answer(world, call, None)
        kind = held.request(rpc)
        try:
            request = kind.FromString(data)
        except Exception:  # noqa: BLE001 - protobuf's own, of another kind in each implementation
            raise errors.invalid("Request payload is not of the method's message.") from None
        name = getattr(request, "name", "") or getattr(request, "parent", "")
        world.calls.note(call.caller, rpc.permission, rpc.name, str(name))
        answer: bytes = rpc.answer(world, call, request).SerializeToString()
        return answer


def _abort(context: Any, error: ServiceError) -> None:
    details = error.details if isinstance(error, Refusal) else ()
    if details:
        from google.protobuf import any_pb2, json_format
        from google.rpc import error_details_pb2, status_pb2

        _ = error_details_pb2  # so that Any finds its messages
        status = status_pb2.Status(code=errors.number(error.code), message=error.message)
        status.details.extend([json_format.ParseDict(one, any_pb2.Any()) for one in details])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(_STATUSES[errors.number(error.code)], error.message)
