"""Schedules: EventBridge Scheduler starts pipelines; each is kept by its pipeline's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.schedules import same_schedule, scheduled_values
from waterflow.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    UnknownNameError,
)
from waterflow.provider.schedules import Schedule
from waterflow_sagemaker.checks import check_submission
from waterflow_sagemaker.cron import aws_cron
from waterflow_sagemaker.document import own
from waterflow_sagemaker.errors import PROVIDER, translated
from waterflow_sagemaker.translation import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import GetScheduleOutputTypeDef

    from waterflow.cloud.runs import Runs
    from waterflow.provider import Build, Document
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.document import SageMakerDocument

    Deploy = Callable[[Build, SageMakerDocument], str]

TAG: Final = "waterflow"
"""The tag of a schedule group that says that Waterflow keeps it; schedules have no tags:
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-group.html"""
_KEPT: Final = ("KmsKeyArn", "StartDate", "EndDate", "ActionAfterCompletion")
"""What an update leaves as somebody else set it: UpdateSchedule resets what it is not given."""
_KEPT_OF_TARGET: Final = ("RetryPolicy", "DeadLetterConfig")


class EventBridgeSchedules:
    """The schedules of one profile: all in one group, named after its prefix.

    Args:
        connections: The AWS clients.
        deploy: Brings a pipeline to AWS; gives its ARN.
        runs: The profile's runs, which know what is deployed.
    """

    def __init__(self, connections: Connections, deploy: Deploy, runs: Runs) -> None:
        self._connections, self._deploy, self._runs = connections, deploy, runs
        self.group = naming.schedule_group(connections.settings.prefix)

    @property
    def _scheduler(self) -> EventBridgeSchedulerClient:
        return self._connections.scheduler

    # --- the contract ---------------------------------------------------------------------------

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        """Deploy a pipeline and bring its schedule to what its definition says.

        Args:
            build: The pipeline.
            document: The compiled pipeline.
            parameters: Values that its runs take instead of the defaults.

        Returns:
            "created", "updated", "unchanged", "deleted" or "none".

        Raises:
            DefinitionError: AWS cannot say the schedule, or a parameter has no value.
            ConfigurationError: The profile names no role for the scheduler, or SageMaker would not
                take a parameter's value.
            ConflictError: The group of that name is not Waterflow's.
            ProviderError: AWS refuses or fails.
        """
        compiled = own(document)
        native = compiled.pipeline
        if build.spec.schedule is None:
            return self._remove(naming.schedule(native))
        expression, role = aws_cron(build.spec.schedule), self._role()
        values = scheduled_values(build.spec, parameters)
        texts = {
            name: text
            for name, text in native_parameters(compiled, values).items()
            # The newest version may be of a run with other data, and then has no default for it.
            if name in parameters or compiled.encodings[name] == "data"
        }
        check_submission(compiled.definition, texts)
        self._ensure_group()
        arn = self._deploy(build, compiled)
        schedule = {
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": "UTC",
            "Description": f"Starts the pipeline {build.spec.name}: {build.spec.schedule}",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": arn,
                "RoleArn": role,
                "SageMakerPipelineParameters": {
                    "PipelineParameterList": [
                        {"Name": name, "Value": text} for name, text in sorted(texts.items())
                    ]
                },
            },
        }
        return self._reconcile(naming.schedule(native), schedule)

    def list(self) -> Sequence[Schedule]:
        """Return all schedules by name; an orphan's pipeline is gone, or says none any more."""
        schedules: list[Schedule] = []
        try:
            with translated("ListSchedules"):
                pages = self._scheduler.get_paginator("list_schedules").paginate(
                    GroupName=self.group
                )
                names = sorted(one.get("Name", "") for page in pages for one in page["Schedules"])
        except NotFoundError:
            return []
        for name in names:
            kept = self._get(name)
            if kept is not None:
                native = kept["Target"]["Arn"].rpartition("/")[2]
                schedules.append(
                    Schedule(
                        name=name,
                        pipeline=native,
                        expression=f"{kept['ScheduleExpression']} UTC",
                        state=_state(kept),
                        orphan=self._orphan(native),
                    )
                )
        return schedules

    def delete(self, name: str) -> None:
        """Delete a schedule; its pipeline stays."""
        if self._remove(name) == "none":
            raise self._missing(name)

    def pause(self, name: str) -> None:
        """Let a schedule start no runs."""
        self._switch(name, "DISABLED")

    def resume(self, name: str) -> None:
        """Let a paused schedule start runs again."""
        self._switch(name, "ENABLED")

    # --- the service ----------------------------------------------------------------------------

    def _reconcile(self, name: str, schedule: dict[str, Any]) -> str:
        deployed = self._get(name)
        if deployed is None:
            try:
                # A retry of botocore's bears the same token, so a lost answer makes no second.
                with translated("CreateSchedule"):
                    self._scheduler.create_schedule(
                        Name=name, GroupName=self.group, State="ENABLED", **schedule
                    )
            except ConflictError:
                deployed = self._get(name)  # another has just made it
            else:
                return "created"
        if deployed is None:
            return self._reconcile(name, schedule)
        if same_schedule(deployed, schedule):
            return "unchanged"
        self._update(deployed, schedule, deployed.get("State", "ENABLED"))
        return "updated"

    def _update(
        self, deployed: GetScheduleOutputTypeDef, schedule: Mapping[str, Any], state: Any
    ) -> None:
        kept: dict[str, Any] = {
            key: deployed[key] for key in _KEPT if deployed.get(key) is not None
        }
        before: Any = deployed["Target"]
        target = {key: before[key] for key in _KEPT_OF_TARGET if before.get(key) is not None}
        request: dict[str, Any] = {**kept, **schedule, "Target": {**target, **schedule["Target"]}}
        with translated("UpdateSchedule"):
            self._scheduler.update_schedule(
                Name=deployed["Name"], GroupName=self.group, State=state, **request
            )

    def _switch(self, name: str, state: Literal["ENABLED", "DISABLED"]) -> None:
        deployed = self._get(name)
        if deployed is None:
            raise self._missing(name)
        if deployed.get("State") != state:
            whole: Any = deployed
            keys = (
                "ScheduleExpression",
                "ScheduleExpressionTimezone",
                "Description",
                "FlexibleTimeWindow",
                "Target",
            )
            schedule = {key: whole[key] for key in keys if whole.get(key) is not None}
            self._update(deployed, schedule, state)

    def _remove(self, name: str) -> str:
        try:
            with translated("DeleteSchedule"):
                self._scheduler.delete_schedule(Name=name, GroupName=self.group)
        except NotFoundError:
            return "none"
        return "deleted"

    def _get(self, name: str) -> GetScheduleOutputTypeDef | None:
        try:
            with translated("GetSchedule"):
                return self._scheduler.get_schedule(Name=name, GroupName=self.group)
        except NotFoundError:
            return None

    def _ensure_group(self) -> None:
        """Make the group, or see that it is Waterflow's."""
        settings = self._connections.settings
        tags = {**settings.tags, TAG: settings.prefix}
        try:
            with translated("GetScheduleGroup"):
                arn = self._scheduler.get_schedule_group(Name=self.group)["Arn"]
        except NotFoundError:
            try:
                with translated("CreateScheduleGroup"):
                    self._scheduler.create_schedule_group(
                        Name=self.group,
                        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                    )
            except ConflictError:  # another has just made it
                return
            return
        with translated("ListTagsForResource"):
            entries = self._scheduler.list_tags_for_resource(ResourceArn=arn).get("Tags", [])
        owner = next((tag["Value"] for tag in entries if tag["Key"] == TAG), None)
        if owner != tags[TAG]:
            theirs = f"is of prefix '{owner}'" if owner else f"has no tag '{TAG}'"
            raise ConflictError(
                f"The schedule group '{self.group}' {theirs}, so it is not this profile's. Choose "
                f"another `prefix` in the profile, or tag the group: {TAG}={tags[TAG]}",
                provider=PROVIDER,
                operation="CreateScheduleGroup",
            )

    def _orphan(self, native: str) -> bool:
        """Return whether a pipeline is gone, or its definition says no schedule any more."""
        if self._runs.service.deployed(native) is None:
            return True
        deployed = self._runs.deployed(native)
        return deployed is not None and deployed.schedule is None  # of another's nobody knows

    def _role(self) -> str:
        role = self._connections.settings.scheduler_role
        if role is None:
            raise ConfigurationError(
                "The profile names no role by which EventBridge Scheduler may start pipelines. Set "
                '`scheduler_role = "arn:aws:iam::ACCOUNT:role/NAME"`: it trusts '
                "scheduler.amazonaws.com and may sagemaker:StartPipelineExecution."
            )
        return role

    def _missing(self, name: str) -> UnknownNameError:
        return UnknownNameError(
            f"There is no schedule '{name}' in group '{self.group}'. There are: "
            "waterflow schedule list",
            name=name,
            known=(one.name for one in self.list()),
            provider=PROVIDER,
            operation="GetSchedule",
        )


def _state(schedule: GetScheduleOutputTypeDef) -> Literal["enabled", "paused"]:
    return "paused" if schedule.get("State") == "DISABLED" else "enabled"
