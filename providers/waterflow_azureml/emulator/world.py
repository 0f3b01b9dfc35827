"""What all routes and jobs of the emulated cloud share: the machine's site, and the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock
    from waterflow.emulation.site import Site
    from waterflow_azureml.emulator.operations import Operations
    from waterflow_azureml.emulator.resources import Resources
    from waterflow_azureml.emulator.storage import Blobs
    from waterflow_azureml.emulator.workspaces import Workspaces


@dataclass(kw_only=True)
class World:
    """What all routes and jobs of the emulated cloud share.

    Attributes:
        site: What all jobs share on this machine, the faults among it.
        endpoint: Where the service answers on loopback, without TLS.
        clock: The time.
        resources: The documents of Azure Resource Manager.
        workspaces: The workspaces.
        blobs: The storage accounts.
        operations: What takes the cloud a while.
        parts: The parts by name, for those that name each other: `jobs`, `vaults`, `mlflow`.
    """

    site: Site
    endpoint: str
    clock: Clock
    resources: Resources
    workspaces: Workspaces
    blobs: Blobs
    operations: Operations
    parts: dict[str, Any]

    @property
    def jobs(self) -> Any:
        """The jobs."""
        return self.parts["jobs"]
