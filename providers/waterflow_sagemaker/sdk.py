"""Steps built with the sagemaker SDK (v3), taken into a Waterflow pipeline as container steps."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import waterflow as wf
from waterflow.errors import MissingDependencyError, UnsupportedFeatureError
from waterflow.project import find_root, state_folder
from waterflow_sagemaker import machines
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.translation.mounts import (
    PROCESSING_OUTPUT,
    TRAINING_INPUT,
    TRAINING_OUTPUT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.language.step import ContainerOutputs

MODEL: Final = "model"
"""The output of a training step: what lies in /opt/ml/model."""
_CODE: Final = ("code", "entrypoint", "sm_drivers")
"""Inputs that the SDK makes by itself, out of local files, under an address of their own each time.
Their content is fetched, so that it is what counts for the cache."""
_GIVEN: Final = {
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
"""What is understood of a request's parts; where outputs go is Waterflow's own affair."""
_WHOLE: Final = {
    "Processing": ("ProcessingInputs", "Environment", "StoppingCondition", "RoleArn"),
    "Training": (
        "InputDataConfig", "ResourceConfig", "Environment", "StoppingCondition", "RoleArn",
        "EnableManagedSpotTraining",
    ),
}  # fmt: skip
_INSTEAD: Final = {
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

# A container step has its inputs and outputs at paths of Waterflow's; the program looks for them at
# those that it was written for. So links lead from these to those. Each argument of a job has at
# most 256 characters: hence three of them, put together by the shell.
_JOINED: Final = 'a="$0$1$2";shift 2;eval "$a"'
_INPUTS: Final = (
    'while [ "$1" != -- ];do s=$1;[ -f "$s" ]&&s=${s%/*};mkdir -p "${2%/*}";rmdir "$2" 2>&-;'
    'if [ -d "$2" ];then ln -s "$s"/* "$2";else ln -s "$s" "$2";fi;shift 2;done;shift;'
)
_OUTPUTS: Final = (
    'while [ "$1" != -- ];do mkdir -p "$1" "${2%/*}";rmdir "$2" 2>&-;'
    '[ -e "$2" ]&&echo "$2 is not empty">&2&&exit 66;ln -s "$1" "$2";shift 2;done;shift;'
)
_RUN: Final = 'exec "$@"'
# What is written into the folder that holds Waterflow's outputs is moved into one of them.
_RUN_AND_GATHER: Final = (
    'm=$1;t=$m/$2;shift 2;"$@"&p=$!;trap "kill $p" TERM;wait $p;c=$?;[ $c -gt 128 ]&&wait $p;'
    'mkdir $m/.w;for f in "$m"/*;do [ "$f" = "$t" ]||[ ! -e "$f" ]||mv "$f" $m/.w;done;'
    'mkdir -p "$t";mv $m/.w/* "$t" 2>&-;rmdir $m/.w;exit $c'
)


def step(
    sdk_step: Any, *, inputs: Mapping[str, object] | None = None, **options: Any
) -> ContainerOutputs:
    """Add a step of the sagemaker SDK to the pipeline that is being traced.

    Args:
        sdk_step: A ProcessingStep or TrainingStep of `sagemaker.mlops.workflow.steps`, whose
            arguments were made under a PipelineSession: by `ScriptProcessor(...).run(...)`,
            `FrameworkProcessor(...).run(...)` or `ModelTrainer(...).train(...)`.
        inputs: Artifacts of Waterflow's steps, or `wf.Data`, for inputs of the SDK's step by their
            names, in place of the S3 addresses that those were given.
        options: As for `wf.container`: `parameters`, named in the SDK's arguments as
            `{parameters.NAME}`, `cache`, `after`, and resources in place of those of the SDK's
            instance type.

    Returns:
        The outputs by name, each a folder: of a processing step its own, of a training step
        `model`.

    Raises:
        UnsupportedFeatureError: The step has what cannot be taken.
        ProviderError: The code that the SDK uploaded cannot be fetched.
    """
    if not callable(getattr(sdk_step, "to_request", None)):
        _refuse(str(getattr(sdk_step, "name", sdk_step)), f"a {type(sdk_step).__name__}", _KINDS)
    request: dict[str, Any] = sdk_step.to_request()
    root = find_root(Path(inspect.stack(0)[1].filename))  # the project of whoever calls
    taken = _Taken(request, dict(inputs or {}), _Code(_boto_session(sdk_step), root))
    return wf.container(
        name=taken.name,
        image=taken.image(),
        command=taken.command(),
        inputs=taken.inputs,
        outputs=list(taken.outputs),
        **{**taken.options(), **options},
    )


_KINDS: Final = (
    "Give a ProcessingStep or a TrainingStep of sagemaker.mlops.workflow.steps, or write the step "
    "with @wf.step or wf.container."
)


class _Taken:
    """What a container step is to have, read out of one step's request."""

    def __init__(self, request: dict[str, Any], given: dict[str, object], code: _Code) -> None:
        self.name = str(request["Name"])
        self.kind = str(request["Type"])
        if self.kind not in _WHOLE:
            _refuse(self.name, f"a {self.kind} step", _KINDS)
        self._arguments: dict[str, Any] = request["Arguments"]
        self._cache = bool(request.get("CacheConfig", {}).get("Enabled", True))
        self._check(request)
        self.links: list[tuple[str, str]] = []
        self.inputs: dict[str, object] = {}
        self._take_inputs(given, code)
        self.outputs = self._outputs()

    @property
    def _training(self) -> bool:
        return self.kind == "Training"

    def _check(self, request: dict[str, Any]) -> None:
        for part in ("DependsOn", "RetryPolicies", "PropertyFiles"):
            if request.get(part):
                self._refuse(part)
        parts = _GIVEN[self.kind]
        for part, value in self._arguments.items():
            if part in parts:
                for inner in value:
                    if inner not in parts[part]:
                        self._refuse(inner)
            elif part not in _WHOLE[self.kind] and value:
                self._refuse(part)

    def _refuse(self, feature: str, alternative: str | None = None) -> NoReturn:
        _refuse(self.name, feature, alternative or _INSTEAD.get(feature, "Leave it out."))

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
        name = "TrainingImage" if self._training else "ImageUri"
        return self._plain("the image", self._application[name])

    def command(self) -> list[str]:
        """Return the command line: links to where inputs and outputs are, then the program."""
        entrypoint = self._application.get("ContainerEntrypoint")
        if not entrypoint:
            self._refuse(
                "the image's own entry point", "Give a command, a script or `source_code`."
            )
        program = [
            self._plain("an argument", part)
            for part in (*entrypoint, *self._application.get("ContainerArguments", ()))
        ]
        links, gathered = [*self.links, ("--", "")], ""
        for name, path in self.outputs.items():
            ours = f"{PROCESSING_OUTPUT}/{name}"
            if path in (PROCESSING_OUTPUT, TRAINING_OUTPUT):
                gathered = name
            elif path != ours:
                links.append((f"{{outputs.{name}}}", path))
        pairs = [text for pair in links for text in pair if text]
        base = TRAINING_OUTPUT if self._training else PROCESSING_OUTPUT
        run = [_RUN_AND_GATHER] if gathered else [_RUN]
        where = [base, gathered] if gathered else []
        return ["sh", "-c", _JOINED, _INPUTS, _OUTPUTS, *run, *pairs, "--", *where, *program]

    # --- inputs and outputs ---------------------------------------------------------------------

    def _take_inputs(self, given: dict[str, object], code: _Code) -> None:
        for name, uri, path in self._sources():
            key = name.replace(".", "-")
            if name in given:
                self.inputs[key] = given.pop(name)
            elif name in _CODE:
                self.inputs[key] = wf.Data(code.fetch(self._plain(f"input '{name}'", uri), name))
            else:
                if not isinstance(uri, str):
                    self._refuse(
                        f"input '{name}' from {getattr(uri, 'expr', uri)}",
                        f'Say what it is here: step(..., inputs={{"{name}": ...}}).',
                    )
                self.inputs[key] = wf.Data(uri)
            self.links.append((f"{{inputs.{key}}}", path.rstrip("/")))
        if given:
            known = ", ".join(self.inputs) or "none"
            self._refuse(f"inputs={sorted(given)}", f"The SDK's step has the inputs: {known}.")

    def _sources(self) -> Iterator[tuple[str, Any, str]]:
        """Yield the name, the S3 address and the local path of each input."""
        for one in self._arguments.get("ProcessingInputs", ()):
            name, place = one["InputName"], one.get("S3Input")
            if place is None:
                self._refuse(f"input '{name}', which is not in S3")
            self._check_source(name, place, place.get("S3InputMode"))
            yield name, place["S3Uri"], self._plain(f"path of '{name}'", place["LocalPath"])
        for one in self._arguments.get("InputDataConfig", ()):
            name, place = one["ChannelName"], one["DataSource"].get("S3DataSource")
            if place is None:
                self._refuse(f"channel '{name}', which is not in S3")
            self._check_source(name, place, one.get("InputMode"))
            yield name, place["S3Uri"], f"{TRAINING_INPUT}/{name}"

    def _check_source(self, name: str, place: dict[str, Any], mode: str | None) -> None:
        for what, found, usual in (
            ("S3InputMode", mode, "File"),
            ("S3DataType", place.get("S3DataType"), "S3Prefix"),
            ("S3DataDistributionType", place.get("S3DataDistributionType"), "FullyReplicated"),
            ("S3CompressionType", place.get("S3CompressionType"), "None"),
        ):
            if found not in (None, usual):
                self._refuse(f"{what}=\"{found}\" of input '{name}'", f'Give "{usual}".')

    def _outputs(self) -> dict[str, str]:
        """Return the outputs and the folders that the program writes them into."""
        if self._training:
            return {MODEL: TRAINING_OUTPUT}
        found: dict[str, str] = {}
        for one in self._arguments.get("ProcessingOutputConfig", {}).get("Outputs", ()):
            name, place = one["OutputName"], one.get("S3Output")
            if place is None or place.get("S3UploadMode") != "EndOfJob":
                self._refuse(f"output '{name}', which is not written at the end of the job")
            found[name] = self._plain(f"path of '{name}'", place["LocalPath"]).rstrip("/")
        if PROCESSING_OUTPUT in found.values() and len(found) > 1:
            self._refuse(
                f"an output at {PROCESSING_OUTPUT} beside others",
                "Let each output have a folder of its own.",
            )
        return found

    # --- resources ------------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """Return the options of the container step."""
        found: dict[str, Any] = {"cache": self._cache}
        if self._training:
            cluster: dict[str, Any] = self._arguments["ResourceConfig"]
            if self._arguments.get("EnableManagedSpotTraining"):
                found["spot"] = True
        else:
            cluster = self._arguments["ProcessingResources"]["ClusterConfig"]
        for part in cluster:
            if part not in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
                self._refuse(part)
        count = cluster.get("InstanceCount", 1)
        if count != 1 and not self._training:
            self._refuse(f"{count} instances of a processing job", "Give one, or train.")
        machine = machines.table().get(self._plain("the instance type", cluster["InstanceType"]))
        if machine is None:
            self._refuse(
                f"instance type {cluster['InstanceType']}",
                machines.known(cluster["InstanceType"]),
            )
        else:
            found |= {"cpu": machine.vcpu, "memory": int(machine.memory * machines.GIB)}
            if machine.gpus:
                found["gpu"] = f"{machine.gpu}:{machine.gpus}"
        found |= {"instances": count, "disk": f"{cluster['VolumeSizeInGB']}GiB"}
        seconds = self._arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        if seconds is not None:
            found["timeout"] = float(seconds)
        environment = {
            name: self._plain(f"variable {name}", value)
            for name, value in self._arguments.get("Environment", {}).items()
        }
        if self._training:  # the SDK's own start script knows the channels by Waterflow's names
            for name, _, path in self._sources():
                if name not in _CODE and name.isidentifier():
                    environment.setdefault(f"SM_CHANNEL_{name.upper()}", path)
        return {**found, "env": environment}


