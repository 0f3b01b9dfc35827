"""The profile's bucket: objects below its prefix, in S3, Azure Blob or Cloud Storage alike."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from waterflow.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from obstore.store import ObjectStore

    from waterflow.errors import WaterflowError

_AT_ONCE: Final = 8
"""Transfers at a time."""
_CHUNK: Final = 8 * 2**20
"""Bytes of a file that are read or written in one piece."""
_TRIES: Final = 6
_PAUSE: Final = 0.2
"""Seconds before a conditional request is sent again, at first."""
_CLOCK: Final = "clock"
"""An object that is written to learn the time by the store's own clock."""

RETRIES: Final[Any] = {
    "max_retries": 10,
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=15),
        "base": 2,
    },
    "retry_timeout": timedelta(minutes=3),
}
"""How patiently a store is asked again: for `retry_config` of obstore."""
CLIENT: Final[Any] = {
    "connect_timeout": "10s",
    "timeout": "120s",
    "user_agent": "waterflow",
}
"""How a store is reached: for `client_options` of obstore."""


@dataclass(frozen=True)
class StoredObject:
    """An object as it was read.

    Attributes:
        content: Its content.
        tag: What tells this content from what is written later.
        age: Seconds since it was written, by the store's own clock.
    """

    content: bytes
    tag: str
    age: float


