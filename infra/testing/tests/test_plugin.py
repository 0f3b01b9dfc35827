"""The provider as a plugin: started and called over gRPC, as the real `pulumi` does."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from standin.schema import Schemas
from standin.values import UNKNOWN, Secret, properties, struct

PLUGIN = Path(__file__).parents[1] / "plugins" / "pulumi-resource-aws"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
URN = f"urn:pulumi:dev::sample::{GROUP}::logs"


class Running:
    """A plugin's process, started anew as each command of `pulumi` does."""

    def __init__(self, kept: Path) -> None:
        self.kept = kept
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "STANDIN_KEPT": str(self.kept)}
        self.process = subprocess.Popen(
            [PLUGIN], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout
        port = self.process.stdout.readline().strip()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.calls = provider_pb2_grpc.ResourceProviderStub(self.channel)
        config = provider_pb2.ConfigureRequest(args=struct({"region": "eu-central-1"}))
        assert self.calls.Configure(config).acceptSecrets

    def stop(self) -> None:
        self.channel.close()
        self.process.terminate()
        self.process.communicate()

    def check(self, news: dict[str, Any], olds: dict[str, Any] | None = None) -> Any:
        request = provider_pb2.CheckRequest(urn=URN, news=struct(news), randomSeed=b"\1" * 32)
        if olds:
            request.olds.CopyFrom(struct(olds))
        return self.calls.Check(request)

    def create(self, inputs: dict[str, Any], preview: bool = False) -> Any:
        return self.calls.Create(
            provider_pb2.CreateRequest(urn=URN, properties=struct(inputs), preview=preview)
        )

    def diff(self, olds: dict[str, Any], news: dict[str, Any]) -> Any:
        request = provider_pb2.DiffRequest(urn=URN, old_inputs=struct(olds), news=struct(news))
        return self.calls.Diff(request)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("plugin") / "kept.json")
    yield running
    running.stop()


def test_it_is_of_the_sdks_version(plugin: Running, schemas: Schemas) -> None:
    version = schemas("pulumi:providers:aws")["package"]["version"]
    assert plugin.calls.GetPluginInfo(empty_pb2.Empty()).version == version


def test_config_is_checked_as_the_engine_does(plugin: Running) -> None:
    wrong = provider_pb2.CheckRequest(urn="u", news=struct({"regoin": "eu-central-1"}))
    failures = plugin.calls.CheckConfig(wrong).failures
    assert [one.property for one in failures] == ["regoin", "region"]


def test_what_is_wrong_is_told_by_property(plugin: Running) -> None:
    failures = plugin.check({"retentionInDays": "thirty"}).failures
    assert [(one.property, one.reason) for one in failures] == [
        ("retentionInDays", "expected a value of type integer, not string 'thirty'")
    ]


def test_functions_are_answered_and_unknown_ones_refused(plugin: Running) -> None:
    token = "aws:index/getRegion:getRegion"
    answer = plugin.calls.Invoke(provider_pb2.InvokeRequest(tok=token, args=struct({})))
    assert properties(getattr(answer, "return"))["name"] == "eu-central-1"
    with pytest.raises(grpc.RpcError, match="cannot answer aws:x"):
        plugin.calls.Invoke(provider_pb2.InvokeRequest(tok="aws:x", args=struct({})))


def test_a_resources_life(plugin: Running) -> None:
    first = properties(plugin.check({"retentionInDays": 30}).inputs)
    assert first["name"].startswith("logs-")
    foreseen = plugin.create({**first, "kmsKeyId": UNKNOWN}, preview=True)
    assert not foreseen.id
    assert properties(foreseen.properties)["arn"] is UNKNOWN

    response = plugin.create({**first, "kmsKeyId": Secret("arn:key")})
    outputs = properties(response.properties)
    assert response.id == first["name"]
    assert outputs["arn"] == f"arn:aws:logs:eu-central-1:123456789012:log-group:{response.id}"
    assert outputs["kmsKeyId"] == Secret("arn:key")

    plugin.stop()
    plugin.start()  # as the next command does
    there = plugin.calls.Read(provider_pb2.ReadRequest(urn=URN, id=response.id))
    assert properties(there.properties)["retentionInDays"] == 30

    again = properties(plugin.check({"retentionInDays": 60}, first).inputs)
    assert again["name"] == first["name"]
    changed = plugin.diff(first, again)
    assert (changed.changes, list(changed.diffs), list(changed.replaces)) == (
        provider_pb2.DiffResponse.DIFF_SOME,
        ["retentionInDays"],
        [],
    )
    renamed = plugin.diff(first, {**first, "name": "other", "__defaults": []})
    assert list(renamed.replaces) == ["name"]
    assert plugin.diff(first, first).changes == provider_pb2.DiffResponse.DIFF_NONE

    update = provider_pb2.UpdateRequest(
        urn=URN,
        id=response.id,
        old_inputs=struct(first),
        olds=response.properties,
        news=struct(again),
    )
    after = properties(plugin.calls.Update(update).properties)
    assert after["retentionInDays"] == 60
    assert after["arn"] == outputs["arn"]

    plugin.calls.Delete(provider_pb2.DeleteRequest(urn=URN, id=response.id))
    assert not plugin.calls.Read(provider_pb2.ReadRequest(urn=URN, id=response.id)).id
