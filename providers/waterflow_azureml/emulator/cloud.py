"""Azure ML as an emulator's service serves it: the parts, the routes, and what stands before."""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import Clock
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.service import Cloud
from waterflow_azureml.emulator import (
    access,
    around,
    artifacts,
    assets,
    blobs,
    computes,
    containers,
    datastores,
    endpoints,
    errors,
    history,
    identity,
    job_routes,
    lake,
    mlflow_routes,
    models,
    operation_routes,
    preparing,
    refused,
    routes,
    schedules,
    vault_routes,
    workspace_routes,
)
from waterflow_azureml.emulator.faults import RULES
from waterflow_azureml.emulator.identity import Identities
from waterflow_azureml.emulator.jobs import Jobs
from waterflow_azureml.emulator.operations import Operations
from waterflow_azureml.emulator.resources import Resources
from waterflow_azureml.emulator.router import Router
from waterflow_azureml.emulator.schedules import JobScheduler
from waterflow_azureml.emulator.storage import Blobs
from waterflow_azureml.emulator.tracking import Tracking
from waterflow_azureml.emulator.variables import ROOT
from waterflow_azureml.emulator.vaults import Vaults
from waterflow_azureml.emulator.workspaces import Workspaces
from waterflow_azureml.emulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.emulation.site import Site
    from waterflow.emulation.wire import App, Environ, Reply, Start

_LOG: Final = logging.getLogger(__name__)

MODULES: Final = (
    workspace_routes, datastores, assets, computes, endpoints, operation_routes, containers, blobs,
    lake, vault_routes, around, access, artifacts, mlflow_routes, job_routes, history, schedules,
    identity, refused,
)  # fmt: skip
"""The modules whose ROUTES are answered; the first route that fits answers."""


class AzureCloud(Cloud):
    """Azure ML, and what of Azure stands around it."""

    RULES: ClassVar[FaultRules] = RULES
    PATHS: ClassVar[tuple[str, ...]] = (ROOT,)
    HOSTS: ClassVar[tuple[str, ...]] = (
        routes.MANAGEMENT, routes.LOGIN, routes.BLOB, routes.DFS, routes.VAULT, routes.API,
        routes.INFERENCE,
    )  # fmt: skip

    def __init__(self) -> None:
        self._router = Router(route for module in MODULES for route in module.ROUTES)
        self._world: World | None = None

    @property
    def world(self) -> World:
        """All there is."""
        assert self._world is not None  # noqa: S101 - made before the first request
        return self._world

    def application(self) -> App:
        """Return what answers requests."""
        return self._answer

    def parts(self, site: Site, endpoint: str, state: Path | None) -> Mapping[str, Any]:
        """Make the parts, in the order in which they end."""
        clock = Clock()
        resources = Resources(clock)
        storage = Blobs(clock, (state or site.work.parent) / "blobs")
        operations, vaults = Operations(resources), Vaults(clock)
        tracking = Tracking((state or site.work.parent) / "mlflow")
        parts: dict[str, Any] = {"identities": Identities()}
        self._world = World(
            site=site,
            endpoint=endpoint,
            clock=clock,
            resources=resources,
            workspaces=Workspaces(resources, storage, vaults),
            blobs=storage,
            operations=operations,
            parts=parts,
        )
        parts |= {
            "schedules": JobScheduler(self._world),
            "jobs": Jobs(self._world, tracking),
            "resources": resources,
            "operations": operations,
            "vaults": vaults,
            "blobs": storage,
            # Last: jobs that end may still have something to say.
            "mlflow": tracking,
        }
        return parts

    def prepare(self, wishes: str) -> Iterable[str]:
        """Make the workspaces that profiles name, and one for who names none."""
        return preparing.prepare(self.world, wishes)

    def begin(self, parts: Mapping[str, Any]) -> None:
        """Load what the first requests need while their client gets ready."""
        del parts
        threading.Thread(target=models.models, daemon=True).start()

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names."""
        request = routes.read(environ, body=False)
        chosen = self._router.choose(request)
        return routes.service_of(environ), chosen[0].operation if chosen else ""

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the service's words for a request that meets a fault."""
        return errors.rendered(errors.faulty(service, fault), service)

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        request, service = routes.read(environ), routes.service_of(environ)
        try:
            if not self._router.open(request):
                identity.check(request, service)
            reply = self._router.answer(self.world, request)
        except ServiceError as error:
            reply = errors.rendered(error, service)
        except Exception as error:  # noqa: BLE001 - the client must get an answer
            # A fault of ours: said as such, so that nobody looks for it in a program.
            _LOG.exception("%s %s failed", request.method, request.url)
            text = f"Waterflow's emulator failed at this request: {type(error).__name__}: {error}"
            reply = errors.rendered(errors.Refusal(500, "InternalServerError", text), service)
        if request.method == "HEAD":
            reply = errors.headless(reply)
        number = ("x-ms-request-id", str(uuid.uuid4()))
        return replace(reply, headers=(*reply.headers, number)).send(start)