class Bucket:
    """The part of a bucket or container below the profile's prefix.

    Names of objects are seen from there, with `/` between their parts.

    Args:
        store: The store, with credentials and encryption; made when it is first needed, as whoever
            only plans may have no credentials.
        uri: Where it begins, such as `s3://bucket/prefix`; without a slash at its end.
        translation: Makes one of Waterflow's errors of an operation's name and what obstore raised.
        tag: What the store knows a content by, where another is written over it: Cloud Storage
            has a number of its own for each, its "generation", which obstore calls a version.
    """

    def __init__(
        self,
        store: Callable[[], ObjectStore],
        uri: str,
        translation: Callable[[str, Exception], WaterflowError],
        *,
        tag: Literal["e_tag", "version"] = "e_tag",
    ) -> None:
        self._open, self._uri, self._translation = store, uri, translation
        self._tag: Literal["e_tag", "version"] = tag
        self._store: ObjectStore | None = None

    def open(self) -> ObjectStore:
        """Return the store; made once, and by whoever calls first, so not in several threads.

        Raises:
            MissingDependencyError: obstore, or the cloud's library for credentials, is not there.
            ProviderError: There are no credentials.
        """
        if self._store is None:
            try:
                self._store = self._open()
            except ModuleNotFoundError as error:
                raise MissingDependencyError(
                    error.name or "obstore", f"The bucket {self._uri}", "pip install obstore"
                ) from None
        return self._store

    def uri(self, name: str = "") -> str:
        """Return the address of an object, or of the place where all begin."""
        return f"{self._uri}/{name}"

    def name(self, uri: str) -> str | None:
        """Return the name of an object from its address; None for one that is elsewhere."""
        start = f"{self._uri}/"
        return uri[len(start) :] if uri.startswith(start) else None

    # --- writing --------------------------------------------------------------------------------

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object, replacing one of that name.

        Raises:
            ProviderError: The store refuses, or cannot be reached.
        """
        import obstore

        with self._translated("PutObject"):
            obstore.put(self.open(), name, content, chunk_size=_CHUNK)

    def put_new(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one of that name; return whether it is there now."""
        return self.put_if(name, content, None) is not None

    def put_if(self, name: str, content: bytes, tag: str | None) -> str | None:
        """Write an object only over what is known to be there.

        Args:
            name: Its name.
            content: Its content.
            tag: The tag of what is to be replaced; None where nothing is to be there.

        Returns:
            Its tag; None when something else is there.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if tag is None else {self._tag: tag}

        def send() -> Any:
            return obstore.put(self.open(), name, content, mode=mode, use_multipart=False)

        with self._translated("PutObject"):
            try:
                result = self._again("PutObject", send)
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if isinstance(error, FileNotFoundError) and tag is None:
                    raise  # no object, but the bucket is missing
                # A request whose reply was lost is sent again, and meets what it has written.
                stored = self._get(name)
                if stored is None or stored.bytes().to_bytes() != content:
                    return None
                return str(stored.meta[self._tag])
        return str(result[self._tag])

    def _again(self, operation: str, send: Callable[[], Any]) -> Any:
        """Send what obstore sends once only, as it may not be sent twice as it is.

        What comes of a second one after a lost reply, whoever sends it must know.
        """
        from obstore.exceptions import BaseError

        for number in range(_TRIES):
            try:
                return send()
            except BaseError as error:
                known = self._translation(operation, error)
                if number == _TRIES - 1 or not getattr(known, "retryable", False):
                    raise
                time.sleep(_PAUSE * 2**number)
        raise AssertionError("the last try either returns or raises")

    def put_all(self, objects: Mapping[str, bytes | Path]) -> None:
        """Write several objects at a time."""
        self.open()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for written in [pool.submit(self.put, *item) for item in objects.items()]:
                written.result()

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        import obstore

        with self._translated("DeleteObject"):
            try:
                obstore.delete(self.open(), name)
            except FileNotFoundError:
                return

    # --- reading --------------------------------------------------------------------------------

    def get(self, name: str) -> bytes | None:
        """Return an object's content; None when it is not there."""
        with self._translated("GetObject"):
            answer = self._get(name)
            return None if answer is None else answer.bytes().to_bytes()

    def read(self, name: str) -> StoredObject | None:
        """Return an object with its tag and age; None when it is not there."""
        with self._translated("GetObject"):
            answer = self._get(name)
            if answer is None:
                return None
            content, meta = answer.bytes().to_bytes(), answer.meta
        age = (self._now() - meta["last_modified"]).total_seconds()
        return StoredObject(content, str(meta[self._tag]), age)

    def _get(self, name: str) -> Any:
        import obstore

        try:
            return obstore.get(self.open(), name)
        except FileNotFoundError as error:
            if _bucket_is_missing(error):
                raise
            return None

    def _now(self) -> Any:
        """Return the time by the store's clock: clocks of several machines may differ."""
        import obstore

        self.put(_CLOCK, b"")
        with self._translated("HeadObject"):
            return obstore.head(self.open(), _CLOCK)["last_modified"]

    def exists(self, name: str) -> bool:
        """Say whether there is an object of that name."""
        import obstore

        with self._translated("HeadObject"):
            try:
                obstore.head(self.open(), name)
            except FileNotFoundError:
                return False
        return True

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return those of the names of which there is no object."""
        self.open()
        distinct = list(dict.fromkeys(names))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            present = list(pool.map(self.exists, distinct))
        return {name for name, there in zip(distinct, present, strict=True) if not there}

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the names and sizes of the objects below a folder.

        Args:
            folder: Its name, with or without a slash at its end.
        """
        import obstore

        with self._translated("ListObjects"):
            for page in obstore.list(self.open(), folder.rstrip("/")):
                for meta in page:
                    yield meta["path"], meta["size"]

    def download(self, folder: str, target: Path) -> None:
        """Write all objects below a folder of the bucket into a local folder.

        Args:
            folder: Its name; it ends with a slash.
            target: The local folder, made if missing.
        """
        names = [name for name, _ in self.names(folder)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for name in names:
                (target / name[len(folder) :]).parent.mkdir(parents=True, exist_ok=True)
            for written in [
                pool.submit(self._fetch, name, target / name[len(folder) :]) for name in names
            ]:
                written.result()

    def _fetch(self, name: str, file: Path) -> None:
        import obstore

        with self._translated("GetObject"), file.open("wb") as stream:
            for chunk in obstore.get(self.open(), name).stream(min_chunk_size=_CHUNK):
                stream.write(chunk)

    @contextmanager
    def _translated(self, operation: str) -> Generator[None]:
        """Raise what obstore raises inside as one of Waterflow's errors."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError) as error:
            raise self._translation(operation, error) from error


def _bucket_is_missing(error: FileNotFoundError) -> bool:
    """Say whether it is the bucket that is not there, and not the object.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
    """
    text = str(error)
    return "NoSuchBucket" in text or "ContainerNotFound" in text
