"""The landing zone: its parts put together, and the profile that the application gets of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pulumi
import pulumi_aws as aws
from waterflow_infra import landing
from waterflow_infra.profile import Profile

from landing_zone import alarms, keys, machines, network, permissions, roles
from landing_zone.audit import Audit, AuditArgs
from landing_zone.budget import Budget, BudgetArgs
from landing_zone.component import Component
from landing_zone.images import Images, ImagesArgs
from landing_zone.logs import GROUPS, Logs, LogsArgs
from landing_zone.models import Models, ModelsArgs
from landing_zone.policies import Place
from landing_zone.schedules import Schedules, SchedulesArgs
from landing_zone.scope import Scope, schedule_group
from landing_zone.settings import Settings
from landing_zone.storage import Storage, StorageArgs
from landing_zone.tracking import Tracking, TrackingArgs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from landing_zone.policies import Statement


_SUBMITTING: Final = ("repository", "jobs", "scheduler", "key", "mlflow")
"""What the policies of those who submit name, beside the bucket."""


def build() -> None:
    """Make what the stack's settings say, and export the profile."""
    settings = landing.stack_settings(Settings)
    names = settings.names
    provider = aws.Provider(names.zone, region=settings.region)
    identity = aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=provider))
    place = Place(
        partition=identity.arn.split(":")[1],
        account=identity.account_id,
        region=settings.region,
    )
    zone = LandingZone.of_stack(settings, place, provider)
    pulumi.export("bucket", zone.storage.bucket)
    pulumi.export("repository", zone.images.url)
    pulumi.export("submitter_role", zone.submitters.arn)
    if zone.submitters.ci_arn is not None:
        pulumi.export("ci_role", zone.submitters.ci_arn)


