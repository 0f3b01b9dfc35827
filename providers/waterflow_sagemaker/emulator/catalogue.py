"""Pipelines as the service keeps them: their settings, and their numbered versions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from waterflow.emulation.clock import moment
from waterflow_sagemaker.emulator.errors import invalid, missing


@dataclass
class Version:
    """One version of a pipeline.

    Attributes:
        id: 1, 2, ...
        definition: The document, as it was given.
        created: When, in seconds since the epoch.
        display_name: Its name, when it was given one.
        description: Its description.
        aliases: Its aliases.
        last_execution: The ARN of its latest execution.
    """

    id: int
    definition: str
    created: float
    display_name: str | None = None
    description: str | None = None
    aliases: list[str] = field(default_factory=list[str])
    last_execution: str | None = None

    def labels(self) -> dict[str, Any]:
        """Return what both Describe and List show of it."""
        labels = {
            "PipelineVersionDisplayName": self.display_name,
            "PipelineVersionDescription": self.description,
            "PipelineVersionAliases": list(self.aliases),
        }
        return {key: value for key, value in labels.items() if value}


@dataclass
class Pipeline:
    """One pipeline.

    Attributes:
        name: Its name.
        arn: Its ARN.
        role: The role its executions use.
        created: When, in seconds since the epoch.
        modified: When it was last changed.
        display_name: Its display name.
        description: Its description.
        parallel: How many steps of an execution may run at a time.
        tags: Its tags.
        versions: All versions, the first first.
        last_run: When its latest execution was started.
    """

    name: str
    arn: str
    role: str
    created: float
    modified: float
    display_name: str
    description: str | None = None
    parallel: int | None = None
    tags: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    versions: list[Version] = field(default_factory=list[Version])
    last_run: float | None = None

    def version(self, request: dict[str, Any]) -> Version:
        """Return the version that a request asks for: by id, by alias, or the latest.

        Raises:
            ServiceError: There is none, or both id and alias are given.
        """
        number = request.get("PipelineVersionId")
        alias = request.get("PipelineVersionAlias")
        if number is not None and alias is not None:
            raise invalid(
                "PipelineVersionId and PipelineVersionAlias cannot both be specified.",
            )
        if number is None and alias is None:
            return self.versions[-1]
        for version in self.versions:
            if version.id == number or (alias is not None and alias in version.aliases):
                return version
        what = f"version {number}" if alias is None else f"version with alias '{alias}'"
        raise missing(f"Pipeline '{self.arn}' has no {what}.")

    def add(self, definition: str, now: float, aliases: list[str]) -> Version:
        """Add a version."""
        version = Version(len(self.versions) + 1, definition, now)
        self.versions.append(version)
        self.name_version(version, aliases, [])
        return version

    def name_version(self, version: Version, add: list[str], remove: list[str]) -> None:
        """Move aliases to a version, and take others from it."""
        for other in self.versions:
            other.aliases = [alias for alias in other.aliases if alias not in add]
        version.aliases = [alias for alias in version.aliases if alias not in remove] + add

    def shown(self, version: Version) -> dict[str, Any]:
        """Return the pipeline as DescribePipeline does."""
        description: dict[str, Any] = {
            "PipelineArn": self.arn,
            "PipelineName": self.name,
            "PipelineDisplayName": self.display_name,
            "PipelineDefinition": version.definition,
            "RoleArn": self.role,
            "PipelineStatus": "Active",
            "CreationTime": moment(self.created),
            "LastModifiedTime": moment(self.modified),
            "CreatedBy": {},
            "LastModifiedBy": {},
            **version.labels(),
        }
        optional = {
            "PipelineDescription": self.description,
            "LastRunTime": moment(self.last_run),
        }
        description |= {key: value for key, value in optional.items() if value is not None}
        if self.parallel is not None:
            description["ParallelismConfiguration"] = {"MaxParallelExecutionSteps": self.parallel}
        return description

    def summary(self) -> dict[str, Any]:
        """Return the pipeline as ListPipelines does."""
        row: dict[str, Any] = {
            "PipelineArn": self.arn,
            "PipelineName": self.name,
            "PipelineDisplayName": self.display_name,
            "PipelineDescription": self.description,
            "RoleArn": self.role,
            "CreationTime": moment(self.created),
            "LastModifiedTime": moment(self.modified),
            "LastExecutionTime": moment(self.last_run),
        }
        return {key: value for key, value in row.items() if value is not None}

    def snapshot(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, data: dict[str, Any]) -> Pipeline:
        """Return the pipeline of a snapshot."""
        fields: dict[str, Any] = data | {"versions": [Version(**one) for one in data["versions"]]}
        return cls(**fields)
