"""The landing zone: its parts put together, and the profile that the application gets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pulumi
import pulumi_gcp as gcp
from pulumi_gcp import logging, organizations, projects, storage
from waterflow_infra import alarms as texts
from waterflow_infra import landing
from waterflow_infra.profile import Profile

from landing_zone import machines, permissions, services
from landing_zone.accounts import (
    Account,
    AccountArgs,
    Federation,
    FederationArgs,
    Grants,
    GrantsArgs,
    Holder,
    Resources,
    people,
)
from landing_zone.alarms import Alarms, AlarmsArgs
from landing_zone.budget import Budget, BudgetArgs
from landing_zone.component import Component
from landing_zone.images import Images, ImagesArgs
from landing_zone.keys import Keys, KeysArgs
from landing_zone.network import Network, NetworkArgs
from landing_zone.place import Place
from landing_zone.secrets import Secrets, SecretsArgs
from landing_zone.settings import Settings
from landing_zone.storage import Storage, StorageArgs
from landing_zone.tracking import Tracking, TrackingArgs

if TYPE_CHECKING:
    from collections.abc import Sequence

_READER: Final = "roles/storage.objectViewer"
"""Of other buckets."""
_AUDITED: Final = ("storage.googleapis.com", "secretmanager.googleapis.com")
_READ_AND_WRITTEN: Final = ("DATA_READ", "DATA_WRITE")


def build() -> None:
    """Make what the stack's settings say, and export the profile."""
    settings = landing.stack_settings(Settings)
    provider = gcp.Provider(settings.names.zone, project=settings.project, region=settings.region)
    project = organizations.get_project(
        project_id=settings.project, opts=pulumi.InvokeOptions(provider=provider)
    )
    place = Place(project=settings.project, number=project.number, region=settings.region)
    zone = LandingZone.of_stack(settings, place, provider)
    pulumi.export("bucket", zone.storage.name)
    pulumi.export("registry", zone.images.address)
    pulumi.export("service_account", zone.jobs.email)
    pulumi.export("topic", zone.alarms.topic)
    if zone.federation is not None and zone.ci is not None:
        pulumi.export("ci_provider", zone.federation.provider)
        pulumi.export("ci_service_account", zone.ci.email)


