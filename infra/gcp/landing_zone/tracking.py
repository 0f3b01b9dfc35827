"""MLflow on Cloud Run with Cloud SQL: IAM knows who comes in, and lets the server to its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_gcp import cloudrunv2, cloudscheduler, sql

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.accounts import Account
    from landing_zone.network import Network
    from landing_zone.place import Place

_PORT: Final = 8080
_DATABASE: Final = "mlflow"
_PROXY: Final = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0"
"""https://github.com/GoogleCloudPlatform/cloud-sql-proxy"""


@dataclass(frozen=True, kw_only=True)
class TrackingArgs:
    """What MLflow is made of.

    Attributes:
        place: Where it is.
        image: MLflow's image, with psycopg2 and google-cloud-storage in it.
        account: The account that it runs as.
        watcher: The account that looks whether it is there.
        artifacts: Where artifacts are kept, as a `gs://` address.
        tier: The database's machine.
        key: The key that the database is encrypted by; None for Google's own.
        network: The network of the database; None for one that IAM alone opens.
        after: What has to be before it runs.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    image: pulumi.Input[str]
    account: Account
    watcher: Account
    artifacts: pulumi.Input[str]
    tier: str
    key: pulumi.Input[str] | None
    network: Network | None
    after: Sequence[pulumi.Resource]
    protect: bool


class Tracking(Component[TrackingArgs]):
    """MLflow: the proxy beside it logs into the database by IAM, so that there is no password."""

    def _make(self, name: str, args: TrackingArgs) -> None:
        self._args = args
        place = args.place
        instance = self._instance(name)
        database = sql.Database(
            name, project=place.project, instance=instance.name, name=_DATABASE, opts=self.child()
        )
        # Of a service account Postgres has the address without its end.
        user = sql.User(
            name,
            project=place.project,
            instance=instance.name,
            name=args.account.email.apply(lambda mail: mail.removesuffix(".gserviceaccount.com")),
            type="CLOUD_IAM_SERVICE_ACCOUNT",
            database_roles=["cloudsqlsuperuser"],
            opts=self.child(),
        )
        service = cloudrunv2.Service(
            name,
            project=place.project,
            location=place.region,
            # Private jobs come by the endpoint, people by IAM: neither comes without a token.
            ingress="INGRESS_TRAFFIC_ALL",
            invoker_iam_disabled=False,
            deletion_protection=args.protect,
            template=self._template(instance, user),
            opts=self.child(depends_on=[database, *args.after]),
        )
        self.name, self.uri = service.name, service.uri
        cloudrunv2.ServiceIamMember(
            f"{name}-watcher",
            project=place.project,
            location=place.region,
            name=service.name,
            role="roles/run.invoker",
            member=args.watcher.holder.member,
            opts=self.child(),
        )
        cloudscheduler.Job(
            f"{name}-watch",
            project=place.project,
            region=place.region,
            description="Looks whether MLflow answers: an error in its log is an alarm",
            schedule="*/15 * * * *",
            time_zone="Etc/UTC",
            attempt_deadline="60s",
            retry_config={"retry_count": 2},
            http_target={
                "http_method": "GET",
                "uri": pulumi.Output.concat(service.uri, "/health"),
                "oidc_token": {
                    "service_account_email": args.watcher.email,
                    "audience": service.uri,
                },
            },
            opts=self.child(),
        )
        self.register_outputs({"uri": self.uri})

    def _instance(self, name: str) -> sql.DatabaseInstance:
        args = self._args
        network = args.network
        return sql.DatabaseInstance(
            name,
            project=args.place.project,
            region=args.place.region,
            database_version="POSTGRES_16",
            encryption_key_name=args.key,
            deletion_protection=args.protect,
            settings={
                "tier": args.tier,
                "edition": "ENTERPRISE",
                "availability_type": "REGIONAL" if args.protect else "ZONAL",
                "disk_autoresize": True,
                "deletion_protection_enabled": args.protect,
                "backup_configuration": {
                    "enabled": True,
                    "point_in_time_recovery_enabled": args.protect,
                },
                "database_flags": [{"name": "cloudsql.iam_authentication", "value": "on"}],
                "ip_configuration": {
                    "ssl_mode": "ENCRYPTED_ONLY",
                    "ipv4_enabled": network is None,
                    "private_network": None if network is None else network.id,
                },
            },
            opts=self.child(
                protect=args.protect, depends_on=[] if network is None else network.after
            ),
        )

    def _template(
        self, instance: sql.DatabaseInstance, user: sql.User
    ) -> cloudrunv2.ServiceTemplateArgsDict:
        args = self._args
        network = args.network
        store = user.name.apply(
            lambda login: f"postgresql://{login.replace('@', '%40')}@127.0.0.1:5432/{_DATABASE}"
        )
        proxy = ["--auto-iam-authn", "--port=5432", "--health-check", "--http-address=0.0.0.0"]
        if network is not None:
            proxy.append("--private-ip")
        template: cloudrunv2.ServiceTemplateArgsDict = {
            "service_account": args.account.email,
            "scaling": {"min_instance_count": 0, "max_instance_count": 2},
            "containers": [
                {
                    "name": "mlflow",
                    "image": args.image,
                    "commands": ["mlflow", "server"],
                    "args": [
                        "--host=0.0.0.0",
                        f"--port={_PORT}",
                        pulumi.Output.concat("--backend-store-uri=", store),
                        pulumi.Output.concat("--artifacts-destination=", args.artifacts),
                        "--serve-artifacts",
                        "--workers=2",
                        # IAM says who comes in: which name it is called by says nothing.
                        "--allowed-hosts=*",
                    ],
                    "ports": {"container_port": _PORT},
                    "depends_ons": ["proxy"],
                    "resources": {"limits": {"cpu": "1", "memory": "2Gi"}},
                },
                {
                    "name": "proxy",
                    "image": _PROXY,
                    "args": [*proxy, instance.connection_name],
                    "startup_probe": {
                        "http_get": {"path": "/startup", "port": 9090},
                        "period_seconds": 2,
                        "failure_threshold": 30,
                    },
                    "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
                },
            ],
        }
        if network is not None:
            template["vpc_access"] = {
                "egress": "ALL_TRAFFIC",
                "network_interfaces": [{"network": network.id, "subnetwork": network.subnet}],
            }
        return template
