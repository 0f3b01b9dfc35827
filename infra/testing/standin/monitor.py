"""The two gRPC services that a program talks to: the resource monitor and the engine."""

from __future__ import annotations

import contextlib
from concurrent import futures
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from standin.goals import RefusalError
from standin.provider import ProviderError
from standin.values import properties, struct, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from standin.registration import Run

Answer = TypeVar("Answer")
SEVERITIES = {engine_pb2.WARNING: "warning", engine_pb2.ERROR: "error", engine_pb2.INFO: "info"}
FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_DEPENDS_ON,
]


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """The resource monitor of one run. What it does not implement, gRPC refuses by name."""

    def __init__(self, run: Run, secret_keys: tuple[str, ...]) -> None:
        self._run = run
        self._secret_keys = secret_keys

    def GetDeploymentInfo(
        self, request: Any, context: grpc.ServicerContext
    ) -> resource_pb2.DeploymentInfo:
        """Say which stack this is, and what this engine can do."""
        run = self._run
        return resource_pb2.DeploymentInfo(
            project=run.project,
            stack=run.stack,
            organization="organization",
            config=run.config,
            configSecretKeys=self._secret_keys,
            dryRun=run.preview,
            parallel=16,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Register a resource."""
        return _answered(context, lambda: self._run.register(request))

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take a component's outputs."""

        def taken() -> empty_pb2.Empty:
            self._run.outputs(request.urn, properties(request.outputs))
            return empty_pb2.Empty()

        return _answered(context, taken)

    def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ReadResourceResponse:
        """Look a resource up by its identifier."""

        def answered() -> resource_pb2.ReadResourceResponse:
            resource = self._run.read(request)
            return resource_pb2.ReadResourceResponse(
                urn=resource.urn, id=wire(resource.id), properties=struct(resource.outputs)
            )

        return _answered(context, answered)

    def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ResourceInvokeResponse:
        """Answer a function."""

        def answered() -> resource_pb2.ResourceInvokeResponse:
            response = resource_pb2.ResourceInvokeResponse()
            getattr(response, "return").CopyFrom(struct(self._run.call(request)))
            return response

        return _answered(context, answered)

    def RegisterStackTransform(
        self, request: Any, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take a transform of all resources."""
        self._run.stack_transform(request)
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(
        self, request: Any, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take a transform of all functions."""
        self._run.call_transform(request)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(
        self, request: Any, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Let the program end: what remains to delete needs nothing of it."""
        return empty_pb2.Empty()


class Engine(engine_pb2_grpc.EngineServicer):
    """The engine's service: messages, and the root resource."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Keep a message of the program; what is meant for debugging alone is left out."""
        severity = SEVERITIES.get(request.severity)
        if severity is not None and not request.ephemeral:
            self._run.say(severity, "program", request.message, request.urn)  # type: ignore[arg-type]
        return empty_pb2.Empty()

    def GetRootResource(
        self, request: Any, context: grpc.ServicerContext
    ) -> engine_pb2.GetRootResourceResponse:
        """Name the stack's own resource."""
        return engine_pb2.GetRootResourceResponse(urn=self._run.root)

    def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        """Take the stack's own resource."""
        self._run.root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(
        self, request: Any, context: grpc.ServicerContext
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """Be of any version that a program asks for."""
        return engine_pb2.RequirePulumiVersionResponse()


def _answered(context: grpc.ServicerContext, work: Callable[[], Answer]) -> Answer:
    """Do a call's work; a refusal becomes the call's error, with its text."""
    try:
        return work()
    except (RefusalError, ProviderError, LookupError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise  # unreachable: abort raises


@contextlib.contextmanager
def served(run: Run, secret_keys: tuple[str, ...]) -> Generator[str]:
    """Serve both services on one loopback port and yield its address."""
    limit = ("grpc.max_receive_message_length", 400 * 1024 * 1024)  # as Pulumi's own engine
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[limit])
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(run, secret_keys), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(run), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
