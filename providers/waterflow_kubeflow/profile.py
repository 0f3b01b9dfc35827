"""The Kubeflow provider's settings, as a profile writes them, and what must hold between them."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct, field

from waterflow.cloud import settings

_BUCKET: Final = re.compile(
    r"(?P<scheme>s3|minio|gs)://(?P<bucket>[a-z0-9][a-z0-9._\-]{1,61}[a-z0-9])"
)
"""The stores that Kubeflow's pods open.
https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/objectstore/config.go"""
_AZURE: Final = re.compile(r"(abfss?|wasbs?|azblob)://|https://[^/]*\.(blob|dfs)\.")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names"""
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.\-]{0,251}[a-z0-9])?")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names"""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
_NEVER: Final = 30
"""The middle storey's default of `cache_days`: nothing was written."""


class Toleration(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A taint of nodes that a step's pod bears.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/

    Attributes:
        key: The taint's key.
        operator: "Equal", or "Exists" for any value.
        value: The taint's value.
        effect: "NoSchedule", "PreferNoSchedule" or "NoExecute"; "" for all of them.
        seconds: For how long a pod stays on a node that gets the taint; None for ever.
    """

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: int | None = None

    def __post_init__(self) -> None:
        if self.operator == "Exists" and self.value:
            raise ValueError('a toleration with operator = "Exists" has no value')
        if not self.key and self.operator == "Equal":
            raise ValueError('a toleration without a key has operator = "Exists"')
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError('a toleration with seconds has effect = "NoExecute"')


class StepSettings(settings.StepSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's.

    Attributes:
        node_selector: Labels of the nodes that its pod runs on; None for the profile's.
        tolerations: Taints of nodes that its pod bears; None for the profile's.
        accelerator: The resource that a GPU is asked for by; None for the profile's.
    """

    node_selector: dict[str, str] | None = None
    tolerations: list[Toleration] | None = None
    accelerator: str | None = None

    def __post_init__(self) -> None:
        settings.check_python(self.python)
        if self.machine is not None:
            raise ValueError(
                f'machine = "{self.machine}" cannot be kept: the machines are the cluster\'s. '
                "Choose nodes by their labels: node_selector"
            )


class KubeflowSettings(
    settings.CloudSettings, forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """Settings of a profile for Kubeflow Pipelines.

    Attributes:
        host: The address of the API server, or of the UI before it, such as
            "https://kubeflow.example.com/pipeline"; the variable KF_PIPELINES_ENDPOINT goes before.
        ui: The address of the UI, where it is another one.
        namespace: The Kubernetes namespace; "" where Kubeflow Pipelines serves one user only.
        experiment: The experiment of Kubeflow's that runs are in.
        bucket: "s3://BUCKET", "gs://BUCKET", or "minio://BUCKET" for the store that Kubeflow
            itself has come with.
        endpoint: The address of an S3 service that is not AWS', such as MinIO's, as it is reached
            from here; the variable AWS_ENDPOINT_URL_S3 goes before.
        region: The region of an S3 bucket.
        service_account: The Kubernetes service account of the steps' pods.
        token_env: The variable that holds a bearer token.
        token_file: The file that holds one.
        cookie_env: The variable that holds the cookie of a session: "authservice_session=...".
        ca_file: The certificates that the API server's is signed by.
        secret: The Kubernetes Secret whose keys are the names of `wf.secret`.
        node_selector: Labels of the nodes that pods run on.
        tolerations: Taints of nodes that pods bear.
        accelerator: The resource that a GPU is asked for by.
        pull_policy: When a node pulls an image.
        pull_secrets: Kubernetes Secrets by which images are pulled.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    host: str
    bucket: str
    ui: str | None = None
    namespace: str = ""
    experiment: str = "Default"
    endpoint: str | None = None
    region: str = "us-east-1"
    service_account: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    cookie_env: str | None = None
    ca_file: str | None = None
    secret: str | None = None
    node_selector: dict[str, str] = field(default_factory=dict[str, str])
    tolerations: list[Toleration] = field(default_factory=list[Toleration])
    accelerator: str = "nvidia.com/gpu"
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    pull_secrets: list[str] = field(default_factory=list[str])
    steps: dict[str, StepSettings] = field(default_factory=dict[str, StepSettings])

    def __post_init__(self) -> None:
        self.check()
        _check_place(self)
        _check_names(self)
        for name, value, why in (
            ("machines", self.machines, "the machines are the cluster's: node_selector"),
            ("parallel", self.parallel, "all steps that are ready run, as the cluster has room"),
        ):
            if value:
                raise ValueError(f"{name} cannot be kept: {why}. Leave it out")
        if self.cache_days != _NEVER:
            raise ValueError(
                "cache_days cannot be kept: Kubeflow Pipelines reuses a step's result for as long "
                "as its server is set up to. Leave it out, and run with --no-cache where results "
                "are too old"
            )
        if sum(one is not None for one in (self.token_env, self.token_file, self.cookie_env)) > 1:
            raise ValueError("token_env, token_file and cookie_env exclude each other: keep one")

    @property
    def address(self) -> str:
        """Where the profile's part of the bucket begins, without a slash at its end."""
        return f"{self.bucket}/{self.prefix}"

    @property
    def root(self) -> str:
        """The pipeline root of all runs."""
        return f"{self.address}/runs"

    def of(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings, those under `pipeline.step` first."""
        return settings.of_step(self.steps, StepSettings(), pipeline, step)


def place(bucket: str) -> dict[str, str]:
    """Return the parts of a bucket's address, scheme and bucket; nothing of what is none."""
    match = _BUCKET.fullmatch(bucket)
    return match.groupdict() if match else {}


def _check_place(profile: KubeflowSettings) -> None:
    if _AZURE.match(profile.bucket):
        raise ValueError(
            f'bucket = "{profile.bucket}" cannot be kept: the pods of Kubeflow Pipelines open S3, '
            'Cloud Storage and MinIO alone. Write "minio://BUCKET" for the store that it has come '
            "with; data in Azure is read from where it is all the same"
        )
    if not place(profile.bucket):
        raise ValueError(
            f'bucket = "{profile.bucket}" is no bucket: write "s3://BUCKET", "gs://BUCKET" or '
            '"minio://BUCKET", and what follows it as prefix'
        )
    for name in ("host", "ui", "endpoint"):
        value = getattr(profile, name)
        if value is not None and not _ADDRESS.fullmatch(value):
            raise ValueError(
                f'{name} = "{value}" is no address: write it as https://HOST, without a user or a '
                "password"
            )
    if profile.endpoint is not None and profile.bucket.startswith("gs://"):
        raise ValueError("endpoint is of S3 services only, such as MinIO: leave it out")


def _check_names(profile: KubeflowSettings) -> None:
    for name, pattern in (("namespace", _LABEL), ("service_account", _SUBDOMAIN),
                          ("secret", _SUBDOMAIN), ("token_env", _VARIABLE),
                          ("cookie_env", _VARIABLE)):  # fmt: skip
        value = getattr(profile, name)
        if value and not pattern.fullmatch(value):
            what = "a variable" if pattern is _VARIABLE else "Kubernetes"
            raise ValueError(f'{name} = "{value}" is no name of {what}')
    for value in profile.pull_secrets:
        if not _SUBDOMAIN.fullmatch(value):
            raise ValueError(f'pull_secrets: "{value}" is no name of Kubernetes')
    if not profile.experiment:
        raise ValueError('experiment = "" is no name of an experiment')
