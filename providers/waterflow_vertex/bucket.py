"""The profile's bucket in Cloud Storage: how obstore reaches it, and what its errors mean."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow_vertex.errors import refusal, translation

if TYPE_CHECKING:
    from obstore.store import GCSStore

    from waterflow.errors import WaterflowError
    from waterflow_vertex.connections import Connections

_ANSWER: Final = re.compile(
    r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?", re.DOTALL
)
_STATUS: Final = re.compile(r"status code: (?P<status>\d{3})|status: (?P<other>\d{3})")
_CLASSES: Final = {
    "AlreadyExistsError": 412,
    "FileNotFoundError": 404,
    "NotFoundError": 404,
    "PermissionDeniedError": 403,
    "PreconditionError": 412,
    "UnauthenticatedError": 401,
}
"""Class of obstore -> the HTTP status that it stands for, where the words hold none."""


def bucket(connections: Connections) -> Bucket:
    """Return the part of the profile's bucket below its prefix.

    Args:
        connections: The ways to Google, whose credentials it takes.
    """
    settings = connections.settings
    uri = f"gs://{settings.bucket}/{settings.prefix}"
    # What is written over is known by its generation: Cloud Storage compares no ETags there.
    error = partial(object_error, bucket=settings.bucket)
    return Bucket(lambda: _store(connections), uri, error, tag="version")


def _store(connections: Connections) -> GCSStore:
    from obstore.store import GCSStore

    credentials: Any = connections.credentials
    from obstore.auth.google import GoogleCredentialProvider

    settings = connections.settings
    return GCSStore(
        settings.bucket,
        prefix=settings.prefix,
        credential_provider=GoogleCredentialProvider(credentials),
        client_options=CLIENT,
        retry_config=RETRIES,
    )


def object_error(operation: str, error: Exception, bucket: str = "") -> WaterflowError:
    """Return what obstore raised as one of Waterflow's errors.

    Its classes are few; the answer that it quotes holds Cloud Storage's code.

    Args:
        operation: The operation's name.
        error: What was raised.
        bucket: The bucket's name, which Cloud Storage leaves out where there is none of that name.
    """
    cause = next((one for one in (error.__cause__, error.__context__) if one is not None), None)
    known = translation(cause, operation) if cause is not None else None
    if known is not None:
        return known  # google-auth was asked for a token
    text = str(error).partition("\n\nDebug source:")[0]
    answer, status = _ANSWER.search(text), _STATUS.search(text)
    code = answer["code"] if answer else ""
    message = (answer["message"] if answer else None) or text.rpartition(" - ")[2]
    if code == "NoSuchBucket" and bucket:
        message = f"{message.rstrip('.')}: {bucket}"
    name = type(error).__name__
    number = int(status["status"] or status["other"]) if status else _CLASSES.get(name, 0)
    return refusal(operation, number, "", code or name, message.partition("\n")[0])
