"""Bringing to the bucket what jobs need: code, libraries, outside data; nothing twice."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow import data
from waterflow.artifacts import canonical
from waterflow.cloud.records import BuildRecord, bundle_name
from waterflow.packing import shipping, wheelhouse
from waterflow.project import progress
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.data import Pinned
    from waterflow.provider import Build


@dataclass(frozen=True)
class Upload:
    """What brings code, libraries and data to the bucket.

    Attributes:
        bucket: The bucket.
        service: The cloud, which copies what it holds already.
        programs: The programs that travel with every step, by file name.
        wheels: A local folder for wheels.
    """

    bucket: Bucket
    service: Service[Any]
    programs: Mapping[str, bytes]
    wheels: Path

    def upload(self, build: Build, document: CloudDocument) -> None:
        """Put what the jobs need into the bucket; what is there already is not sent again.

        Raises:
            ProviderError: The store refuses or fails.
            ConfigurationError: Data was changed, or libraries cannot be resolved.
        """
        self._upload_wheels(document)
        self._upload_data(build, document)
        self._upload_control(build, document)

    def _upload_control(self, build: Build, document: CloudDocument) -> None:
        bundles = {code.digest: code for code in build.bundles.values()}
        missing = self.bucket.missing(
            [f"control/{control.digest}/step.json" for control in document.control.values()]
            + [bundle_name(digest) for digest in bundles]
        )
        objects: dict[str, bytes | Path] = {
            document.build: canonical(BuildRecord.of(build, document.tags).to_json())
        }
        last: dict[str, bytes | Path] = {}
        archives: dict[str, bytes] = {}
        for digest, code in bundles.items():
            # A control input may hold another bundle of the same code key: a run's own is here.
            if bundle_name(digest) in missing:
                archives[digest] = objects[bundle_name(digest)] = shipping.archive(code)
        for control in document.control.values():
            folder = f"control/{control.digest}"
            if f"{folder}/step.json" not in missing:
                continue
            code = build.bundles.get(control.source)
            if code is not None:
                if code.digest not in archives:
                    archives[code.digest] = shipping.archive(code)
                objects[f"{folder}/bundle.tar.gz"] = archives[code.digest]
            for name, content in self.programs.items():
                objects[f"{folder}/{name}"] = content
            objects[f"{folder}/launch.json"] = canonical(dict(control.launch))
            last[f"{folder}/step.json"] = canonical(dict(control.step))
        self.bucket.put_all(objects)
        self.bucket.put_all(last)  # tells that the others are there

    def _upload_wheels(self, document: CloudDocument) -> None:
        for digest, house in document.wheelhouses.items():
            if self.bucket.exists(f"complete/wheels/{digest}"):
                continue
            target = wheelhouse.TargetPlatform(house.platform, house.python)
            wheels = wheelhouse.resolve(
                list(house.requirements), self.wheels, target, house.contents
            ).wheels
            count = f"{len(wheels)} {'wheel' if len(wheels) == 1 else 'wheels'}"
            progress.tell(f"Uploading {count}, {show_size(_size(wheels))}")
            self.bucket.put_all({f"wheels/{digest}/{wheel.name}": wheel for wheel in wheels})
            self.bucket.put(f"complete/wheels/{digest}", b"")

    def _upload_data(self, build: Build, document: CloudDocument) -> None:
        # What a document of its own accord points there must be there, too.
        said = f'"{document.none}"' in json.dumps(document.definition)
        if said or any(one.type == "data" for one in build.spec.parameters.values()):
            self.bucket.put_new("none/none", b"")
        for uri, folder in document.copies.items():
            pinned = build.data[uri]
            # What has no version may have changed since it was last uploaded.
            fixed = pinned.sha256 is not None or pinned.version is not None
            if fixed and self.bucket.exists(f"complete/{folder}"):
                continue
            if not (fixed and self.service.copy(pinned, folder)):
                self._send(pinned, folder)
            self.bucket.put(f"complete/{folder}", b"")

    def _send(self, pinned: Pinned, folder: str) -> None:
        """Bring data here, and from here to the bucket."""
        with tempfile.TemporaryDirectory(prefix="waterflow-data-") as place:
            local = Path(place)
            data.fetch(pinned, local)
            files = {
                f"{folder}/{file.relative_to(local).as_posix()}": file
                for file in sorted(local.rglob("*"))
                if file.is_file()
            }
            size = _size(files.values())
            if size >= progress.MUCH:
                progress.tell(f"Uploading {pinned.uri}, {show_size(size)}")
            self.bucket.put_all(files)


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)
