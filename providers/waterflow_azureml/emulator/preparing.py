"""What profiles name is there when the emulator has started: workspaces, with all around them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator import computes, datastores, identity, workspaces
from waterflow_azureml.emulator.routes import Scope
from waterflow_azureml.profile import AzureMLSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.emulation.preparing import Wish
    from waterflow.project.profile import Profile
    from waterflow_azureml.emulator.vaults import Vaults
    from waterflow_azureml.emulator.world import World

DEFAULT: Final = Scope("00000000-0000-4000-8000-000000000000", "waterflow", "waterflow")
"""Where the workspace is that is there for whoever names none."""


def named_things(profile: Profile) -> Wish:
    """Return what a profile's settings name and its stack would have made.

    Args:
        profile: A profile of Azure ML.

    Raises:
        ConfigurationError: Its settings cannot be read.
    """
    settings = profile.convert(AzureMLSettings)
    every = (settings, *settings.steps.values())
    return {
        "scope": [settings.subscription, settings.resource_group, settings.workspace],
        "region": settings.region,
        "account": settings.account,
        "container": settings.container,
        "datastore": settings.datastore,
        "vault": settings.vault,
        "identities": list(dict.fromkeys(one.identity for one in every if one.identity)),
        "clusters": {
            name: [one.machine, one.nodes, one.spot] for name, one in settings.clusters.items()
        },
    }


def prepare(world: World, text: str) -> Iterator[str]:
    """Make what is not there yet, and yield a line for each thing made.

    Args:
        world: The cloud.
        text: What `option` returned.
    """
    wishes: dict[str, Wish] = json.loads(text)
    for name, wish in wishes.items():
        for thing in _made(world, wish):
            yield f"Made for profile '{name}': {thing}"
    if not wishes and world.workspaces.get(DEFAULT) is None:
        world.workspaces.create(DEFAULT)
        yield (
            f"Made: workspace {DEFAULT.workspace} in resource group {DEFAULT.group} of "
            f"subscription {DEFAULT.subscription}"
        )


def _made(world: World, wish: Wish) -> Iterator[str]:
    scope = Scope(*wish["scope"])
    if world.workspaces.get(scope) is None:
        world.workspaces.create(scope, {"location": wish["region"]})
        yield f"workspace {scope.workspace}"
    account, container = wish["account"], wish["container"]
    held = world.blobs.accounts.get(account)
    if held is None or container not in held.containers:
        world.blobs.container(account, container)
        # A lake keeps no versions; a plain account that holds data for pipelines should.
        world.blobs.accounts[account].versioned = True
        yield f"container {container} of storage account {account}"
    place = f"{scope.id}/datastores/{wish['datastore']}"
    if world.resources.get(place) is None:
        world.resources.put(
            place, datastores.KIND.type, workspaces.datastore(scope, account, container)
        )
        yield f"datastore {wish['datastore']}"
    vaults: Vaults = world.parts["vaults"]
    if wish["vault"] and vaults.get(wish["vault"]) is None:
        vaults.make(wish["vault"])
        yield f"key vault {wish['vault']}"
    for client in wish["identities"]:
        one = f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers"
        path = f"{one}/{workspaces.IDENTITIES}/{client}"
        if world.resources.get(path) is None:
            properties = {"clientId": client, "principalId": identity.principal(client)}
            world.resources.put(path, workspaces.IDENTITIES, {"properties": properties})
            yield f"identity {client}"
    for cluster, (machine, nodes, spot) in wish["clusters"].items():
        path = f"{scope.id}/computes/{cluster}"
        if world.resources.get(path) is None:
            body = computes.cluster(wish["region"], machine, nodes, spot=spot)
            world.resources.put(path, computes.KIND.type, body)
            yield f"cluster {cluster}"
