"""Mistakes that people make on Google Cloud, one a function; its resources are called as it is."""

from collections.abc import Callable

import pulumi
from pulumi_gcp import (
    artifactregistry,
    cloudrunv2,
    compute,
    container,
    iam,
    kms,
    logging,
    projects,
    pubsub,
    secretmanager,
    serviceaccount,
    sql,
    storage,
)

config = pulumi.Config()
PROJECT, REGION = "waterflow-dev", "us-central1"
LABELS = {"stack": "mistakes_dev", "environment": "dev"}
JOBS = f"serviceAccount:jobs@{PROJECT}.iam.gserviceaccount.com"
ISSUER = "https://token.actions.githubusercontent.com"
MISTAKES: dict[str, Callable[[str], object]] = {}


def mistake(function: Callable[[str], object]) -> Callable[[str], object]:
    MISTAKES[function.__name__] = function
    return function


def bucket(label: str, **others: object) -> storage.Bucket:
    """A bucket as it should be, but for what others say."""
    settings: dict[str, object] = {
        "location": REGION,
        "uniform_bucket_level_access": True,
        "public_access_prevention": "enforced",
        "lifecycle_rules": [{"action": {"type": "Delete"}, "condition": {"age": 30}}],
        "labels": LABELS,
        **others,
    }
    return storage.Bucket(label, project=PROJECT, **settings)


def database(name: str, **others: object) -> object:
    """A database as it should be, but for what others say."""
    connections = {"ipv4_enabled": False, "ssl_mode": "ENCRYPTED_ONLY", **others}
    return sql.DatabaseInstance(
        name,
        project=PROJECT,
        region=REGION,
        database_version="POSTGRES_16",
        settings={"tier": "db-f1-micro", "ip_configuration": connections},
    )


def key(name: str, **others: object) -> object:
    """A key as it should be, but for what others say."""
    ring = kms.KeyRing(name, project=PROJECT, location=REGION)
    settings: dict[str, object] = {"rotation_period": "7776000s", **others}
    return kms.CryptoKey(name, key_ring=ring.id, labels=LABELS, **settings)


def service(name: str, env: dict[str, str]) -> object:
    """A service of Cloud Run with an environment."""
    return cloudrunv2.Service(
        name,
        project=PROJECT,
        location=REGION,
        labels=LABELS,
        template={
            "containers": [
                {
                    "image": "us-docker.pkg.dev/shop/ml/mlflow:3",
                    "envs": [{"name": one, "value": value} for one, value in env.items()],
                }
            ]
        },
    )


@mistake
def unknown_argument(name: str) -> object:
    return bucket(name, uniform_access=True)


@mistake
def missing_argument(name: str) -> object:
    return projects.IAMMember(name, project=PROJECT, member=JOBS)


@mistake
def wrong_type(name: str) -> object:
    return logging.ProjectBucketConfig(
        name, project=PROJECT, location="global", bucket_id="_Default", retention_days="thirty"
    )


@mistake
def text_for_list(name: str) -> object:
    return projects.IAMCustomRole(
        name,
        project=PROJECT,
        role_id="reader",
        title="Reader",
        permissions="storage.objects.get",
    )


@mistake
def misspelt_inside(name: str) -> object:
    rule = {"action": {"type": "Delete"}, "condition": {"age_days": 30}}
    return bucket(name, lifecycle_rules=[rule])


@mistake
def missing_inside(name: str) -> object:
    return bucket(name, lifecycle_rules=[{"action": {"type": "Delete"}}])


@mistake
def undocumented_value(name: str) -> object:
    return artifactregistry.Repository(
        name,
        project=PROJECT,
        location=REGION,
        repository_id="ml",
        format="DOCKER",
        mode="STANDARD",
        labels=LABELS,
    )


@mistake
def duplicate_name(name: str) -> object:
    pubsub.Topic(name, project=PROJECT, labels=LABELS)
    return pubsub.Topic(name, project=PROJECT, labels=LABELS)


@mistake
def public_bucket(name: str) -> object:
    return bucket(name, public_access_prevention="inherited")


@mistake
def lists_of_access(name: str) -> object:
    return bucket(name, uniform_bucket_level_access=False)


@mistake
def everybody_reads(name: str) -> object:
    return storage.BucketIAMMember(
        name, bucket="data", role="roles/storage.objectViewer", member="allUsers"
    )


@mistake
def kept_for_ever(name: str) -> object:
    return bucket(name, lifecycle_rules=[])


@mistake
def editor(name: str) -> object:
    return projects.IAMMember(name, project=PROJECT, role="roles/editor", member=JOBS)


@mistake
def starred_role(name: str) -> object:
    return projects.IAMCustomRole(
        name, project=PROJECT, role_id="all", title="All", permissions=["aiplatform.*"]
    )


@mistake
def every_repository(name: str) -> object:
    return iam.WorkloadIdentityPoolProvider(
        name,
        project=PROJECT,
        workload_identity_pool_id="github",
        workload_identity_pool_provider_id="github",
        oidc={"issuer_uri": ISSUER},
        attribute_mapping={"google.subject": "assertion.sub"},
    )


@mistake
def whole_pool(name: str) -> object:
    pool = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci"
    return serviceaccount.IAMMember(
        name,
        service_account_id=f"projects/{PROJECT}/serviceAccounts/ci",
        role="roles/iam.workloadIdentityUser",
        member=f"{pool}/*",
    )


@mistake
def account_key(name: str) -> object:
    return serviceaccount.Key(name, service_account_id="jobs")


@mistake
def old_key(name: str) -> object:
    return key(name, rotation_period=None)


@mistake
def plain_database(name: str) -> object:
    return database(name, ssl_mode="ALLOW_UNENCRYPTED_AND_ENCRYPTED")


@mistake
def open_database(name: str) -> object:
    return database(name, authorized_networks=[{"name": "all", "value": "0.0.0.0/0"}])


@mistake
def open_firewall(name: str) -> object:
    return compute.Firewall(
        name,
        project=PROJECT,
        network="ml",
        allows=[{"protocol": "tcp", "ports": ["22"]}],
        source_ranges=["0.0.0.0/0"],
    )


@mistake
def everybody_calls(name: str) -> object:
    return cloudrunv2.ServiceIamMember(
        name,
        project=PROJECT,
        location=REGION,
        name="mlflow",
        role="roles/run.invoker",
        member="allUsers",
    )


@mistake
def waiting_gpus(name: str) -> object:
    return container.NodePool(
        name,
        project=PROJECT,
        location=REGION,
        cluster="ml",
        autoscaling={"min_node_count": 1, "max_node_count": 2},
        node_config={"machine_type": "g2-standard-8"},
    )


@mistake
def password_in_environment(name: str) -> object:
    return service(name, {"MLFLOW_TRACKING_PASSWORD": "correct-horse"})


@mistake
def no_labels(name: str) -> object:
    return artifactregistry.Repository(
        name, project=PROJECT, location=REGION, repository_id="ml", format="DOCKER"
    )


@mistake
def capitals(name: str) -> object:
    return bucket(name, name="WaterflowDev")


@mistake
def other_region(name: str) -> object:
    ring = "projects/waterflow-dev/locations/europe-west4/keyRings/data"
    return secretmanager.Secret(
        name,
        project=PROJECT,
        secret_id="token",
        labels=LABELS,
        replication={
            "user_managed": {
                "replicas": [
                    {
                        "location": REGION,
                        "customer_managed_encryption": {"kms_key_name": f"{ring}/cryptoKeys/data"},
                    }
                ]
            }
        },
    )


for name in config.require_object("mistakes"):
    MISTAKES[name](name)
