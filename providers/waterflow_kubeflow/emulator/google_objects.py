"""Cloud Storage as the emulator's pods reach it: the one that the emulator's own environment does.

It is Google's, or that of `waterflow emulate vertex` where the emulator is started within it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.errors import FAILED_PRECONDITION, TaskError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SCHEME: Final = "gs://"
_ADDRESS: Final = re.compile(r"gs://(?P<bucket>[^/]+)/(?P<key>.+)")


def bring(uri: str, target: Path) -> bool:
    """Copy the object or the objects below an address; return whether there is any.

    Raises:
        TaskError: There are no credentials, or Cloud Storage refuses.
    """
    import obstore

    with _opened(uri) as (store, key):
        names = [one["path"] for page in obstore.list(store, key.rstrip("/")) for one in page]
        try:
            content = obstore.get(store, key).bytes().to_bytes() if not names else None
        except FileNotFoundError:
            return False
        if content is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for name in names:
            file = target / name[len(key.rstrip("/")) + 1 :]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(obstore.get(store, name).bytes().to_bytes())
    return True


def take(source: Path, uri: str) -> None:
    """Copy a file or a folder to an address.

    Raises:
        TaskError: There are no credentials, or Cloud Storage refuses.
    """
    import obstore

    with _opened(uri) as (store, key):
        files = (
            [source] if source.is_file() else sorted(f for f in source.rglob("*") if f.is_file())
        )
        for file in files:
            name = key if file == source else f"{key}/{file.relative_to(source).as_posix()}"
            obstore.put(store, name, file.read_bytes())


@contextmanager
def _opened(uri: str) -> Generator[tuple[Any, str]]:
    from google.auth.exceptions import GoogleAuthError
    from obstore.auth.google import GoogleCredentialProvider
    from obstore.exceptions import BaseError
    from obstore.store import GCSStore

    match = _ADDRESS.fullmatch(uri)
    if match is None:
        raise TaskError(f"{uri} is no address in Cloud Storage", FAILED_PRECONDITION)
    try:
        credentials = GoogleCredentialProvider()
        yield GCSStore(match["bucket"], credential_provider=credentials), match["key"]
    except (BaseError, FileNotFoundError, PermissionError, GoogleAuthError) as error:
        words = str(error).partition("\n")[0]
        raise TaskError(
            f"failed to open bucket {match['bucket']}: {words}", FAILED_PRECONDITION
        ) from None