class LandingZone(landing.LandingZone[Settings, Place]):
    """All that Waterflow needs on Google Cloud."""

    CLOUD: ClassVar = Component.CLOUD

    def _make_parts(self) -> None:
        settings, names, place = self._settings, self._names, self._place
        self._services = services.Services(
            names.of("services"),
            services.ServicesArgs(place=place, names=self._service_names()),
            self.child(),
        )
        self._keys = self._key()
        key = None if self._keys is None else self._keys.id
        self.storage = Storage(
            names.of("data"),
            StorageArgs(
                place=place,
                prefix=settings.prefix,
                key=key,
                retention_days=settings.retention_days,
                checkpoint_days=settings.checkpoint_days,
                protect=settings.protect,
            ),
            self._within(),
        )
        self.images = Images(
            names.of("images"),
            ImagesArgs(place=place, repository=names.zone, key=key, protect=settings.protect),
            self._within(),
        )
        self.secrets = Secrets(
            names.of("secrets"),
            SecretsArgs(place=place, names=settings.secrets, key=key, protect=settings.protect),
            self._within(),
        )
        self.jobs = self._account("jobs", "Jobs of Waterflow's pipelines")
        self.submitter = self._account("submit", "What submits Waterflow's pipelines")
        self.scheduler = self._account("schedule", "What keeps schedules of Waterflow's pipelines")
        self.network = self._network()
        self.alarms = Alarms(
            names.of("runs"),
            AlarmsArgs(
                place=place,
                zone=names.zone,
                key=key,
                emails=settings.alert_emails,
                failing_runs=settings.failing_runs,
                stuck_hours=settings.stuck_hours,
            ),
            self._within(),
        )
        self.ci, self.federation = self._workflows()
        self.tracking = self._tracking(key)
        self._permit()
        self._keep()

    def profile(self) -> Profile:
        """Return what the application is told of it."""
        settings, place = self._settings, self._place
        image = None
        if settings.image_tag is not None:
            image = pulumi.Output.concat(
                self.images.address, f"/{settings.prefix}:{settings.image_tag}"
            )
        network = None
        if self.network is not None:
            # Vertex AI wants the project's number there.
            network = pulumi.Output.concat(
                f"projects/{place.number}/global/networks/", self.network.name
            )
        return Profile(
            name=settings.profile_name,
            provider="vertex",
            settings={
                "project": place.project,
                "region": place.region,
                "bucket": self.storage.name,
                "prefix": settings.prefix,
                "service_account": self.jobs.email,
                "network": network,
                "kms_key": None if self._keys is None else self._keys.id,
                "machines": machines.types(settings.machine_families),
                "image": image,
                "python": None if image is None else settings.python,
                "tags": dict(settings.own_tags),
            },
            tracking={"uri": settings.mlflow_uri if self.tracking is None else self.tracking.uri},
        )

    # --- parts ----------------------------------------------------------------------------------

    def _service_names(self) -> tuple[str, ...]:
        settings = self._settings
        return tuple(
            sorted(
                {
                    *services.ALWAYS,
                    *(services.KEYS if settings.cmek else ()),
                    *(services.TRACKING if settings.mlflow == "cloudrun" else ()),
                    *(services.NETWORK if settings.private_network else ()),
                    *(services.BUDGET if settings.billing_account is not None else ()),
                }
            )
        )

    def _within(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a part that needs services, and the key's grants."""
        keys = [] if self._keys is None else self._keys.after
        return self.child(depends_on=[*self._services.all, *keys], **options)

    def _key(self) -> Keys | None:
        settings = self._settings
        if not settings.cmek:
            return None
        agents = ["aiplatform", "artifactregistry", "pubsub", "secretmanager", "storage"]
        if settings.mlflow == "cloudrun":
            agents.append("sqladmin")
        return Keys(
            self._names.of("data"),
            KeysArgs(place=self._place, services=tuple(agents), protect=settings.protect),
            self.child(depends_on=self._services.all),
        )

    def _account(self, noun: str, title: str) -> Account:
        return Account(
            self._names.of(noun),
            AccountArgs(place=self._place, account=self._names.of(noun), title=title),
            self.child(depends_on=self._services.all),
        )

    def _network(self) -> Network | None:
        settings = self._settings
        if not settings.private_network:
            return None
        return Network(
            self._names.of("network"),
            NetworkArgs(
                place=self._place, cidr=settings.vpc_cidr, endpoint=settings.services_address
            ),
            self._within(),
        )

    def _workflows(self) -> tuple[Account | None, Federation | None]:
        settings, names = self._settings, self._names
        if settings.ci_repository is None:
            return None, None
        account = self._account("ci", "Workflows that submit Waterflow's pipelines")
        federation = Federation(
            names.of("github"),
            FederationArgs(
                place=self._place,
                pool=names.of("github"),
                repository=settings.ci_repository,
                subjects=settings.ci_subjects,
                account=account.id,
            ),
            self.child(depends_on=self._services.all),
        )
        return account, federation

    def _tracking(self, key: pulumi.Input[str] | None) -> Tracking | None:
        settings, names = self._settings, self._names
        if settings.mlflow == "none":
            return None
        account = self._account("mlflow", "MLflow")
        watcher = self._account("watch", "What looks whether MLflow answers")
        grants = self._grants("mlflow", permissions.OF_TRACKING, [account.holder])
        tracking = Tracking(
            names.of("mlflow"),
            TrackingArgs(
                place=self._place,
                image=pulumi.Output.concat(self.images.address, f"/{settings.mlflow_image}"),
                account=account,
                watcher=watcher,
                artifacts=pulumi.Output.concat(
                    "gs://", self.storage.name, f"/{settings.prefix}/mlflow"
                ),
                tier=settings.mlflow_tier,
                key=key,
                network=self.network,
                after=[grants],
                protect=settings.protect,
            ),
            self._within(),
        )
        self.alarms.rule(
            "unwatched",
            f"{names.zone}: MLflow does not answer, so runs are not tracked. Look at its logs: "
            "gcloud run services logs read. What was not sent is kept: waterflow sync; "
            + texts.NEXT,
            {
                "display_name": "unwatched",
                "condition_matched_log": {
                    "filter": 'resource.type="cloud_scheduler_job" AND severity>=ERROR AND '
                    f'resource.labels.job_id:"{names.of("mlflow")}"'
                },
            },
            severity="ERROR",
            often="3600s",
        )
        return tracking

    def _keep(self) -> None:
        """Say how long logs are kept, who is recorded, and what a month may cost."""
        settings, names, place = self._settings, self._names, self._place
        logging.ProjectBucketConfig(
            names.of("logs"),
            project=place.project,
            location="global",
            bucket_id="_Default",
            retention_days=settings.log_retention_days,
            opts=self._within(),
        )
        if settings.audit:
            for service in _AUDITED:
                projects.IAMAuditConfig(
                    f"{names.of('audit')}-{service.partition('.')[0]}",
                    project=place.project,
                    service=service,
                    audit_log_configs=[{"log_type": kind} for kind in _READ_AND_WRITTEN],
                    opts=self._within(),
                )
        if settings.billing_account is not None:
            Budget(
                names.of("budget"),
                BudgetArgs(
                    place=place,
                    account=settings.billing_account,
                    amount=settings.monthly_budget,
                    topic=self.alarms.topic,
                    channels=self.alarms.channels,
                ),
                self._within(),
            )

    # --- permissions ----------------------------------------------------------------------------

    def _grants(
        self, noun: str, parts: Sequence[permissions.Permission], holders: Sequence[Holder]
    ) -> Grants:
        tracking = getattr(self, "tracking", None)
        return Grants(
            noun,
            GrantsArgs(
                place=self._place,
                zone=self._names.zone.replace("-", "_"),
                permissions=parts,
                holders=holders,
                resources=Resources(
                    bucket=self.storage.name,
                    account=self.jobs.id,
                    secrets=self.secrets.ids,
                    registry=self.images.name,
                    tracking=None if tracking is None else tracking.name,
                ),
            ),
            self._within(),
        )

    def _permit(self) -> None:
        """Say who may do what, on the resources that it is about and no others."""
        settings = self._settings
        submitting = [self.submitter.holder, *people(settings.submitters)]
        scheduling = [
            self.scheduler.holder,
            *people(settings.schedulers or settings.submitters),
        ]
        if self.ci is not None:
            submitting.append(self.ci.holder)
            scheduling.append(self.ci.holder)
            self._grants("ci", permissions.OF_CI, [self.ci.holder])
        self._grants("jobs", permissions.OF_JOBS, [self.jobs.holder])
        self._grants("submitters", permissions.OF_SUBMITTERS, submitting)
        self._grants("schedulers", permissions.OF_SCHEDULERS, scheduling)
        for holder in (self.jobs.holder, *submitting):
            for bucket in settings.data_buckets:
                storage.BucketIAMMember(
                    f"{holder.name}-reader-{bucket}",
                    bucket=bucket,
                    role=_READER,
                    member=holder.member,
                    opts=self._within(),
                )
