"""SageMaker as an emulator's service serves it: our SageMaker, and moto for all around it."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.emulation.clock import Clock
from waterflow.emulation.service import Cloud
from waterflow_sagemaker.emulator import environment, wire
from waterflow_sagemaker.emulator.containers import ML
from waterflow_sagemaker.emulator.faults import RULES
from waterflow_sagemaker.emulator.gateway import Gateway
from waterflow_sagemaker.emulator.identity import Identities
from waterflow_sagemaker.emulator.regions import Region, Regions
from waterflow_sagemaker.emulator.services import INTERNAL
from waterflow_sagemaker.emulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from werkzeug.serving import WSGIRequestHandler

    from waterflow.emulation.faults import FaultRules
    from waterflow.emulation.site import Site
    from waterflow.emulation.wire import App, Environ, Reply

RETRY_SCALE = "WATERFLOW_EMULATOR_RETRY_SCALE"
"""The variable that says what the waits of retry policies are multiplied with.

0.01 when it is not set: the service's waits are for machines to come free, and here none will.
"""


class SageMakerCloud(Cloud):
    """SageMaker, and what of AWS stands around it."""

    RULES: ClassVar[FaultRules] = RULES
    PATHS: ClassVar[tuple[str, ...]] = (ML,)
    STATE_VERSION: ClassVar[int] = 2
    HOSTS: ClassVar[tuple[str, ...]] = (
        "*.amazonaws.com", "*.amazonaws.com.cn", "*.api.aws", "*.amazonaws.eu",
    )  # fmt: skip

    def __init__(self) -> None:
        _settle_moto()
        self._gateway: Gateway | None = None
        self._identities = Identities()

    def application(self) -> App:
        """Return moto's application, behind what it lacks."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        moto: Any = DomainDispatcherApplication(create_backend_app)
        # It lists its own folder anew for each request.
        moto.get_backend_for_host = cache(moto.get_backend_for_host)
        self._gateway = Gateway(moto)
        return self._gateway

    def handler(self) -> type[WSGIRequestHandler]:
        """Return what reads requests as moto wants them."""
        from moto.moto_server.werkzeug_app import MotoRequestHandler

        class Handler(MotoRequestHandler):
            # Replies are small and come at once: waiting to fill a packet costs 40 ms each.
            disable_nagle_algorithm = True

        return Handler

    def parts(self, site: Site, endpoint: str, state: Path | None) -> Mapping[str, Any]:
        """Make moto's kept services and our own parts.

        The parts of SageMaker itself are made for each region.
        """
        from waterflow_sagemaker.emulator.calls import Calls
        from waterflow_sagemaker.emulator.endpoints import Endpoints
        from waterflow_sagemaker.emulator.experiments import Experiments
        from waterflow_sagemaker.emulator.jobs import Jobs
        from waterflow_sagemaker.emulator.keeping import Buckets, ScheduleGroups, Streams
        from waterflow_sagemaker.emulator.pipelines import Pipelines
        from waterflow_sagemaker.emulator.registry import ModelRegistry
        from waterflow_sagemaker.emulator.schedules import PipelineScheduler
        from waterflow_sagemaker.emulator.services import Services

        calls = Calls(self._identities)
        assert self._gateway is not None  # noqa: S101 - made before
        self._gateway.record = calls.request
        clock, scale = Clock(), float(os.environ.get(RETRY_SCALE, "0.01"))

        def region(name: str) -> Region:
            objects = calls.objects(name)
            world = World(
                region=name,
                endpoint=environment.variables(endpoint, name),
                objects=objects,
                logs=calls.logs(name),
                identities=self._identities,
                calls=calls,
                **vars(site),
            )
            jobs = Jobs(world)
            return Region(
                pipelines=Pipelines(jobs, Services(endpoint, name), objects, clock, name, scale),
                endpoints=Endpoints(clock, name),
                registry=ModelRegistry(clock, name),
                experiments=Experiments(clock, name),
                jobs=jobs,
            )

        regions = Regions(region)
        kept = {"buckets": Buckets(state / "objects")} if state else {}
        # Schedules fire by what a part of ours knows of them, so they are there before it.
        return {
            **kept,
            "logs": Streams(),
            "scheduler": ScheduleGroups(),
            "schedules": PipelineScheduler(lambda name: regions[name].pipelines, clock, calls),
            "regions": regions,
            "identities": self._identities,
        }

    def prepare(self, wishes: str) -> Iterable[str]:
        """Make what profiles name."""
        from waterflow_sagemaker.emulator.preparing import prepare

        return prepare(wishes, self._identities)

    def begin(self, parts: Mapping[str, Any]) -> None:
        """Put our operations in the place of moto's."""
        from waterflow_sagemaker.emulator.bucket_policies import judge_conditions
        from waterflow_sagemaker.emulator.log_filtering import LogEvents
        from waterflow_sagemaker.emulator.moto_services import extend
        from waterflow_sagemaker.emulator.responses import serve
        from waterflow_sagemaker.emulator.simulation import Simulator

        regions: Regions = parts["regions"]
        serve(regions)
        extend("iam", [Simulator()])
        extend("sts", [parts["identities"]])
        extend("logs", [LogEvents()])
        judge_conditions()
        _mend_moto()
        assert self._gateway is not None  # noqa: S101 - made before
        check = parts["schedules"].check
        self._gateway.checks = {
            ("scheduler", name): check for name in ("CreateSchedule", "UpdateSchedule")
        }
        self._gateway.endpoints = lambda region, name: regions[region].endpoints.has(name)
        threading.Thread(target=_warm, daemon=True).start()

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names."""
        return wire.identify(environ)

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the service's words for a request that meets a fault."""
        return wire.fault_reply(service, fault)

    def internal(self, environ: Environ) -> bool:
        """Return whether a request is one of the engine's own."""
        return INTERNAL in environ.get("HTTP_USER_AGENT", "")


def _warm() -> None:
    """Load what the first requests need while their client gets ready."""
    from moto.core.utils import get_service_model

    from waterflow_sagemaker.checks import request_errors

    get_service_model("sagemaker")
    request_errors("CreateTrainingJob", {})


def _mend_moto() -> None:
    """Let the mark of a deletion be deleted, as every version can be: moto fails at it.

    And let AWS's managed policies be read when they are asked for: moto reads all of them for
    each of the cloud's partitions to answer any first request, half a second of work.
    """
    from moto.iam.models import IAMBackend
    from moto.s3.models import FakeDeleteMarker

    from waterflow_sagemaker.emulator.managed_policies import LazyList, LazyMapping

    def nothing(_: FakeDeleteMarker) -> None:
        """Give up the bytes that it has: none."""

    read: Any = getattr(IAMBackend, "_init_aws_policies")  # noqa: B009 - one of its own

    def policies(backend: IAMBackend) -> LazyList:
        return LazyList(lambda: read(backend))

    def by_arn(backend: IAMBackend) -> LazyMapping:
        return LazyMapping(lambda: {one.arn: one for one in backend.aws_managed_policies})

    setattr(FakeDeleteMarker, "dispose", nothing)  # noqa: B010 - called as its method
    setattr(IAMBackend, "_init_aws_policies", policies)  # noqa: B010
    setattr(IAMBackend, "_init_managed_policies", by_arn)  # noqa: B010


def _settle_moto() -> None:
    """Set what moto reads from the environment, before it is imported."""
    os.environ["MOTO_ENABLE_ISO_REGIONS"] = "false"
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # moto and the engine's own clients must not meet the user's cloud
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
