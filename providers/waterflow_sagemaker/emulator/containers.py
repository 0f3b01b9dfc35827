"""SageMaker's containers: what they run, where their files are, what they know of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.cluster import Cluster, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from waterflow_sagemaker.emulator.world import World

ML: Final = "/opt/ml"
"""Where every SageMaker container finds its files."""

_GROUP: Final = "homogeneousCluster"


class Containers(Cluster):
    """The containers of one attempt of a job.

    Args:
        world: What all jobs share.
        folder: A new folder for them.
        command: The program and its arguments.
        environment: Variables of the job's own.
        image: The image.
        machine: The machine type that the job wants, and how many.
        role: The ARN of the job's role.
        isolated: Whether they are cut off from the network.

    Raises:
        JobError: This machine cannot run them.
    """

    def __init__(
        self,
        world: World,
        folder: Path,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        image: str,
        machine: tuple[str, int],
        role: str,
        isolated: bool,
    ) -> None:
        self._type, instances = machine
        endpoint: dict[str, str] = {}
        if not isolated:
            # The job is its role.
            key = {"AWS_ACCESS_KEY_ID": world.identities.key(role)}
            endpoint = {**world.endpoint, **key}
        endpoint.pop("AWS_DEFAULT_REGION", None)  # SageMaker sets none in its containers
        workload = Workload(
            command=command,
            environment={"AWS_REGION": world.region, **endpoint, **environment},
            image=image,
            hosts=[f"algo-{number}" for number in range(1, instances + 1)],
            mounts={ML: None},
            network=not isolated,
        )
        super().__init__(world, workload, folder)

    def ml(self, host: str, inside: str) -> Path:
        """Return where a path under /opt/ml is on this machine.

        Args:
            host: The container's host.
            inside: The path, absolute or relative to /opt/ml.
        """
        return self.path(host, inside if inside.startswith(f"{ML}/") else f"{ML}/{inside}")

    def resources(self, host: str) -> dict[str, Any]:
        """Return what resourceconfig.json says to a container."""
        hosts = list(self.hosts)
        group = {
            "instance_group_name": _GROUP,
            "instance_type": self._type,
            "hosts": hosts,
        }
        return {
            "current_host": host,
            "current_instance_type": self._type,
            "current_group_name": _GROUP,
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": self.interface,
        }
