"""The Azure ML provider's settings, as a profile writes them, and what must hold between them."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct, field

from waterflow.cloud import settings
from waterflow_azureml import limits, machines

Distribution = Literal["pytorch", "mpi", "tensorflow"]
"""How the machines of one job learn of each other."""

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GROUP: Final = re.compile(r"[\w().\-]{0,89}[\w()\-]")
_WORKSPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{2,32}")
_REGION: Final = re.compile(r"[a-z]+[0-9]*(stage|euap)?")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER: Final = re.compile(r"(?!.*--)[a-z0-9][a-z0-9\-]{1,61}[a-z0-9]|\$root")
_DATASTORE: Final = re.compile(r"[a-z0-9_]{1,255}")
_VAULT: Final = re.compile(r"(?!.*--)[A-Za-z][A-Za-z0-9\-]{1,22}[A-Za-z0-9]")
_CLUSTER: Final = re.compile(r"[A-Za-z](?=.{1,31}$)[A-Za-z0-9\-]*[A-Za-z0-9]")
_RESERVED: Final = "waterflow"
_OWN_TAGS: Final = 8
"""Tags of a job that are Waterflow's own."""
_NEVER: Final = 30
"""The middle storey's default of `cache_days`: nothing was written."""


class Cluster(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An AmlCompute cluster of the workspace.

    Attributes:
        machine: The VM size of its nodes.
        nodes: The most nodes that it grows to.
        spot: Whether its nodes are spot machines: "low priority", as Azure ML calls it there.
    """

    machine: str
    nodes: int = 1
    spot: bool = False

    def __post_init__(self) -> None:
        if self.machine not in machines.table():
            raise ValueError(
                f'machine = "{self.machine}" is not known. {machines.known(self.machine)}'
            )
        settings.check_least("nodes", self.nodes, 1)


class StepSettings(settings.StepSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's.

    Attributes:
        cluster: The cluster that it runs on, in place of the cheapest that fits.
        identity: Client id of the user-assigned identity of its jobs.
        distribution: How several machines of it learn of each other.
        shm_size: The container's shared memory, such as "2g": what PyTorch's data loaders use.
    """

    cluster: str | None = None
    identity: str | None = None
    distribution: Distribution | None = None
    shm_size: str | None = None

    def __post_init__(self) -> None:
        self.check(machines.table(), machines.known)
        _check_identity(self.identity)
        if self.shm_size is not None and not re.fullmatch(r"[1-9]\d*[bkmg]", self.shm_size):
            raise ValueError(f'shm_size = "{self.shm_size}" is no size, such as "2g"')
        if self.cluster is not None and self.machine is not None:
            raise ValueError(
                "cluster and machine exclude each other: a cluster has its own machines"
            )


class AzureMLSettings(
    settings.CloudSettings, forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """Settings of an Azure ML profile.

    Attributes:
        subscription: Id of the Azure subscription.
        resource_group: The resource group of the workspace.
        workspace: The workspace.
        region: Its Azure region, such as "westeurope".
        account: The storage account for code, data and results.
        container: The blob container in it.
        datastore: The workspace's datastore over that very container.
        identity: Client id of the user-assigned identity of the jobs; by default the compute's own.
        vault: Name of the Key Vault that `wf.secret` is read from, by the jobs' identity.
        clusters: The workspace's AmlCompute clusters that steps may run on; without any, steps run
            on serverless compute, with a VM size for each.
        build_images: Whether Azure builds an image with each set of libraries, out of a package
            index, in place of jobs that bring wheels.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    subscription: str
    resource_group: str
    workspace: str
    region: str
    account: str
    container: str = "waterflow"
    datastore: str = "waterflow"
    identity: str | None = None
    vault: str | None = None
    clusters: dict[str, Cluster] = field(default_factory=dict[str, Cluster])
    build_images: bool = False
    steps: dict[str, StepSettings] = field(default_factory=dict[str, StepSettings])

    def __post_init__(self) -> None:
        _check_place(self)
        self.check()
        _check_identity(self.identity)
        _check_tags(self.tags)
        _check_clusters(self)
        for machine in self.machines:
            if machine not in machines.table():
                raise ValueError(
                    f'machines names "{machine}", which is not known. {machines.known(machine)}'
                )
        if self.cache_days != _NEVER:
            raise ValueError(
                "cache_days cannot be kept: Azure ML reuses a step's result for as long as it is "
                "there. Leave it out, and run with --no-cache where results are too old"
            )
        if self.parallel is not None:
            raise ValueError(
                "parallel cannot be kept: a pipeline of Azure ML runs all steps that are ready. "
                "Leave it out, and bound the nodes of a cluster: clusters.NAME.nodes"
            )
        if self.build_images and self.libraries == "image":
            raise ValueError(
                'build_images = true and libraries = "image" exclude each other: leave one out'
            )

    def of(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings, those under `pipeline.step` first."""
        return settings.of_step(self.steps, StepSettings(), pipeline, step)


def _check_place(profile: AzureMLSettings) -> None:
    for name, pattern, what in (
        ("subscription", _GUID, "no id of a subscription. Look it up: az account show --query id"),
        ("resource_group", _GROUP, "no name of a resource group"),
        ("workspace", _WORKSPACE, "no name of a workspace: 3 to 33 letters, digits, - and _"),
        (
            "region",
            _REGION,
            'no Azure region, such as "westeurope". Look it up: az account list-locations -o table',
        ),
        (
            "account",
            _ACCOUNT,
            "no name of a storage account: 3 to 24 lower-case letters and digits",
        ),
        ("container", _CONTAINER, "no name of a blob container: write it without a path"),
        ("datastore", _DATASTORE, "no name of a datastore: lower-case letters, digits and _"),
        ("vault", _VAULT, "no name of a Key Vault: write it without https:// and its domain"),
    ):
        value = getattr(profile, name)
        if value is not None and not pattern.fullmatch(value):
            raise ValueError(f'{name} = "{value}" is {what}')


def _check_identity(identity: str | None) -> None:
    if identity is not None and not _GUID.fullmatch(identity):
        raise ValueError(
            f'identity = "{identity}" is no client id of a user-assigned identity. Look it up: '
            "az identity show --query clientId"
        )


def _check_clusters(profile: AzureMLSettings) -> None:
    for name in profile.clusters:
        if not _CLUSTER.fullmatch(name):
            raise ValueError(
                f'clusters."{name}" is no name of a cluster: 2 to 32 letters, digits and -, a '
                "letter first"
            )
    for step, own in profile.steps.items():
        if own.cluster is not None and own.cluster not in profile.clusters:
            known = ", ".join(profile.clusters) or "none"
            raise ValueError(
                f'steps.{step}: cluster = "{own.cluster}" is none of this profile\'s clusters: '
                f"{known}"
            )


def _check_tags(tags: dict[str, str]) -> None:
    own = limits.TAGS.most - _OWN_TAGS
    if len(tags) > own:
        raise ValueError(f"tags has {len(tags)} entries; at most {own} are taken")
    for key, value in tags.items():
        if not 1 <= len(key) <= limits.TAG_KEY.most or key.startswith(_RESERVED):
            raise ValueError(
                f'tags."{key}" is no tag: 1 to {limits.TAG_KEY.most} characters, and not '
                f"{_RESERVED} at the start"
            )
        if len(value) > limits.TAG_VALUE.most:
            raise ValueError(
                f'tags."{key}" = "{value:.40}": a value has at most {limits.TAG_VALUE.most} '
                "characters"
            )
