"""What Azure ML has and is not answered here, by name, with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator.errors import unanswered
from waterflow_azureml.emulator.routes import (
    API,
    MANAGEMENT,
    PROVIDER,
    WORKSPACE,
    How,
    Request,
    Route,
)

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.world import World

REASONS: Final = {
    "featuresets": ("feature sets", "keep features as data assets"),
    "featurestoreEntities": ("feature store entities", "keep features as data assets"),
    "serverlessEndpoints": ("serverless endpoints", "nothing serves a model here"),
    "marketplaceSubscriptions": ("marketplace subscriptions", "nothing is sold here"),
    "connections": ("connections", "keep secrets in the key vault"),
    "capabilityHosts": ("capability hosts", "no agents run here"),
    "outboundRules": ("outbound rules", "the managed network is not emulated"),
    "privateEndpointConnections": ("private endpoints", "all is on this machine"),
    "privateLinkResources": ("private links", "all is on this machine"),
    "inferencePools": ("inference pools", "nothing serves a model here"),
    "provisionManagedNetwork": ("managed networks", "the managed network is not emulated"),
    "diagnose": ("diagnoses", "`waterflow doctor` looks at what pipelines need"),
    "listNotebookKeys": ("notebooks", "run notebooks on this machine"),
    "listNotebookAccessToken": ("notebooks", "run notebooks on this machine"),
    "prepareNotebook": ("notebooks", "run notebooks on this machine"),
    "listKeys": ("a workspace's keys", "ask for what they open itself"),
    "listStorageAccountKeys": ("a workspace's storage keys", "use an identity"),
    "resyncKeys": ("a workspace's keys", "use an identity"),
    "outboundNetworkDependenciesEndpoints": ("network dependencies", "all is on this machine"),
    "features": ("features", "leave it out"),
}
"""Part of a workspace's path -> what it is, and what to do instead."""
_METHODS: Final = ("GET", "PUT", "POST", "PATCH", "DELETE")


def _registry(_world: World, request: Request, rest: str = "") -> Reply:
    del request
    name = rest.partition("/")[0]
    raise unanswered(
        f"registries such as {name}" if name else "registries",
        "register models and components in the workspace",
    )


def _part(_world: World, request: Request, part: str, rest: str = "") -> Reply:
    del request, rest
    raise unanswered(*REASONS[part])


def _parts() -> list[Route]:
    routes: list[Route] = []
    for part in REASONS:

        def answer(world: World, request: Request, rest: str = "", part: str = part) -> Reply:
            return _part(world, request, part, rest)

        for path in (f"{WORKSPACE}/{part}", f"{WORKSPACE}/{part}/{{rest:path}}"):
            routes += [
                Route(method, MANAGEMENT, path, f"{part}.refused", answer, How.STATE)
                for method in _METHODS
            ]
    return routes


_DEPLOYMENTS: Final = "/{scope:path}/providers/Microsoft.Resources/deployments/{name}"


def _template(_world: World, request: Request, scope: str, name: str) -> Reply:
    del request, scope
    raise unanswered(
        f"deployments of templates such as {name}",
        "name the workspace in a profile, or put it by Azure Resource Manager: "
        "PUT .../Microsoft.MachineLearningServices/workspaces/NAME",
    )


ROUTES: Final = [
    *(
        Route(method, host, path, "registries.refused", _registry, How.STATE)
        for method in _METHODS
        for host, path in (
            (MANAGEMENT, f"{PROVIDER}/registries"),
            (MANAGEMENT, f"{PROVIDER}/registries/{{rest:path}}"),
            (API, "/registrymanagement/v1.0/registries/{rest:path}"),
        )
    ),
    *(
        Route(method, MANAGEMENT, _DEPLOYMENTS, "deployments.refused", _template, How.STATE)
        for method in _METHODS
    ),
    *_parts(),
]
