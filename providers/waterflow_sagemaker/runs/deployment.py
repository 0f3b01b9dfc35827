"""Deploying: everything a pipeline's jobs need goes to the bucket, its definition to SageMaker."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow import data, spec
from waterflow.artifacts.folder import canonical
from waterflow.data.stores import scheme_of
from waterflow.errors import ConflictError, ProviderError
from waterflow.packing import bundle, wheelhouse
from waterflow.project import progress
from waterflow.spec.quantities import show_size
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.store import S3Store
from waterflow_sagemaker.translation.control import job_files
from waterflow_sagemaker.translation.naming import REGISTERED_AT, S3_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from waterflow.data import Pinned
    from waterflow.provider import Build
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.document import SageMakerDocument
    from waterflow_sagemaker.runs.storage import Storage


class Deployment:
    """Brings compiled pipelines to AWS.

    Args:
        connections: The AWS clients.
        storage: The bucket.
        place: A local folder for wheels.
    """

    def __init__(self, connections: Connections, storage: Storage, place: Path) -> None:
        self._connections, self.storage, self._place = connections, storage, place

    @property
    def _sagemaker(self) -> SageMakerClient:
        return self._connections.sagemaker

    # --- the bucket -----------------------------------------------------------------------------

    def deploy(
        self, build: Build, document: SageMakerDocument, *, cache: bool = True
    ) -> tuple[str, int]:
        """Put what the jobs need into the bucket, then create or update the pipeline.

        Args:
            build: The pipeline, with its code.
            document: What it was compiled to.
            cache: Whether earlier results may stand for steps.

        Returns:
            Its ARN and the number of the version that holds this very definition.

        Raises:
            ProviderError: AWS refuses or fails.
            ConfigurationError: Data was changed, or libraries cannot be resolved.
        """
        self._sagemaker  # noqa: B018 - made here, because clients are not made in threads
        with ThreadPoolExecutor(1) as pool:  # nobody waits for the one while the other is sent
            newest = pool.submit(self._newest, document.pipeline)
            self._upload(build, document)
        found = self._pipeline(document, newest.result(), cache=cache)
        if not cache:
            # A schedule starts the newest version: that one is to use the cache.
            self._pipeline(document, found[1], cache=True)
        return found

    def _upload(self, build: Build, document: SageMakerDocument) -> None:
        """Put what the jobs need into the bucket; what is there already is not sent again."""
        self._upload_wheels(document)
        self._upload_data(build, document)
        self._upload_control(build, document)

    def _upload_control(self, build: Build, document: SageMakerDocument) -> None:
        digests = {control.digest for control in document.control.values()}
        wanted = self.storage.missing({one: f"control/{one}/step.json" for one in digests})
        kept = canonical(describe_build(build, document.tags))
        objects: dict[str, bytes | Path] = {document.build: kept}
        last: dict[str, bytes | Path] = {}
        archives: dict[str, bytes] = {}
        for control in document.control.values():
            digest = control.digest
            if digest not in wanted:
                continue
            place = f"control/{digest}"
            code = build.bundles.get(control.source)
            if code is not None:
                if code.digest not in archives:
                    archives[code.digest] = bundle.archive(code)
                objects[f"{place}/bundle.tar.gz"] = archives[code.digest]
            for name, content in job_files().items():
                objects[f"{place}/{name}"] = content
            objects[f"{place}/launch.json"] = canonical(dict(control.launch))
            last[f"{place}/step.json"] = canonical(dict(control.step))
        self.storage.put_all(objects)
        self.storage.put_all(last)  # tells that the others are there

    def _upload_wheels(self, document: SageMakerDocument) -> None:
        for digest, house in document.wheelhouses.items():
            if self.storage.exists(f"complete/wheels/{digest}"):
                continue
            target = wheelhouse.Target(house.platform, house.python)
            wheels = wheelhouse.resolve(list(house.requirements), self._place, target).wheels
            what = f"{len(wheels)} {'wheel' if len(wheels) == 1 else 'wheels'}"
            progress.tell(f"Uploading {what}, {show_size(_size(wheels))}")
            self.storage.put_all({f"wheels/{digest}/{wheel.name}": wheel for wheel in wheels})
            self.storage.put(f"complete/wheels/{digest}", b"")

    def _upload_data(self, build: Build, document: SageMakerDocument) -> None:
        if any(one.type == "data" for one in build.spec.parameters.values()):
            self.storage.put_new("none/none", b"")
        for uri, prefix in document.copies.items():
            pinned = build.data[uri]
            # What has no version may have changed since it was last uploaded.
            fixed = bool(pinned.sha256 or pinned.version)
            if fixed and self.storage.exists(f"complete/{prefix}"):
                continue
            if fixed and scheme_of(uri) in S3_SCHEMES:
                self._copy_data(pinned, prefix)
            else:
                self._send_data(pinned, prefix)
            self.storage.put(f"complete/{prefix}", b"")

    def _copy_data(self, pinned: Pinned, prefix: str) -> None:
        """Copy data that is in S3, by S3 itself."""
        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        self.storage.copy_in(S3Store(pinned.uri), pinned, prefix)

    def _send_data(self, pinned: Pinned, prefix: str) -> None:
        """Bring data here, and from here to the bucket."""
        with tempfile.TemporaryDirectory(prefix="waterflow-data-") as folder:
            place = Path(folder)
            data.fetch(pinned, place)
            files = {
                f"{prefix}/{file.relative_to(place).as_posix()}": file
                for file in sorted(place.rglob("*"))
                if file.is_file()
            }
            size = _size(files.values())
            if size >= progress.MUCH:
                progress.tell(f"Uploading {pinned.uri}, {show_size(size)}")
            self.storage.put_all(files)

    # --- SageMaker ------------------------------------------------------------------------------

    def _pipeline(
        self, document: SageMakerDocument, version: int | None, *, cache: bool
    ) -> tuple[str, int]:
        """Create the pipeline, or update the newest version of it."""
        definition = document.definition
        text = json.dumps(
            definition if cache else _uncached(definition),
            ensure_ascii=False,
            separators=(",", ":"),
        )
        request, name = document.request(text), document.pipeline
        if version is None:
            arn = self._created(request)
            if arn is not None:
                return arn, 1  # the first version is what it was created with
            version = self._newest(name)
        if version is not None:
            with translated("DescribePipeline"):
                there: Any = self._sagemaker.describe_pipeline(
                    PipelineName=name, PipelineVersionId=version
                )
            if _same(there, request):
                return str(there["PipelineArn"]), version
            self._check_ours(there, request)
            self._tag(there, request)
        changed = {key: value for key, value in request.items() if key != "Tags"}
        with translated("UpdatePipeline"):
            answer = self._sagemaker.update_pipeline(**changed)
        return answer["PipelineArn"], int(answer["PipelineVersionId"])

    def _check_ours(self, there: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """Refuse to change a pipeline that was made from elsewhere."""
        before, after = (made_of(json.loads(one["PipelineDefinition"])) for one in (there, request))
        name = request["PipelineName"]
        if before.get("pipeline", after["pipeline"]) != after["pipeline"]:
            raise ConflictError(
                f"SageMaker's pipeline '{name}' is that of pipeline '{before['pipeline']}', and "
                f"'{after['pipeline']}' would have the same name there. Rename one of them, choose "
                "another prefix in the profile, or, if the pipeline was renamed, delete the old "
                f"one: aws sagemaker delete-pipeline --pipeline-name {name}",
                provider="sagemaker", operation="UpdatePipeline",
            )  # fmt: skip
        if not str(before.get("build", "")).startswith(self.storage.uri("builds/")):
            raise ConflictError(
                f"There is a pipeline '{name}' already, and it is not of this bucket and prefix "
                f"({self.storage.uri('')}). Choose another prefix in the profile, or delete it: "
                f"aws sagemaker delete-pipeline --pipeline-name {name}",
                provider="sagemaker", operation="UpdatePipeline",
            )  # fmt: skip

    def _tag(self, there: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """Bring a pipeline's tags to what the profile says; those that others set stay."""
        arn: str = there["PipelineArn"]
        with translated("ListTags"):
            pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
            found = {one["Key"]: one["Value"] for page in pages for one in page["Tags"]}
        wanted: list[Any] = [
            tag for tag in request["Tags"] if found.get(tag["Key"]) != tag["Value"]
        ]
        before, after = (made_of(json.loads(one["PipelineDefinition"])) for one in (there, request))
        gone = [key for key in before.get("tags", ()) if key in found and key not in after["tags"]]
        if wanted:
            with translated("AddTags"):
                self._sagemaker.add_tags(ResourceArn=arn, Tags=wanted)
        if gone:
            with translated("DeleteTags"):
                self._sagemaker.delete_tags(ResourceArn=arn, TagKeys=gone)

    def _created(self, request: dict[str, Any]) -> str | None:
        """Create a pipeline and return its ARN; None when another submitter was faster."""
        try:
            with translated("CreatePipeline"):
                return self._sagemaker.create_pipeline(**request)["PipelineArn"]
        except ProviderError:
            if self._newest(request["PipelineName"]) is None:
                raise
            return None

    def _newest(self, name: str) -> int | None:
        """Return the number of a pipeline's newest version; None when there is no pipeline."""
        found = self._unless_absent(
            "ListPipelineVersions",
            lambda: self._sagemaker.list_pipeline_versions(
                PipelineName=name, SortOrder="Descending", MaxResults=1
            ),
        )
        if found is None:
            return None
        return int(found["PipelineVersionSummaries"][0].get("PipelineVersionId", 1))

    @staticmethod
    def _unless_absent(operation: str, ask: Callable[[], Any]) -> Any:
        from botocore.exceptions import ClientError

        with translated(operation):
            try:
                return ask()
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ResourceNotFound":
                    return None
                raise

    def deployed(self, name: str) -> dict[str, Any] | None:
        """Return the definition that a pipeline has now; None when there is no such pipeline."""
        there = self._unless_absent(
            "DescribePipeline", lambda: self._sagemaker.describe_pipeline(PipelineName=name)
        )
        return None if there is None else json.loads(there["PipelineDefinition"])


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _same(there: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    return (
        json.loads(there["PipelineDefinition"]) == json.loads(request["PipelineDefinition"])
        and there["RoleArn"] == request["RoleArn"]
        and there.get("ParallelismConfiguration") == request.get("ParallelismConfiguration")
    )


def made_of(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a definition of ours says of itself; nothing for another's.

    Args:
        definition: A pipeline definition, parsed.
    """
    return (definition.get("Metadata") or {}).get("waterflow") or {}


def same_steps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two definitions run the same, whatever the cache may answer.

    What a register step writes down of its origins, such as the commit, is no part of that.
    """
    return bool(_working(_uncached(one["Steps"])) == _working(_uncached(other["Steps"])))


def _working(part: Any) -> Any:
    """Return a definition without the control inputs of register steps."""
    if isinstance(part, list):
        return [_working(value) for value in part]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(part, dict):
        return part
    registers = REGISTERED_AT in (part.get("Environment") or {})
    return {
        key: [one for one in value if one["InputName"] != "control"]
        if registers and key == "ProcessingInputs"
        else _working(value)
        for key, value in part.items()
    }


def _uncached(part: Any) -> Any:
    """Return a definition in which no earlier result may stand for a step."""
    if isinstance(part, dict):
        return {key: {"Enabled": False} if key == "CacheConfig" else _uncached(value)
                for key, value in part.items()}  # fmt: skip
    if isinstance(part, list):
        return [_uncached(value) for value in part]  # pyright: ignore[reportUnknownVariableType]
    return part


def describe_build(build: Build, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return what is kept of a build beside its definition.

    Args:
        build: The build.
        tags: The lineage of its runs.
    """
    return {
        "spec": spec.encode(build.spec).decode(),
        "digest": build.digest,
        "tags": dict(tags),
        "lock": build.lock.text,
        "data": {one.uri: one.sha256 or one.version or "unpinned" for one in build.data.values()},
    }