class _Code:
    """Code that the SDK has uploaded, fetched into the project's state under its own digest."""

    def __init__(self, session: Any, root: Path) -> None:
        self._session, self._root = session, root

    def fetch(self, uri: str, name: str) -> str:
        """Return the folder with what lies at an address, relative to the project's root."""
        kept = state_folder(self._root) / "sagemaker" / "sdk"
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept, prefix="new-") as folder:
            new = Path(folder) / name
            new.mkdir()
            digest = hashlib.sha256()
            with translated("GetObject"):
                for part, content in self._objects(uri):
                    (new / part).parent.mkdir(parents=True, exist_ok=True)
                    (new / part).write_bytes(content)
                    digest.update(f"{part}\0{hashlib.sha256(content).hexdigest()}\n".encode())
            place = kept / digest.hexdigest()[:32] / name
            if not place.exists():
                place.parent.mkdir(exist_ok=True)
                shutil.copytree(new, place)
        return place.relative_to(self._root).as_posix()

    def _objects(self, uri: str) -> Iterator[tuple[str, bytes]]:
        """Yield what SageMaker would put below the local path."""
        place = urlsplit(uri)
        prefix = place.path[1:]
        client = self._session.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix)
        keys = sorted(one["Key"] for page in pages for one in page.get("Contents", ()))
        for key in keys:
            inside = key.startswith(prefix.rstrip("/") + "/")
            part = key[len(prefix.rstrip("/")) + 1 :] if inside else key.rpartition("/")[2]
            if (inside or key == prefix) and part and not part.endswith("/"):
                yield part, client.get_object(Bucket=place.netloc, Key=key)["Body"].read()


def _boto_session(sdk_step: Any) -> Any:
    """Return the boto3 session that the SDK works with."""
    try:
        import boto3
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "boto3", "A step of the sagemaker SDK", 'pip install "waterflow[sagemaker-sdk]"'
        ) from None
    arguments = getattr(getattr(sdk_step, "step_args", None), "func_args", ())
    for one in arguments:
        session = getattr(getattr(one, "sagemaker_session", None), "boto_session", None)
        if session is not None:
            return session
    return boto3.Session()


def _refuse(step: str, feature: str, alternative: str) -> NoReturn:
    raise UnsupportedFeatureError(step, feature, "sagemaker", alternative)
