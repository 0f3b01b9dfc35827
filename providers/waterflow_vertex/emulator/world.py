"""What all routes and jobs of the emulated cloud share: the machine's site, and the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock
    from waterflow.emulation.site import Site
    from waterflow_vertex.emulator.calls import Calls
    from waterflow_vertex.emulator.documents import Documents
    from waterflow_vertex.emulator.entries import Logs
    from waterflow_vertex.emulator.identity import Identities
    from waterflow_vertex.emulator.outcomes import Operations
    from waterflow_vertex.emulator.places import Projects
    from waterflow_vertex.emulator.secret_data import Secrets
    from waterflow_vertex.emulator.storage import Buckets


@dataclass(kw_only=True)
class World:
    """What all routes and jobs of the emulated cloud share.

    Attributes:
        site: What all jobs share on this machine, the faults among it.
        endpoint: Where the service answers on loopback, without TLS.
        clock: The time.
        identities: Who asks.
        projects: The projects.
        documents: The resources that are documents.
        operations: What takes the cloud a while.
        buckets: Cloud Storage.
        logs: Cloud Logging.
        secrets: Secret Manager.
        calls: The record of calls.
        parts: The parts by name, for those that name each other: `pipelines`, `jobs`.
    """

    site: Site
    endpoint: str
    clock: Clock
    identities: Identities
    projects: Projects
    documents: Documents
    operations: Operations
    buckets: Buckets
    logs: Logs
    secrets: Secrets
    calls: Calls
    parts: dict[str, Any]

    @property
    def jobs(self) -> Any:
        """The custom jobs."""
        return self.parts["jobs"]

    @property
    def pipelines(self) -> Any:
        """The pipeline jobs."""
        return self.parts["pipelines"]
