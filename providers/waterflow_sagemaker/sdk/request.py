"""What a container step is to have, read out of the request that the SDK makes of its step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import waterflow as wf
from waterflow.errors import UnsupportedFeatureError
from waterflow_sagemaker import machines
from waterflow_sagemaker.sdk.command import command_line
from waterflow_sagemaker.translation.mounts import (
    PROCESSING_OUTPUT,
    TRAINING_INPUT,
    TRAINING_OUTPUT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_sagemaker.sdk.command import Pair
    from waterflow_sagemaker.sdk.uploads import Uploads

MODEL: Final = "model"
"""The output of a training step: what lies in /opt/ml/model."""
_CODE: Final = ("code", "entrypoint", "sm_drivers")
"""Inputs that the SDK makes by itself, out of local files, under an address of their own each time.
Their content is fetched, so that it is what counts for the cache."""
_MEMBERS: Final = {
    "Processing": {
        "AppSpecification": ("ImageUri", "ContainerEntrypoint", "ContainerArguments"),
        "ProcessingResources": ("ClusterConfig",),
        "ProcessingOutputConfig": ("Outputs",),
    },
    "Training": {
        "AlgorithmSpecification": (
            "TrainingImage", "TrainingInputMode", "ContainerEntrypoint", "ContainerArguments",
        ),
        "OutputDataConfig": ("S3OutputPath", "CompressionType"),
    },
}  # fmt: skip
"""Part of the Arguments -> what is understood of it; where outputs go is Waterflow's own affair."""
_WHOLE_PARTS: Final = {
    "Processing": ("ProcessingInputs", "Environment", "StoppingCondition", "RoleArn"),
    "Training": (
        "InputDataConfig", "ResourceConfig", "Environment", "StoppingCondition", "RoleArn",
        "EnableManagedSpotTraining",
    ),
}  # fmt: skip
"""Parts of the Arguments that are understood whole."""
_ALTERNATIVES: Final = {
    "HyperParameters": "Give them as arguments or in `environment`.",
    "NetworkConfig": "Say it in the profile: subnets, security_groups, network_isolation.",
    "VpcConfig": "Say it in the profile: subnets, security_groups.",
    "EnableNetworkIsolation": "Say it in the profile: network_isolation.",
    "KmsKeyId": "Say it in the profile: kms_key.",
    "VolumeKmsKeyId": "Say it in the profile: kms_key.",
    "Tags": "Say them in the profile: tags.",
    "DependsOn": "Give wf's own: step(..., after=[...]).",
    "RetryPolicies": "Leave them out: faults of the service are retried anyway.",
    "PropertyFiles": "Let a Python step read the file and return the value.",
}
"""What is not taken -> what to do instead."""
_OTHER_KINDS: Final = (
    "Give a ProcessingStep or a TrainingStep of sagemaker.mlops.workflow.steps, or write the step "
    "with @wf.step or wf.container."
)


