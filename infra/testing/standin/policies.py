"""Asks a CrossGuard policy pack, over the Analyzer service that it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from standin.result import Diagnostic
from standin.state import STACK_TYPE, Resource, State
from standin.values import struct

if TYPE_CHECKING:
    from types import TracebackType

MANDATORY = (analyzer_pb2.MANDATORY, analyzer_pb2.REMEDIATE)


class PolicyPack:
    """A policy pack's own process, started once and asked many times.

    Args:
        folder: The pack, with `PulumiPolicy.yaml` and `__main__.py`.
        config: By policy, the properties that its schema names.
        python: The pack's Python; by default its folder's own `.venv`, and this process's where
            there is none.
    """

    def __init__(
        self,
        folder: Path | str,
        config: dict[str, dict[str, Any]] | None = None,
        python: Path | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        own = self.folder / ".venv" / "bin" / "python"
        interpreter = python or (own if own.exists() else Path(sys.executable))
        # The address of an engine is an argument that must be there; the pack calls none.
        self._process = subprocess.Popen(
            [str(interpreter), "-m", "pulumi.policy", "127.0.0.1:1", "."],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PULUMI_CONFIG": "{}"},
        )
        assert self._process.stdout is not None  # noqa: S101
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            _, message = self._process.communicate()
            raise RuntimeError(f"the policy pack in {self.folder} did not start:\n{port}{message}")
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._analyzer = analyzer_pb2_grpc.AnalyzerStub(self._channel)
        if config:
            request = analyzer_pb2.ConfigureAnalyzerRequest()
            for policy, values in config.items():
                request.policyConfig[policy].enforcementLevel = analyzer_pb2.MANDATORY
                request.policyConfig[policy].properties.CopyFrom(struct(values))
            self._analyzer.Configure(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the pack's process."""
        self._channel.close()
        self._process.terminate()
        self._process.communicate()

    @property
    def names(self) -> list[str]:
        """The names of the pack's policies."""
        from google.protobuf import empty_pb2

        return [one.name for one in self._analyzer.GetAnalyzerInfo(empty_pb2.Empty()).policies]

    def resource(self, resource: Resource, state: State) -> list[Diagnostic]:
        """Return what the pack says of a resource that is about to be made."""
        request = analyzer_pb2.AnalyzeRequest(
            type=resource.type, urn=resource.urn, name=resource.name, options=_options(resource)
        )
        request.properties.CopyFrom(_plain(resource))
        provider = state.get(resource.provider.rpartition("::")[0])
        if provider is not None:
            request.provider.type = provider.type
            request.provider.urn = provider.urn
            request.provider.name = provider.name
            request.provider.properties.CopyFrom(_plain(provider))
        return _diagnostics(self._analyzer.Analyze(request), resource.urn)

    def stack(self, state: State) -> list[Diagnostic]:
        """Return what the pack says of all resources together."""
        request = analyzer_pb2.AnalyzeStackRequest()
        for resource in state:
            one = request.resources.add(
                type=resource.type,
                urn=resource.urn,
                name=resource.name,
                options=_options(resource),
                parent=resource.parent,
                dependencies=resource.dependencies,
            )
            one.properties.CopyFrom(struct(resource.outputs))
            for name, urns in resource.property_dependencies.items():
                one.propertyDependencies[name].urns.extend(urns)
        return _diagnostics(self._analyzer.AnalyzeStack(request), "")


def _plain(resource: Resource) -> Any:
    return struct({name: value for name, value in resource.inputs.items() if name != "__defaults"})


def _options(resource: Resource) -> analyzer_pb2.AnalyzerResourceOptions:
    parent = "" if resource.type == STACK_TYPE else resource.parent
    return analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect, parent=parent)


def _diagnostics(response: analyzer_pb2.AnalyzeResponse, urn: str) -> list[Diagnostic]:
    return [
        Diagnostic(
            "error" if one.enforcementLevel in MANDATORY else "warning",
            "policy",
            f"{one.policyName}: {one.message}",
            one.urn or urn,
        )
        for one in response.diagnostics
    ]
