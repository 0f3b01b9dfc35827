"""Data on the web: pinned by its ETag, or else by the time of its last change."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from waterflow.data.fingerprints import hash_file
from waterflow.data.pinned import Pinned, changed, unreachable
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Generator

_CHUNK: Final = 1024 * 1024
_TIMEOUT: Final = 60.0


def pin(uri: str) -> Pinned:
    """Return a page with its ETag, or else the time of its last change.

    Raises:
        ConfigurationError: It cannot be reached.
    """
    try:
        with _open(uri, "HEAD") as answer:
            return _pinned(uri, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            if error.code not in (403, 405, 501):
                raise unreachable(uri, error) from None
    # Some servers, and addresses signed for GET, refuse HEAD: ask for the content, read none.
    try:
        with _open(uri, "GET") as answer:
            return _pinned(uri, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            raise unreachable(uri, error) from None


def fetch(pinned: Pinned, building: Path) -> str:
    """Write it into a folder, and return the file's name.

    Raises:
        ArtifactError: It is another one now, or broke off.
        ConfigurationError: It cannot be reached.
    """
    name = unquote(Path(urlsplit(pinned.uri).path).name) or "data"
    name = Path(name).name or "data"
    file = building / name
    try:
        with _open(pinned.uri, "GET") as answer:
            now = _pinned(pinned.uri, answer.headers)
            if pinned.version is not None and now.version != pinned.version:
                raise changed(pinned, now.version)
            with file.open("wb") as stream:
                shutil.copyfileobj(answer, stream, _CHUNK)
    except urllib.error.HTTPError as error:
        with error:
            raise ArtifactError(
                f"Data at {pinned.uri} cannot be fetched: {error.code} {error.reason}. "
                "Check the address"
            ) from None
    except OSError as error:
        raise ArtifactError(f"Data at {pinned.uri} broke off: {error}. Try again") from None
    size = file.stat().st_size
    if now.size is not None and size != now.size:
        raise ArtifactError(
            f"Data at {pinned.uri} broke off after {size} of {now.size} bytes. Try again"
        )
    if pinned.sha256 is not None and (sha256 := hash_file(file)) != pinned.sha256:
        raise changed(pinned, f"sha256:{sha256}")
    return name


@contextmanager
def _open(uri: str, method: str) -> Generator[Any]:
    # Any content encoding would change the bytes, and with them the ETag.
    headers = {"Accept-Encoding": "identity"}
    request = urllib.request.Request(uri, method=method, headers=headers)  # noqa: S310 - http(s)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310 - as above
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError) as error:
        raise unreachable(uri, error) from None
    with closing(answer):
        yield answer


def _pinned(uri: str, headers: Any) -> Pinned:
    version = None
    if headers.get("ETag"):
        version = f"etag:{headers['ETag']}"
    elif headers.get("Last-Modified"):
        version = f"last-modified:{headers['Last-Modified']}"
    length = headers.get("Content-Length", "")
    return Pinned(uri, version, size=int(length) if length.isdecimal() else None)