class StepRequest:
    """One step's request, as the SDK makes it for CreatePipeline.

    Args:
        request: The step of a pipeline definition.
        artifacts: What stands for inputs of the step, by their names.
        uploads: Fetches the code that the SDK has uploaded.

    Attributes:
        name: The step's name.
        inputs: The container step's inputs: artifacts and outside data.
        outputs: Output -> the folder that the program writes it into.

    Raises:
        UnsupportedFeatureError: The step has what cannot be taken.
        ProviderError: Code cannot be fetched.
    """

    def __init__(
        self, request: dict[str, Any], artifacts: Mapping[str, object], uploads: Uploads
    ) -> None:
        self.name = str(request["Name"])
        self._type = str(request["Type"])
        if self._type not in _WHOLE_PARTS:
            refuse_kind(self.name, f"a {self._type} step")
        self._arguments: dict[str, Any] = request["Arguments"]
        self._cache = bool(request.get("CacheConfig", {}).get("Enabled", True))
        self._check(request)
        self.inputs: dict[str, object] = {}
        self._input_links: list[Pair] = []
        self._take_inputs(artifacts, uploads)
        self.outputs = self._outputs()

    @property
    def _training(self) -> bool:
        return self._type == "Training"

    def _check(self, request: dict[str, Any]) -> None:
        """Refuse what is not understood of a request."""
        for part in ("DependsOn", "RetryPolicies", "PropertyFiles"):
            if request.get(part):
                self._refuse(part)
        members = _MEMBERS[self._type]
        for part, value in self._arguments.items():
            if part in members:
                for member in value:
                    if member not in members[part]:
                        self._refuse(member)
            elif part not in _WHOLE_PARTS[self._type] and value:
                self._refuse(part)

    def _refuse(self, feature: str, alternative: str | None = None) -> NoReturn:
        instead = alternative or _ALTERNATIVES.get(feature, "Leave it out.")
        raise UnsupportedFeatureError(self.name, feature, "sagemaker", instead)

    def _plain(self, what: str, value: Any) -> str:
        """Return a text of the request, and refuse what only the SDK's own pipeline would know."""
        if not isinstance(value, str):
            shown = getattr(value, "expr", value)
            self._refuse(
                f"{what} given as {shown}",
                "Give a plain value, or in arguments {parameters.NAME} with parameters={...}.",
            )
        return str(value)

    # --- what it runs ---------------------------------------------------------------------------

    @property
    def _application(self) -> dict[str, Any]:
        part = "AlgorithmSpecification" if self._training else "AppSpecification"
        return self._arguments[part]

    def image(self) -> str:
        """Return the image."""
        member = "TrainingImage" if self._training else "ImageUri"
        return self._plain("the image", self._application[member])

    def command(self) -> list[str]:
        """Return the command line: links to where inputs and outputs are, then the program."""
        entrypoint = self._application.get("ContainerEntrypoint")
        if not entrypoint:
            self._refuse(
                "the image's own entry point", "Give a command, a script or `source_code`."
            )
        program = [
            self._plain("an argument", argument)
            for argument in (*entrypoint, *self._application.get("ContainerArguments", ()))
        ]
        base = TRAINING_OUTPUT if self._training else PROCESSING_OUTPUT
        output_links: list[Pair] = []
        gathered: tuple[str, ...] = ()
        for name, folder in self.outputs.items():
            if folder in (PROCESSING_OUTPUT, TRAINING_OUTPUT):
                gathered = base, name
            elif folder != f"{PROCESSING_OUTPUT}/{name}":
                output_links.append((f"{{outputs.{name}}}", folder))
        return command_line(self._input_links, output_links, gathered, program)

    # --- inputs and outputs ---------------------------------------------------------------------

    def _take_inputs(self, artifacts: Mapping[str, object], uploads: Uploads) -> None:
        left = dict(artifacts)
        for name, uri, folder in self._sources():
            key = name.replace(".", "-")
            if name in left:
                self.inputs[key] = left.pop(name)
            elif name in _CODE:
                self.inputs[key] = wf.Data(uploads.fetch(self._plain(f"input '{name}'", uri), name))
            else:
                if not isinstance(uri, str):
                    self._refuse(
                        f"input '{name}' from {getattr(uri, 'expr', uri)}",
                        f'Say what it is here: step(..., inputs={{"{name}": ...}}).',
                    )
                self.inputs[key] = wf.Data(uri)
            self._input_links.append((f"{{inputs.{key}}}", folder.rstrip("/")))
        if left:
            known = ", ".join(self.inputs) or "none"
            self._refuse(f"inputs={sorted(left)}", f"The SDK's step has the inputs: {known}.")

    def _sources(self) -> Iterator[tuple[str, Any, str]]:
        """Yield the name, the S3 address and the local path of each input."""
        for entry in self._arguments.get("ProcessingInputs", ()):
            name, source = entry["InputName"], entry.get("S3Input")
            if source is None:
                self._refuse(f"input '{name}', which is not in S3")
            self._check_source(name, source, source.get("S3InputMode"))
            yield name, source["S3Uri"], self._plain(f"path of '{name}'", source["LocalPath"])
        for entry in self._arguments.get("InputDataConfig", ()):
            name, source = entry["ChannelName"], entry["DataSource"].get("S3DataSource")
            if source is None:
                self._refuse(f"channel '{name}', which is not in S3")
            self._check_source(name, source, entry.get("InputMode"))
            yield name, source["S3Uri"], f"{TRAINING_INPUT}/{name}"

    def _check_source(self, name: str, source: dict[str, Any], mode: str | None) -> None:
        for member, value, usual in (
            ("S3InputMode", mode, "File"),
            ("S3DataType", source.get("S3DataType"), "S3Prefix"),
            ("S3DataDistributionType", source.get("S3DataDistributionType"), "FullyReplicated"),
            ("S3CompressionType", source.get("S3CompressionType"), "None"),
        ):
            if value not in (None, usual):
                self._refuse(f"{member}=\"{value}\" of input '{name}'", f'Give "{usual}".')

    def _outputs(self) -> dict[str, str]:
        if self._training:
            return {MODEL: TRAINING_OUTPUT}
        folders: dict[str, str] = {}
        for entry in self._arguments.get("ProcessingOutputConfig", {}).get("Outputs", ()):
            name, target = entry["OutputName"], entry.get("S3Output")
            if target is None or target.get("S3UploadMode") != "EndOfJob":
                self._refuse(f"output '{name}', which is not written at the end of the job")
            folders[name] = self._plain(f"path of '{name}'", target["LocalPath"]).rstrip("/")
        if PROCESSING_OUTPUT in folders.values() and len(folders) > 1:
            self._refuse(
                f"an output at {PROCESSING_OUTPUT} beside others",
                "Let each output have a folder of its own.",
            )
        return folders

    # --- options --------------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """Return the options of the container step."""
        options: dict[str, Any] = {"cache": self._cache, "env": self._environment()}
        options |= self._resources()
        if self._training and self._arguments.get("EnableManagedSpotTraining"):
            options["spot"] = True
        seconds = self._arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        if seconds is not None:
            options["timeout"] = float(seconds)
        return options

    def _resources(self) -> dict[str, Any]:
        """Return what the SDK's instances have, as the resources that a step asks for."""
        cluster: dict[str, Any] = (
            self._arguments["ResourceConfig"]
            if self._training
            else self._arguments["ProcessingResources"]["ClusterConfig"]
        )
        for member in cluster:
            if member not in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
                self._refuse(member)
        count = cluster.get("InstanceCount", 1)
        if count != 1 and not self._training:
            self._refuse(f"{count} instances of a processing job", "Give one, or train.")
        instance_type = self._plain("the instance type", cluster["InstanceType"])
        machine = machines.table().get(instance_type)
        if machine is None:
            self._refuse(f"instance type {instance_type}", machines.known(instance_type))
        resources: dict[str, Any] = {
            "cpu": machine.vcpu,
            "memory": int(machine.memory * machines.GIB),
            "instances": count,
            "disk": f"{cluster['VolumeSizeInGB']}GiB",
        }
        if machine.gpus:
            resources["gpu"] = f"{machine.gpu}:{machine.gpus}"
        return resources

    def _environment(self) -> dict[str, str]:
        variables = {
            name: self._plain(f"variable {name}", value)
            for name, value in self._arguments.get("Environment", {}).items()
        }
        if self._training:  # the SDK's own start script knows the channels by Waterflow's names
            for name, _, folder in self._sources():
                if name not in _CODE and name.isidentifier():
                    variables.setdefault(f"SM_CHANNEL_{name.upper()}", folder)
        return variables


def refuse_kind(step: str, kind: str) -> NoReturn:
    """Refuse a step that is neither of the two kinds that are taken.

    Args:
        step: Its name.
        kind: What it is, with an article.

    Raises:
        UnsupportedFeatureError: Always.
    """
    raise UnsupportedFeatureError(step, kind, "sagemaker", _OTHER_KINDS)
