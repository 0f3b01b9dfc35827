"""Vertex AI as an emulator's service serves it: the parts, the routes, and what stands before."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import Clock
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.service import Cloud
from waterflow_vertex.emulator import (
    accounts,
    admin,
    custom_jobs,
    endpoints,
    errors,
    lineage,
    logs,
    metadata,
    models,
    objects,
    operations,
    pipeline_jobs,
    preparing,
    refused,
    roles,
    routes,
    schedules,
    token_routes,
    uploads,
    vault,
    xml_objects,
)
from waterflow_vertex.emulator.calls import Calls
from waterflow_vertex.emulator.documents import Documents
from waterflow_vertex.emulator.entries import Logs
from waterflow_vertex.emulator.faults import RULES
from waterflow_vertex.emulator.grpc_wire import GrpcServer
from waterflow_vertex.emulator.identity import Identities
from waterflow_vertex.emulator.metadata import Keepers
from waterflow_vertex.emulator.outcomes import Operations
from waterflow_vertex.emulator.places import Projects
from waterflow_vertex.emulator.router import Router, shape_of
from waterflow_vertex.emulator.routes import Call
from waterflow_vertex.emulator.secret_data import Secrets
from waterflow_vertex.emulator.storage import Buckets
from waterflow_vertex.emulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.emulation.site import Site
    from waterflow.emulation.wire import App, Environ, Reply, Start
    from waterflow_vertex.emulator.routes import Request, Route
    from waterflow_vertex.emulator.rpcs import Service

_LOG: Final = logging.getLogger(__name__)

SERVICES: Final[tuple[Service, ...]] = tuple(
    service
    for module in (
        pipeline_jobs, custom_jobs, schedules, models, endpoints, lineage, refused, logs, vault,
        admin, operations,
    )
    for service in module.SERVICES
)  # fmt: skip
"""The services whose methods are answered, over HTTP and gRPC."""
MODULES: Final = (
    admin, accounts, roles, token_routes, metadata, objects, uploads, refused, xml_objects,
)  # fmt: skip
"""The modules whose ROUTES are answered over HTTP; the first route that fits answers."""


def every_route() -> list[Route]:
    """Return all routes, in the order in which they are tried."""
    named = [route for service in SERVICES for route in service.routes()]
    return [*named, *(route for module in MODULES for route in module.ROUTES)]


class VertexCloud(Cloud):
    """Vertex AI, and what of Google Cloud stands around it."""

    RULES: ClassVar[FaultRules] = RULES
    PATHS: ClassVar[tuple[str, ...]] = ("/gcs",)
    HOSTS: ClassVar[tuple[str, ...]] = routes.HOSTS

    def __init__(self) -> None:
        self._router = Router(every_route())
        self._world: World | None = None
        self._grpc = GrpcServer(SERVICES, lambda: self.world)

    @property
    def world(self) -> World:
        """All there is."""
        assert self._world is not None  # noqa: S101 - made before the first request
        return self._world

    def application(self) -> App:
        """Return what answers requests."""
        return self._answer

    def grpc_port(self) -> int:
        """Return the port at which gRPC is answered."""
        return self._grpc.port

    def parts(self, site: Site, endpoint: str, state: Path | None) -> Mapping[str, Any]:
        """Make the parts, in the order in which they end."""
        clock = Clock()
        folder = state or site.work.parent
        kinds = {
            **vault.KINDS, **pipeline_jobs.KINDS, **custom_jobs.KINDS, **schedules.KINDS,
            **models.KINDS, **endpoints.KINDS, **lineage.KINDS,
        }  # fmt: skip
        parts: dict[str, Any] = {"grpc": self._grpc, "keepers": Keepers()}
        self._world = World(
            site=site,
            endpoint=endpoint,
            clock=clock,
            # The key is made anew at every start: it is no part of what is kept.
            identities=Identities(site.work.parent),
            projects=Projects(),
            documents=Documents(clock, kinds),
            operations=Operations(),
            buckets=Buckets(clock, folder),
            logs=Logs(),
            secrets=Secrets(),
            calls=Calls(),
            parts=parts,
        )
        world = self._world
        parts |= {
            "schedules": schedules.PipelineScheduler(world),
            "pipelines": pipeline_jobs.Pipelines(world),
            "jobs": custom_jobs.CustomJobs(world),
            "documents": world.documents,
            "projects": world.projects,
            "operations": world.operations,
            "secrets": world.secrets,
            "buckets": world.buckets,
            # Last: jobs that end may still have something to say.
            "logs": world.logs,
        }
        return parts

    def prepare(self, wishes: str) -> Iterable[str]:
        """Make what profiles name, and a project for who names none."""
        return preparing.prepare(self.world, wishes)

    def begin(self, parts: Mapping[str, Any]) -> None:
        """Answer gRPC too, and load what the first requests need while their client gets ready."""
        del parts
        self._grpc.start()
        threading.Thread(target=pipeline_jobs.warm, daemon=True).start()

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names."""
        request = routes.read(environ, body=False)
        chosen = self._router.choose(request)
        return routes.service(request.host), chosen[0].operation if chosen else ""

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the service's words for a request that meets a fault."""
        shape = {"storage": "storage", "oauth2": "oauth"}.get(service, "json")
        return errors.rendered(errors.refused_by_fault(fault), shape)

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        request = routes.read(environ)
        try:
            reply = self._reply(request)
        except ServiceError as error:
            reply = errors.rendered(error, shape_of(request))
        except Exception as error:  # noqa: BLE001 - the client must get an answer
            # A fault of ours: said as such, so that nobody looks for it in a program.
            _LOG.exception("%s https://%s%s failed", request.method, request.host, request.path)
            text = f"Waterflow's emulator failed at this request: {type(error).__name__}: {error}"
            reply = errors.rendered(errors.Refusal("INTERNAL", text), shape_of(request))
        if request.method == "HEAD" or reply.status in (204, 304, 308):
            reply = errors.headless(reply)
        return replace(reply, headers=(*reply.headers, ("Server", "ESF"))).send(start)

    def _reply(self, request: Request) -> Reply:
        chosen = self._router.choose(request)
        if chosen is None:
            raise self._router.unknown(request)
        route, names = chosen
        world = self.world
        caller = ""
        if not route.open:
            authorization = request.headers.get("authorization")
            if authorization is None and request.argument("access_token"):
                authorization = f"Bearer {request.argument('access_token')}"
            caller = world.identities.caller(authorization)
        world.calls.note(caller, route.permission, route.operation, request.path)
        call = Call(caller, request.host)
        return route.handler(world, request, call, *names.values())
