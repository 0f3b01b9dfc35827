"""The nodes of computes: clusters that grow from none, and jobs that wait for theirs."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator.addresses import resource_name
from waterflow_azureml.emulator.computes import CORES
from waterflow_azureml.emulator.sizes import sizes

if TYPE_CHECKING:
    from collections.abc import Generator

    from waterflow_azureml.emulator.resources import Resources
    from waterflow_azureml.emulator.runs import Run

SERVERLESS: Final = "serverless"
"""How the compute is called that is nobody's."""
USUAL_SIZE: Final = "Standard_E4s_v3"
"""The machine of serverless jobs that say none."""
_LOOK: Final = 0.2


class ComputeError(Exception):
    """A job cannot have the compute that it names.

    Args:
        code: What kind of refusal it is.
        message: What the job's author reads.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Machine:
    """What a job runs on.

    Attributes:
        target: The compute's name.
        size: Its machines' type.
        count: How many of them.
        spot: Whether they can be taken away.
        most: How many there are at most; None where there is no such bound.
        client: The client id of the compute's only identity; "" for none.
    """

    target: str
    size: str
    count: int
    spot: bool
    most: int | None
    client: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it as run history shows it."""
        return {
            "target": self.target,
            "targetType": "AmlCompute",
            "vmSize": self.size,
            "instanceCount": self.count,
            "priority": "LowPriority" if self.spot else "Dedicated",
        }


@dataclass
class _Cluster:
    busy: list[tuple[Run, int]] = field(default_factory=list["tuple[Run, int]"])
    waiting: list[Run] = field(default_factory=list["Run"])

    @property
    def count(self) -> int:
        """How many nodes run jobs."""
        return sum(count for _, count in self.busy)


class Nodes:
    """The nodes that jobs hold, by compute.

    Args:
        resources: Where the computes' documents are.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._clusters: dict[str, _Cluster] = {}
        self._changed = threading.Condition()

    def machine(self, workspace: str, compute: str, count: int, size: str, tier: str) -> Machine:
        """Return what a job is to run on.

        Args:
            workspace: The workspace's ARM id.
            compute: The compute's id or name; "" for serverless.
            count: How many nodes.
            size: The machine type that the job says; "" for none.
            tier: The job's tier.

        Raises:
            ComputeError: There is no such compute, or it has not so many nodes.
        """
        name = resource_name(compute) or SERVERLESS
        if name.lower() == SERVERLESS:
            machine = Machine(SERVERLESS, size or USUAL_SIZE, count, tier == "spot", None)
            _check_quota(machine)
            return machine
        record = self._resources.get(f"{workspace}/computes/{name}")
        if record is None:
            raise ComputeError("ComputeNotFound", f"There is no compute '{name}' in the workspace.")
        kind = str(record.properties.get("computeType", ""))
        if kind.lower() != "amlcompute":
            raise ComputeError(
                "ComputeNotSupported",
                f"Waterflow's emulator runs no jobs on computes of type {kind} ('{name}'): use a "
                "cluster (AmlCompute) or serverless.",
            )
        settings: dict[str, Any] = record.properties.get("properties") or {}
        most = int((settings.get("scaleSettings") or {}).get("maxNodeCount", 1))
        if count > most:
            raise ComputeError(
                "NodeCountExceeded",
                f"The job wants {count} nodes, and the cluster '{name}' has {most} at most: raise "
                "its maximum, or ask for fewer instances.",
            )
        spot = str(settings.get("vmPriority", "")).lower() == "lowpriority"
        identities = (record.body.get("identity") or {}).get("userAssignedIdentities") or {}
        only: dict[str, Any] = next(iter(identities.values())) if len(identities) == 1 else {}
        return Machine(
            name, str(settings.get("vmSize", "")), count, spot, most, str(only.get("clientId", ""))
        )

    @contextlib.contextmanager
    def held(self, run: Run, machine: Machine, stopping: threading.Event) -> Generator[bool]:
        """Wait for nodes in the order of asking, and hold them; say whether there are any.

        Args:
            run: Who wants them.
            machine: What is wanted.
            stopping: When set, nothing is waited for any more.
        """
        key = f"{run.workspace.lower()}/computes/{machine.target.lower()}"
        with self._changed:
            cluster = self._clusters.setdefault(key, _Cluster())
            cluster.waiting.append(run)
            while not stopping.is_set():
                room = machine.most is None or cluster.count + machine.count <= machine.most
                if room and cluster.waiting[0] is run:
                    cluster.busy.append((run, machine.count))
                    break
                self._changed.wait(_LOOK)
            cluster.waiting.remove(run)
            taken = any(one is run for one, _ in cluster.busy)
            self._changed.notify_all()
        try:
            yield taken
        finally:
            with self._changed:
                cluster.busy = [(one, count) for one, count in cluster.busy if one is not run]
                self._changed.notify_all()

    def running(self, compute: str) -> list[dict[str, Any]]:
        """Return the nodes of a compute that run jobs.

        Args:
            compute: Its ARM id.
        """
        cluster = self._clusters.get(compute.lower())
        if cluster is None:
            return []
        with self._changed:
            return [
                {
                    "nodeId": f"tvmps_{run.uuid.replace('-', '')}_{number}",
                    "privateIpAddress": f"10.0.0.{4 + number}",
                    "publicIpAddress": None,
                    "port": None,
                    "nodeState": "running",
                    "runId": run.name,
                }
                for run, count in cluster.busy
                for number in range(count)
            ]


def _check_quota(machine: Machine) -> None:
    """Refuse what needs more cores than a subscription may have.

    Raises:
        ComputeError: It does.
    """
    for name, size in sizes().items():
        if name.lower() == machine.size.lower() and size.vcpu * machine.count > CORES:
            raise ComputeError(
                "ResourceQuotaExceeded",
                f"{machine.count} nodes of {name} need {size.vcpu * machine.count} cores, and the "
                f"quota of this subscription for {size.family} is {CORES}: ask for fewer nodes or "
                "another size, or request an increase. https://aka.ms/azureml-quota",
            )