class LandingZone(landing.LandingZone[Settings, Place]):
    """All that Waterflow needs on AWS."""

    CLOUD: ClassVar = Component.CLOUD

    def _make_parts(self) -> None:
        settings, names = self._settings, self._names
        self._path = f"/{settings.prefix}/{settings.environment}/"
        self._trail = names.of("audit") if settings.audit else None
        self._failures = f"/aws/events/{names.zone}-failures"
        self._traffic = f"/{names.zone}/traffic"
        self.key_arn = self._data_key()
        alarm_key = keys.AlarmKey(
            names.of("alarms"),
            keys.AlarmKeyArgs(place=self._place, role_path=self._path, protect=settings.protect),
            self.child(),
        )
        self.storage = self._storage()
        self.images = Images(
            names.of("images"),
            ImagesArgs(key_arn=self.key_arn, protect=settings.protect),
            self.child(),
        )
        topic = alarms.AlarmTopic(
            names.of("alarms"),
            alarms.TopicArgs(
                place=self._place, key_arn=alarm_key.arn, emails=settings.alert_emails
            ),
            self.child(),
        )
        self._boundary = self._bound(topic.arn, alarm_key.arn)
        self._network = self._private_network() if settings.private_network else None
        self.jobs_role = self._service_role(
            "jobs", "Runs Waterflow's pipelines and their jobs", "sagemaker",
            self._place.arn("sagemaker", "*"),
        )  # fmt: skip
        self.scheduler_role = self._service_role(
            "scheduler", "Starts Waterflow's pipelines by their schedules", "scheduler",
            self._place.arn(
                "scheduler", f"schedule-group/{schedule_group(settings.prefix)}"
            ),
        )  # fmt: skip
        self.mlflow = self._mlflow()
        self.jobs_role.allow(self._allowed(permissions.of_jobs, *_SUBMITTING, "subnets", "groups"))
        self.scheduler_role.allow(self._allowed(permissions.of_scheduler))
        self.submitters = self._submitters()
        self._parts(topic.arn, alarm_key.arn)

    def profile(self) -> Profile:
        """Return what the application is told of it."""
        settings = self._settings
        image = None
        if settings.image_tag is not None:
            image = pulumi.Output.concat(self.images.url, ":", settings.image_tag)
        return Profile(
            name=settings.profile_name,
            provider="sagemaker",
            settings={
                "region": settings.region,
                "role": self.jobs_role.arn,
                "bucket": self.storage.bucket,
                "prefix": settings.prefix,
                "scheduler_role": self.scheduler_role.arn,
                "kms_key": self.key_arn,
                "subnets": self._subnets if settings.private else None,
                "security_groups": self._security_groups if settings.private else None,
                "encrypt_traffic": True if settings.private else None,
                "machines": machines.types(settings.machine_families),
                "cache_days": settings.cache_days,
                "image": image,
                "python": None if image is None else settings.python,
                "tags": dict(settings.own_tags),
            },
            tracking={"uri": self.mlflow},
        )

    # --- parts ----------------------------------------------------------------------------------

    def _data_key(self) -> pulumi.Input[str] | None:
        settings = self._settings
        if settings.kms_key_arn is not None or not settings.customer_managed_keys:
            return settings.kms_key_arn
        groups = (*GROUPS, self._failures, self._traffic)
        return keys.DataKey(
            self._names.zone,
            keys.DataKeyArgs(
                place=self._place,
                role_path=self._path,
                log_groups=groups,
                trail=self._trail,
                protect=settings.protect,
            ),
            self.child(),
        ).arn

    def _storage(self) -> Storage:
        settings = self._settings
        return Storage(
            self._names.zone,
            StorageArgs(
                place=self._place,
                prefix=settings.prefix,
                key_arn=self.key_arn,
                retention_days=settings.retention_days,
                checkpoint_days=settings.checkpoint_days,
                log_retention_days=settings.log_retention_days,
                trail=self._trail,
                protect=settings.protect,
            ),
            self.child(),
        )

    def _private_network(self) -> network.Network:
        settings = self._settings
        arns = self.storage.arn.apply(
            lambda arn: [arn, *(self._place.s3(bucket) for bucket in settings.data_buckets)]
        )
        return network.Network(
            self._names.of("network"),
            network.NetworkArgs(
                place=self._place,
                cidr=settings.vpc_cidr,
                zones=settings.availability_zones,
                bucket_arns=arns,
                managed_mlflow=self._manages_mlflow
                or (settings.mlflow_uri or "").startswith("arn:"),
                log_group=self._traffic,
                log_retention_days=settings.log_retention_days,
                key_arn=self.key_arn,
                role_path=self._path,
                boundary=self._boundary,
            ),
            self.child(),
        )

    def _service_role(self, noun: str, description: str, service: str, source: str) -> roles.Role:
        return roles.service_role(
            self._names.of(noun),
            roles.ServiceRoleArgs(
                description=description,
                service=service,
                place=self._place,
                source=source,
                path=self._path,
                boundary=self._boundary,
            ),
            self.child(),
        )

    @property
    def _manages_mlflow(self) -> bool:
        return self._settings.mlflow_uri is None and self._settings.mlflow != "none"

    def _mlflow(self) -> pulumi.Input[str] | None:
        settings = self._settings
        if settings.mlflow_uri is not None or settings.mlflow == "none":
            return settings.mlflow_uri
        role = self._service_role(
            "mlflow", "Keeps the models and files of MLflow", "sagemaker",
            self._place.arn("sagemaker", "*"),
        )  # fmt: skip
        allowed = role.allow(self._allowed(permissions.of_mlflow, "key"))
        root = pulumi.Output.concat("s3://", self.storage.bucket, "/", permissions.MLFLOW_KEY)
        return Tracking(
            self._names.of("mlflow"),
            TrackingArgs(
                kind=settings.mlflow,
                name=self._names.zone,
                size=settings.mlflow_size,
                artifacts=root,
                role_arn=role.arn,
                after=[allowed],
                protect=settings.protect,
            ),
            self.child(),
        ).arn

    def _submitters(self) -> roles.Submitters:
        settings = self._settings
        return roles.Submitters(
            self._names.of("submitter"),
            roles.SubmittersArgs(
                place=self._place,
                zone=self._names.zone,
                path=self._path,
                boundary=self._boundary,
                principals=settings.submitters,
                repository=settings.ci_repository,
                subjects=settings.ci_subjects,
                provider_arn=settings.github_oidc_provider,
                people=self._allowed(permissions.of_submitter, *_SUBMITTING),
                workflows=self._allowed(permissions.of_ci, *_SUBMITTING),
            ),
            self.child(),
        )

    def _parts(self, topic: pulumi.Input[str], topic_key: pulumi.Input[str]) -> None:
        """Make what nothing else is made of."""
        settings, names = self._settings, self._names
        Models(
            names.of("models"),
            ModelsArgs(group=names.zone, protect=settings.protect),
            self.child(),
        )
        Schedules(
            names.of("schedules"),
            SchedulesArgs(group=schedule_group(settings.prefix), prefix=settings.prefix),
            self.child(),
        )
        if settings.manage_log_groups:
            Logs(
                names.of("logs"),
                LogsArgs(retention_days=settings.log_retention_days, key_arn=self.key_arn),
                self.child(),
            )
        alarms.Alarms(
            names.of("runs"),
            alarms.AlarmsArgs(
                place=self._place,
                zone=names.zone,
                prefix=settings.prefix,
                topic_arn=topic,
                topic_key_arn=topic_key,
                failing_runs=settings.failing_runs,
                stuck_hours=settings.stuck_hours,
                log_group=self._failures,
                log_retention_days=settings.log_retention_days,
                log_key_arn=self.key_arn,
                role_path=self._path,
                boundary=self._boundary,
            ),
            self.child(),
        )
        tagged = settings.budget_scope == "tagged"
        Budget(
            names.of("budget"),
            BudgetArgs(
                dollars=settings.monthly_budget,
                tag=settings.environment if tagged else None,
                topic_arn=topic,
            ),
            self.child(),
        )
        if self._trail is not None:
            Audit(
                self._trail,
                AuditArgs(
                    trail=self._trail,
                    bucket_arn=self.storage.arn,
                    records=self.storage.records.bucket,
                    # A key that is somebody else's may not know the trail.
                    key_arn=None if settings.kms_key_arn else self.key_arn,
                    after=[self.storage],
                ),
                self.child(),
            )

    # --- permissions ----------------------------------------------------------------------------

    @property
    def _subnets(self) -> pulumi.Output[list[str]]:
        if self._network is not None:
            return self._network.subnet_ids
        return pulumi.Output.from_input(list(self._settings.subnet_ids))

    @property
    def _security_groups(self) -> pulumi.Output[list[str]]:
        if self._network is not None:
            return self._network.security_group_ids
        return pulumi.Output.from_input(list(self._settings.security_group_ids))

    def _allowed(
        self, statements: Callable[[Scope], list[Statement]], *named: str
    ) -> pulumi.Output[Sequence[Statement]]:
        """Return what a role may do.

        Args:
            statements: Says it of what there is.
            named: What of it they name. Of the rest they are not told, so that a preview shows no
                change in a policy where only something else is not known yet.
        """
        parts: dict[str, Callable[[], Any]] = {
            "bucket": lambda: self.storage.bucket,
            "repository": lambda: self.images.arn,
            "jobs": lambda: self.jobs_role.arn,
            "scheduler": lambda: self.scheduler_role.arn,
            "key": lambda: self.key_arn,
            "mlflow": lambda: self.mlflow,
            "subnets": lambda: self._subnets,
            "groups": lambda: self._security_groups,
        }

        def allowed(known: dict[str, Any]) -> list[Statement]:
            uri = known.get("mlflow")
            return statements(
                Scope(
                    place=self._place,
                    settings=self._settings,
                    bucket=known.get("bucket", ""),
                    repository_arn=known.get("repository", ""),
                    jobs_role_arn=known.get("jobs", ""),
                    scheduler_role_arn=known.get("scheduler", ""),
                    key_arn=known.get("key"),
                    mlflow_arn=uri if uri is not None and uri.startswith("arn:") else None,
                    own_mlflow=self._manages_mlflow,
                    subnets=tuple(known.get("subnets", ())),
                    security_groups=tuple(known.get("groups", ())),
                )
            )

        return pulumi.Output.all(**{name: parts[name]() for name in ("bucket", *named)}).apply(
            allowed
        )

    def _bound(
        self, topic: pulumi.Output[str], topic_key: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        """Return the ARN of the bound of all roles.

        It is there before any of them, and before what they make, so that it knows these by the
        patterns of their names.
        """
        settings, place, zone = self._settings, self._place, self._names.zone
        mlflow = {
            "app": place.arn("sagemaker", "mlflow-app/*"),
            "server": place.arn("sagemaker", f"mlflow-tracking-server/{zone}"),
            "none": None,
        }[settings.mlflow]

        def statements(known: dict[str, Any]) -> list[Statement]:
            scope = Scope(
                place=place,
                settings=settings,
                bucket=known["bucket"],
                repository_arn=known["repository"],
                jobs_role_arn=place.role(f"{self._path.strip('/')}/*"),
                scheduler_role_arn=place.role(f"{self._path.strip('/')}/*"),
                key_arn=known["key"],
                mlflow_arn=settings.mlflow_uri
                if settings.mlflow_uri is None or settings.mlflow_uri.startswith("arn:")
                else None,
                own_mlflow=self._manages_mlflow,
                subnets=("*",) if settings.private else (),
                security_groups=("*",) if settings.private else (),
            )
            if self._manages_mlflow:
                scope = replace(scope, mlflow_arn=mlflow)
            watch = alarms.watch_statements(
                place, settings.prefix, known["topic"], known["topic_key"]
            )
            start = alarms.start_statements(place.arn("states", f"stateMachine:{zone}-*"))
            traffic = network.flow_log_statements(place, self._traffic)
            return permissions.boundary(
                place,
                [
                    permissions.of_jobs(scope),
                    permissions.of_ci(scope),
                    permissions.of_scheduler(scope),
                    *([permissions.of_mlflow(scope)] if self._manages_mlflow else []),
                    watch,
                    start,
                    *([traffic] if settings.private_network else []),
                ],
            )

        known = pulumi.Output.all(
            bucket=self.storage.bucket,
            repository=self.images.arn,
            key=self.key_arn,
            topic=topic,
            topic_key=topic_key,
        )
        return roles.Boundary(
            self._names.of("boundary"),
            roles.BoundaryArgs(path=self._path, statements=known.apply(statements)),
            self.child(),
        ).arn
