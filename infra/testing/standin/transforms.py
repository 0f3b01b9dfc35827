"""Asks the program's own transforms, over the callback service that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

# Options that a transform sees and may change: its own name of each, and the request's.
OPTIONS = {
    "protect": "protect",
    "retain_on_delete": "retainOnDelete",
    "delete_before_replace": "deleteBeforeReplace",
    "provider": "provider",
    "version": "version",
    "plugin_download_url": "pluginDownloadURL",
    "deleted_with": "deletedWith",
    "import": "importId",
}
LISTS = {
    "depends_on": "dependencies",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "additional_secret_outputs": "additionalSecretOutputs",
}


class Callbacks:
    """The functions of the program that the engine calls back."""

    def __init__(self) -> None:
        self._stubs: dict[str, callback_pb2_grpc.CallbacksStub] = {}

    def call(self, callback: callback_pb2.Callback, request: bytes) -> bytes:
        """Call one and return its answer.

        Raises:
            grpc.RpcError: The function raised; the details hold its message.
        """
        stub = self._stubs.get(callback.target)
        if stub is None:
            stub = callback_pb2_grpc.CallbacksStub(grpc.insecure_channel(callback.target))
            self._stubs[callback.target] = stub
        order = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request)
        return stub.Invoke(order).response


def transformed(
    request: resource_pb2.RegisterResourceRequest,
    callbacks: Callbacks,
    transforms: Iterable[callback_pb2.Callback],
) -> resource_pb2.RegisterResourceRequest:
    """Return a registration as the transforms leave it, one after the other."""
    goal = resource_pb2.RegisterResourceRequest()
    goal.CopyFrom(request)
    for transform in transforms:
        order = resource_pb2.TransformRequest(
            type=goal.type, name=goal.name, custom=goal.custom, parent=goal.parent
        )
        order.properties.CopyFrom(goal.object)
        options = order.options
        for theirs, ours in OPTIONS.items():
            if _stated(goal, ours):
                setattr(options, theirs, getattr(goal, ours))
        for theirs, ours in LISTS.items():
            getattr(options, theirs).extend(getattr(goal, ours))
        options.aliases.extend(goal.aliases)
        for name, reference in goal.providers.items():
            options.providers[name] = reference
        answer = resource_pb2.TransformResponse.FromString(
            callbacks.call(transform, order.SerializeToString())
        )
        goal.object.CopyFrom(answer.properties)
        if not answer.HasField("options"):
            continue  # the transform left the options alone
        for theirs, ours in OPTIONS.items():
            if _stated(answer.options, theirs):
                setattr(goal, ours, getattr(answer.options, theirs))
        goal.deleteBeforeReplaceDefined |= answer.options.HasField("delete_before_replace")
        for theirs, ours in LISTS.items():
            del getattr(goal, ours)[:]
            getattr(goal, ours).extend(getattr(answer.options, theirs))
    return goal


def _stated(message: Message, name: str) -> bool:
    """Whether an option was stated, where the message can tell that from its default."""
    if name == "deleteBeforeReplace":
        return bool(getattr(message, "deleteBeforeReplaceDefined", True))
    presence = message.DESCRIPTOR.fields_by_name[name].has_presence
    return message.HasField(name) if presence else True


def transformed_call(
    request: resource_pb2.ResourceInvokeRequest,
    callbacks: Callbacks,
    transforms: Iterable[callback_pb2.Callback],
) -> resource_pb2.ResourceInvokeRequest:
    """Return a function's call as the stack's transforms of calls leave it."""
    goal = resource_pb2.ResourceInvokeRequest()
    goal.CopyFrom(request)
    for transform in transforms:
        order = resource_pb2.TransformInvokeRequest(token=goal.tok)
        order.args.CopyFrom(goal.args)
        order.options.provider = goal.provider
        answer = resource_pb2.TransformInvokeResponse.FromString(
            callbacks.call(transform, order.SerializeToString())
        )
        goal.args.CopyFrom(answer.args)
        if answer.HasField("options"):
            goal.provider = answer.options.provider
    return goal
