"""The model registry: packages, alone under their names or numbered in groups; it runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.tokens import TokenConflictError, Tokens
from waterflow_sagemaker.definition import shapes
from waterflow_sagemaker.emulator.errors import invalid
from waterflow_sagemaker.emulator.operations import methods
from waterflow_sagemaker.emulator.records import Record, Records, Request, Response, fitted

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock


class ModelRegistry(Records):
    """All model packages of the emulator's account.

    Args:
        clock: The time.
        region: The region that ARNs name.
    """

    KINDS: ClassVar[dict[str, str]] = {
        "ModelPackageGroup": "model-package-group",
        "ModelPackage": "model-package",
    }
    OPERATIONS: ClassVar[dict[str, str]] = methods(
        "CreateModelPackageGroup",
        "DescribeModelPackageGroup",
        "ListModelPackageGroups",
        "DeleteModelPackageGroup",
        "PutModelPackageGroupPolicy",
        "GetModelPackageGroupPolicy",
        "DeleteModelPackageGroupPolicy",
        "CreateModelPackage",
        "DescribeModelPackage",
        "BatchDescribeModelPackage",
        "ListModelPackages",
        "UpdateModelPackage",
        "DeleteModelPackage",
    )
    """The service's operations -> our methods."""

    def __init__(self, clock: Clock, region: str) -> None:
        super().__init__(clock, region)
        self._tokens = Tokens()
        self._numbers: dict[str, int] = {}
        """Group -> the latest version's number: that of a deleted version does not come back."""

    # --- groups -----------------------------------------------------------------------------------

    def create_model_package_group(self, request: Request) -> Response:
        """CreateModelPackageGroup."""
        with self._lock:
            name = request["ModelPackageGroupName"]
            arn = self.arn("ModelPackageGroup", name)
            if name in self._kept["ModelPackageGroup"]:
                raise invalid(f"Model Package Group already exists: {arn}")
            self._kept["ModelPackageGroup"][name] = Record.of(
                arn, self._clock.now(), request, ModelPackageGroupStatus="Completed"
            )
            return {"ModelPackageGroupArn": arn}

    def describe_model_package_group(self, request: Request) -> Response:
        """DescribeModelPackageGroup."""
        with self._lock:
            return self.shown("ModelPackageGroup", self._group(request))

    def list_model_package_groups(self, request: Request) -> Response:
        """ListModelPackageGroups."""
        with self._lock:
            groups = self._kept["ModelPackageGroup"].values()
            if request.get("CrossAccountFilterOption") == "CrossAccount":
                groups = []  # there is no other account
            return self.listed("ModelPackageGroup", groups, request, "ModelPackageGroupSummaryList")

    def delete_model_package_group(self, request: Request) -> Response:
        """DeleteModelPackageGroup, when it holds nothing."""
        with self._lock:
            group = self._group(request)
            name = group.members["ModelPackageGroupName"]
            if self._versions(name):
                raise ServiceError(
                    "ConflictException",
                    f"Model Package Group {group.arn} cannot be deleted because it still contains "
                    "Model Packages.",
                )
            del self._kept["ModelPackageGroup"][name]
            self._numbers.pop(name, None)
            return {}

    def put_model_package_group_policy(self, request: Request) -> Response:
        """PutModelPackageGroupPolicy."""
        with self._lock:
            group = self._group(request)
            group.members["ResourcePolicy"] = request["ResourcePolicy"]
            return {"ModelPackageGroupArn": group.arn}

    def get_model_package_group_policy(self, request: Request) -> Response:
        """GetModelPackageGroupPolicy."""
        with self._lock:
            return {"ResourcePolicy": self._policy(self._group(request))}

    def delete_model_package_group_policy(self, request: Request) -> Response:
        """DeleteModelPackageGroupPolicy."""
        with self._lock:
            group = self._group(request)
            self._policy(group)
            del group.members["ResourcePolicy"]
            return {}

    @staticmethod
    def _policy(group: Record) -> str:
        if "ResourcePolicy" not in group.members:
            raise invalid(f"Model Package Group {group.arn} has no resource policy.")
        return group.members["ResourcePolicy"]

    def _group(self, request: Request) -> Record:
        """Return a group by name or ARN."""
        named = request["ModelPackageGroupName"]
        name = named.rpartition("/")[2]
        arn = self.arn("ModelPackageGroup", name)
        if name not in self._kept["ModelPackageGroup"] or named not in (name, arn):
            raise invalid(f"ModelPackageGroup {arn} does not exist.")
        return self._kept["ModelPackageGroup"][name]

    # --- packages ---------------------------------------------------------------------------------

    def create_model_package(self, request: Request) -> Response:
        """CreateModelPackage: the next version of a group, or a package under a name."""
        token = request.get("ClientToken")
        others = {key: value for key, value in request.items() if key != "ClientToken"}
        with self._lock:
            try:
                return self._tokens.once(
                    "CreateModelPackage", token, others, lambda: self._create_package(others)
                )
            except TokenConflictError as error:
                raise ServiceError(
                    "ConflictException",
                    f"The ClientToken '{error.token}' was already used by a CreateModelPackage "
                    "request with other parameters.",
                ) from None

    def _create_package(self, request: Request) -> Response:
        if "ValidationSpecification" in request:
            raise invalid(
                "Waterflow's emulator runs no transform jobs, so it cannot validate a model "
                "package: leave out ValidationSpecification, and validate in a step."
            )
        grouped, named = "ModelPackageGroupName" in request, "ModelPackageName" in request
        if grouped is named:
            raise invalid(
                "Exactly one of ModelPackageName and ModelPackageGroupName must be specified."
            )
        added: dict[str, Any] = {"ModelPackageStatus": "Completed"}
        added["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
        added["CertifyForMarketplace"] = request.get("CertifyForMarketplace", False)
        if grouped:
            group = self._group(request).members["ModelPackageGroupName"]
            number = self._numbers[group] = self._numbers.get(group, 0) + 1
            key = f"{group}/{number}"
            added |= {"ModelPackageGroupName": group, "ModelPackageVersion": number}
            added["ModelApprovalStatus"] = request.get(
                "ModelApprovalStatus", "PendingManualApproval"
            )
        else:
            key = request["ModelPackageName"]
            if key in self._kept["ModelPackage"]:
                raise invalid(f"Model Package already exists: {self.arn('ModelPackage', key)}")
        arn = self.arn("ModelPackage", key)
        record = Record.of(arn, self._clock.now(), request, **added)
        self._kept["ModelPackage"][key] = record
        return {"ModelPackageArn": arn}

    def describe_model_package(self, request: Request) -> Response:
        """DescribeModelPackage."""
        with self._lock:
            return self._described(self._package(request["ModelPackageName"]))

    def batch_describe_model_package(self, request: Request) -> Response:
        """BatchDescribeModelPackage."""
        output: Any = shapes.output_of("BatchDescribeModelPackage")
        row = output.members["ModelPackageSummaries"].value
        packages: dict[str, Any] = {}
        absent: dict[str, Any] = {}
        with self._lock:
            for arn in request["ModelPackageArnList"]:
                try:
                    packages[arn] = fitted(self._described(self._package(arn)), row)
                except ServiceError as error:
                    absent[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
        return {"ModelPackageSummaries": packages, "BatchDescribeModelPackageErrorMap": absent}

    def list_model_packages(self, request: Request) -> Response:
        """ListModelPackages: versions of a group, named packages, or both."""
        with self._lock:
            records = list(self._kept["ModelPackage"].values())
            if "ModelPackageGroupName" in request:
                records = self._versions(self._group(request).members["ModelPackageGroupName"])
            # Unversioned ones alone, when neither a group nor a type is asked for.
            default = "Both" if "ModelPackageGroupName" in request else "Unversioned"
            kind = request.get("ModelPackageType", default)
            if kind != "Both":
                versioned = kind == "Versioned"
                records = [
                    one for one in records if ("ModelPackageVersion" in one.members) is versioned
                ]
            status = request.get("ModelApprovalStatus")
            if status is not None:
                records = [
                    one for one in records if one.members.get("ModelApprovalStatus") == status
                ]
            return self.listed("ModelPackage", records, request, "ModelPackageSummaryList")

    def update_model_package(self, request: Request) -> Response:
        """UpdateModelPackage."""
        with self._lock:
            package = self._package(request["ModelPackageArn"])
            changed: dict[str, Any] = {
                name: request[name]
                for name in (
                    "ModelApprovalStatus", "ModelPackageRegistrationType", "ApprovalDescription",
                    "InferenceSpecification", "SourceUri", "ModelCard", "ModelLifeCycle",
                )
                if name in request
            }  # fmt: skip
            if "ModelApprovalStatus" in changed and "ModelPackageVersion" not in package.members:
                raise invalid("Only versioned model packages have an approval status.")
            properties = package.members.get("CustomerMetadataProperties", {})
            properties = properties | request.get("CustomerMetadataProperties", {})
            for name in request.get("CustomerMetadataPropertiesToRemove", ()):
                properties.pop(name, None)
            if properties or "CustomerMetadataProperties" in package.members:
                changed["CustomerMetadataProperties"] = properties
            if more := request.get("AdditionalInferenceSpecificationsToAdd"):
                name = "AdditionalInferenceSpecifications"
                changed[name] = [*package.members.get(name, ()), *more]
            package.change(self._clock.now(), changed)
            return {"ModelPackageArn": package.arn}

    def delete_model_package(self, request: Request) -> Response:
        """DeleteModelPackage."""
        with self._lock:
            package = self._package(request["ModelPackageName"])
            del self._kept["ModelPackage"][package.arn.partition("/")[2]]
            return {}

    def _package(self, name: str) -> Record:
        """Return a package by name or ARN."""
        key = name.partition("/")[2] if name.startswith("arn:") else name
        arn = self.arn("ModelPackage", key)
        if key not in self._kept["ModelPackage"] or name not in (key, arn):
            raise invalid(f"ModelPackage {name if ':' in name else arn} does not exist.")
        return self._kept["ModelPackage"][key]

    def _described(self, package: Record) -> Response:
        answer = self.shown("ModelPackage", package)
        # The service's model says that it is always there, of a version too.
        answer.setdefault("ModelPackageName", package.members.get("ModelPackageGroupName"))
        if package.modified is None:
            answer.pop("LastModifiedTime", None)
            answer.pop("LastModifiedBy", None)
        return answer

    def _versions(self, group: str) -> list[Record]:
        return [
            one
            for one in self._kept["ModelPackage"].values()
            if one.members.get("ModelPackageGroupName") == group
        ]

    # --- the state on disk ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data."""
        with self._lock:
            return {
                "records": super().snapshot(),
                "numbers": dict(self._numbers),
                "tokens": self._tokens.snapshot(),
            }

    def restore(self, data: dict[str, Any]) -> None:
        """Take what a snapshot holds."""
        with self._lock:
            super().restore(data["records"])
            self._numbers = dict(data["numbers"])
            self._tokens.restore(data["tokens"])
