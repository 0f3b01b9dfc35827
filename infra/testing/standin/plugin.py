"""The stand-in provider as a plugin of the real `pulumi`: `pulumi-resource-aws` on PATH runs this.

    python -m standin.plugin PACKAGE

It prints its port and serves Pulumi's provider protocol until its standard input or process ends.
What it keeps stands in the file that `STANDIN_KEPT` names, since each command of `pulumi` starts
the plugin anew; `STANDIN_ENDPOINT` names the address that a carrier makes resources at.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from standin.provider import Carrier, Provider, ProviderError
from standin.schema import schemas_of
from standin.values import Properties, bare, properties, read, struct, unknown, wire


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """Pulumi's provider protocol over the stand-in provider."""

    def __init__(self, provider: Provider, kept: Path | None) -> None:
        self._provider = provider
        self._kept = kept
        self._config: Properties = {}
        if kept is not None and kept.exists():
            for token, identifier, inputs, outputs in json.loads(kept.read_text()):
                provider.kept[token, identifier] = (read(inputs), read(outputs))

    def _save(self) -> None:
        if self._kept is not None:
            rows = [
                [token, identifier, wire(inputs), wire(outputs)]
                for (token, identifier), (inputs, outputs) in self._provider.kept.items()
            ]
            part = self._kept.with_suffix(".part")
            part.write_text(json.dumps(rows))
            part.replace(self._kept)

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Say what this understands: secrets, and neither resources nor outputs as values."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Be of the version of the SDK that is installed."""
        schema = self._provider.schemas(f"pulumi:providers:{self._provider.package}")
        return plugin_pb2.PluginInfo(version=schema["package"]["version"])

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Give no schema: programs in Python need none."""
        return provider_pb2.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Check the provider's own configuration."""
        config = _decoded(self._provider, properties(request.news))
        response = provider_pb2.CheckResponse(inputs=request.news)
        if not unknown(config):
            _fail(response, self._provider.configured(config))
        return response

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take any new configuration in place."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the configuration."""
        self._config = _decoded(self._provider, properties(request.args))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answer a function."""
        response = provider_pb2.InvokeResponse()
        arguments = bare(properties(request.args))
        answer = _answer(
            context, lambda: self._provider.invoke(request.tok, arguments, self._config)
        )
        getattr(response, "return").CopyFrom(struct(answer))
        return response

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Check inputs and add the provider's own."""
        seed = int.from_bytes(request.randomSeed[:4], "big")
        olds = properties(request.olds) or None
        inputs, wrong = _answer(
            context,
            lambda: self._provider.check(
                request.urn, _type(request), properties(request.news), olds, seed
            ),
        )
        response = provider_pb2.CheckResponse(inputs=struct(inputs))
        _fail(response, wrong)
        return response

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Compare inputs."""
        olds, news = properties(request.old_inputs), properties(request.news)
        difference = self._provider.diff(_type(request), olds, news, list(request.ignoreChanges))
        response = provider_pb2.DiffResponse(
            changes=(
                provider_pb2.DiffResponse.DIFF_SOME
                if difference.changes
                else provider_pb2.DiffResponse.DIFF_NONE
            ),
            replaces=[_head(path) for path in difference.replaces],
            diffs=[_head(path) for path in difference.changes],
            deleteBeforeReplace=difference.delete_first,
            hasDetailedDiff=True,
        )
        for path in difference.changes:
            replaced = path in difference.replaces
            kind = provider_pb2.PropertyDiff
            response.detailedDiff[path].kind = kind.UPDATE_REPLACE if replaced else kind.UPDATE
            response.detailedDiff[path].inputDiff = True
        return response

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Make a resource, or foresee it."""
        identifier, outputs = _answer(
            context,
            lambda: self._provider.create(
                request.urn,
                _type(request),
                properties(request.properties),
                self._config,
                preview=request.preview,
            ),
        )
        self._save()
        name = "" if request.preview else str(identifier)
        return provider_pb2.CreateResponse(id=name, properties=struct(outputs))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Read a resource; an answer without an identifier says that it is gone."""
        answer = _answer(context, lambda: self._provider.read(_type(request), request.id))
        if answer is None:
            return provider_pb2.ReadResponse()
        inputs, outputs = answer
        return provider_pb2.ReadResponse(
            id=request.id, properties=struct(outputs), inputs=struct(inputs)
        )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change a resource, or foresee it."""
        olds = (properties(request.old_inputs), properties(request.olds))
        outputs = _answer(
            context,
            lambda: self._provider.update(
                _type(request),
                request.id,
                olds,
                properties(request.news),
                preview=request.preview,
            ),
        )
        self._save()
        return provider_pb2.UpdateResponse(properties=struct(outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remove a resource."""
        _answer(context, lambda: self._provider.delete(_type(request), request.id))
        self._save()
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Have nothing to break off."""
        return empty_pb2.Empty()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Need nothing of the engine."""
        return empty_pb2.Empty()


def _type(request: Any) -> str:
    """Return a resource's type; engines of before said it in the URN alone."""
    return request.type or request.urn.split("::")[2].rpartition("$")[2]


def _head(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _fail(response: Any, wrong: list[tuple[str, str]]) -> None:
    for path, reason in wrong:
        response.failures.add(property=path, reason=reason)


def _answer(context: grpc.ServicerContext, work: Any) -> Any:
    try:
        return work()
    except (ProviderError, LookupError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _decoded(provider: Provider, config: Properties) -> Properties:
    from standin.goals import decoded

    return decoded(provider, config)


def _carrier(package: str) -> Carrier | None:
    endpoint = os.environ.get("STANDIN_ENDPOINT")
    if not endpoint or package != "aws":
        return None
    from standin.carriers.aws import AwsCarrier

    return AwsCarrier(endpoint, os.environ.get("AWS_REGION", "us-east-1"))


def main(package: str) -> None:
    """Serve a package's provider until the process is ended."""
    kept = os.environ.get("STANDIN_KEPT")
    provider = Provider(package, schemas_of(Path(sys.executable)), _carrier(package))
    # One call at a time: the provider keeps its resources in plain dictionaries.
    server = grpc.server(futures.ThreadPoolExecutor(1))
    plugin = Plugin(provider, Path(kept) if kept else None)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
