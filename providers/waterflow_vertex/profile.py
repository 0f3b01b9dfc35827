"""The Vertex AI provider's settings, as a profile writes them, and what must hold between them."""

from __future__ import annotations

import re
from typing import Final

from msgspec import field

from waterflow.cloud import settings
from waterflow.cloud.machines import known
from waterflow_vertex import limits, machines

_PROJECT: Final = re.compile(r"([a-z0-9.\-]+:)?[a-z][a-z0-9\-]{4,28}[a-z0-9]")
"""https://cloud.google.com/resource-manager/docs/creating-managing-projects"""
_REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_BUCKET: Final = re.compile(r"(?!goog)[a-z0-9][a-z0-9._\-]{1,61}[a-z0-9]")
"""https://cloud.google.com/storage/docs/buckets#naming"""
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9.\-]*@[a-z0-9.\-]+\.gserviceaccount\.com")
_NETWORK: Final = re.compile(r"projects/[^/\s]+/global/networks/[^/\s]+")
_KEY: Final = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_\-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_\-]{0,63}")
_RESERVED: Final = "waterflow"
_OWN_LABELS: Final = 8
"""Labels of a pipeline job that are Waterflow's own."""
_NEVER: Final = 30
"""The middle storey's default of `cache_days`: nothing was written."""


class StepSettings(settings.StepSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's.

    Attributes:
        service_account: The service account of its jobs: they are custom jobs then.
    """

    service_account: str | None = None

    def __post_init__(self) -> None:
        self.check(machines.table(), lambda name: known(machines.table(), name))
        _check_account(self.service_account)


class VertexSettings(settings.CloudSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of a Vertex AI profile.

    Attributes:
        project: Id of the Google Cloud project.
        bucket: The Cloud Storage bucket for code, data and results.
        region: The region that jobs run in, which the bucket is to be in too.
        service_account: The service account of the jobs; by default the one of Compute Engine.
        network: The VPC network that jobs are peered with, as "projects/NUMBER/global/networks/N".
        kms_key: The key that jobs and what they write are encrypted by.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    project: str
    bucket: str
    region: str = "us-central1"
    service_account: str | None = None
    network: str | None = None
    kms_key: str | None = None
    steps: dict[str, StepSettings] = field(default_factory=dict[str, StepSettings])

    def __post_init__(self) -> None:
        self.check()
        _check_place(self)
        _check_account(self.service_account)
        _check_labels(self.tags)
        for machine in self.machines:
            if machine not in machines.table():
                raise ValueError(
                    f'machines names "{machine}", which is not known. '
                    f"{known(machines.table(), machine)}"
                )
        if self.cache_days != _NEVER:
            raise ValueError(
                "cache_days cannot be kept: Vertex AI reuses a step's result for as long as its "
                "record is there. Leave it out, and run with --no-cache where results are too old"
            )
        if self.parallel is not None:
            raise ValueError(
                "parallel cannot be kept: a pipeline of Vertex AI runs all steps that are ready. "
                "Leave it out"
            )

    @property
    def address(self) -> str:
        """Where the profile's part of the bucket begins, without a slash at its end."""
        return f"gs://{self.bucket}/{self.prefix}"

    @property
    def root(self) -> str:
        """What the outputs of all runs lie below."""
        return f"{self.address}/runs"

    def of(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings, those under `pipeline.step` first."""
        return settings.of_step(self.steps, StepSettings(), pipeline, step)


def _check_place(profile: VertexSettings) -> None:
    for name, pattern, what in (
        ("project", _PROJECT, "no id of a project. Look it up: gcloud projects list"),
        ("region", _REGION, 'no region, such as "us-central1"'),
        ("bucket", _BUCKET, "no name of a bucket: write it without gs:// and without a path"),
        (
            "network",
            _NETWORK,
            'no network: write it as "projects/NUMBER/global/networks/NAME"',
        ),
        (
            "kms_key",
            _KEY,
            'no key: write it as "projects/P/locations/L/keyRings/R/cryptoKeys/K"',
        ),
    ):
        value = getattr(profile, name)
        if value is not None and not pattern.fullmatch(value):
            raise ValueError(f'{name} = "{value}" is {what}')
    if profile.kms_key is not None and f"/locations/{profile.region}/" not in profile.kms_key:
        raise ValueError(
            f'kms_key = "{profile.kms_key}" is of another region than "{profile.region}": Vertex '
            "AI takes keys of its own region only"
        )


def _check_account(account: str | None) -> None:
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise ValueError(
            f'service_account = "{account}" is no service account, such as '
            '"jobs@my-project.iam.gserviceaccount.com"'
        )


def _check_labels(tags: dict[str, str]) -> None:
    most = limits.LABELS.most - _OWN_LABELS
    if len(tags) > most:
        raise ValueError(f"tags has {len(tags)} entries; at most {most} are taken")
    for key, value in tags.items():
        if not _LABEL_KEY.fullmatch(key) or key.startswith(_RESERVED):
            raise ValueError(
                f'tags."{key}" is no label: lower-case letters, digits, - and _, at most 63, a '
                f"letter first, and not {_RESERVED} at the start"
            )
        if not _LABEL_VALUE.fullmatch(value):
            raise ValueError(
                f'tags."{key}" = "{value:.70}": a label\'s value has lower-case letters, digits, '
                "- and _, at most 63"
            )
