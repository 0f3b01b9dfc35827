"""Azure's decision who may do what, over the roles that a stack has made and given."""

import re
from dataclasses import dataclass

CONTAINERS = re.compile(r"containers:name\] String(Equals|Like) '([^']+)'")


@dataclass(frozen=True)
class Grant:
    """A role that somebody has somewhere; of blobs, in some containers only."""

    holder: str
    actions: frozenset[str]
    data_actions: frozenset[str]
    scope: str
    containers: tuple[tuple[str, str], ...] = ()

    def allows(self, call, resource):
        """Say whether it allows a call of an emulator's record, of a resource by its ARM id."""
        allowed = self.data_actions if call["data"] else self.actions
        within = f"{resource}/".lower().startswith(f"{self.scope}/".lower())
        return call["action"] in allowed and within and self._of(call, resource)

    def _of(self, call, resource):
        container = resource.partition("/containers/")[2]
        if not call["data"] or not container or not self.containers:
            return True
        return any(
            container == name if how == "Equals" else container.startswith(name.rstrip("*"))
            for how, name in self.containers
        )


def grants(assignments, definitions):
    """Return what role assignments and definitions say, as Azure lists them."""
    roles = {
        one["name"]: one["properties"]["permissions"][0]
        for one in definitions
        if one["properties"]["type"] == "CustomRole"
    }
    return [
        Grant(
            holder=held["principalId"],
            actions=frozenset(roles[role].get("actions") or ()),
            data_actions=frozenset(roles[role].get("dataActions") or ()),
            scope=held["scope"],
            containers=tuple(CONTAINERS.findall(held.get("condition") or "")),
        )
        for held in (one["properties"] for one in assignments)
        if (role := held["roleDefinitionId"].rpartition("/")[2]) in roles
    ]


def resource_of(call, group):
    """Return the ARM id of what a call was about.

    Args:
        call: A call of an emulator's record: of data it knows type, name and container alone.
        group: The id of the resource group.
    """
    if not call["data"]:
        return call["resource"]
    provider, kind, name, *container = call["resource"].split("/")
    whole = f"{group}/providers/{provider}/{kind}/{name}"
    return f"{whole}/blobServices/default/containers/{container[0]}" if container else whole


def refused(calls, held, holders, group):
    """Return what of recorded calls is not allowed, a line each.

    Args:
        calls: The calls.
        held: The grants.
        holders: Who calls, as the record names it -> the object id.
        group: The id of the resource group.
    """
    return [
        f"{call['principal']}: {call['action']} on {call['resource']}"
        for call in calls
        if not any(
            one.holder == holders[call["principal"]] and one.allows(call, resource_of(call, group))
            for one in held
        )
    ]
