"""What a Kubeflow Pipelines server or its bucket answers, as Waterflow's own errors."""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

from waterflow.cloud.errors import CONFLICT, TRANSIENT, ErrorKind, as_error
from waterflow.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    TransientError,
    WaterflowError,
)

PROVIDER: Final = "kubeflow"

AUTHENTICATION: Final = ErrorKind(
    AuthenticationError,
    "Give a token or a cookie that is still good: token_env, token_file or cookie_env of the "
    "profile say where it is read. See docs/kubeflow.md, Signing in",
)
SIGN_IN: Final = ErrorKind(
    AuthenticationError,
    "Sign in to the bucket's store: aws sso login, gcloud auth application-default login, or the "
    "keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. See docs/kubeflow.md, The bucket",
)
PERMISSION: Final = ErrorKind(
    PermissionDeniedError,
    "Have the role kubeflow-edit in the profile's namespace, and the bucket's policy, given to who "
    "asks. Which actions a pipeline needs: waterflow plan --permissions",
)
NOT_FOUND: Final = ErrorKind(
    NotFoundError, "Check the profile's host, namespace and bucket: waterflow profile show"
)
QUOTA: Final = ErrorKind(
    QuotaError, "Wait until other runs have ended, or have the namespace's ResourceQuota raised"
)
CONNECTION: Final = ErrorKind(
    TransientError,
    "Check the profile's host, the port-forward or the ingress behind it, and the proxy "
    "(HTTPS_PROXY), then try again",
    retryable=True,
)
CERTIFICATE: Final = ErrorKind(
    ProviderError, "Check the profile's host, and name its certificates: ca_file in the profile"
)
REFUSED: Final = ErrorKind(
    ProviderError, "Look at what the pipeline and the profile need: waterflow doctor TARGET"
)

CODES: Final = {
    1: TRANSIENT, 2: TRANSIENT, 3: REFUSED, 4: TRANSIENT, 5: NOT_FOUND, 6: CONFLICT, 7: PERMISSION,
    8: QUOTA, 9: REFUSED, 10: TRANSIENT, 11: REFUSED, 12: REFUSED, 13: TRANSIENT, 14: TRANSIENT,
    15: REFUSED, 16: AUTHENTICATION,
}  # fmt: skip
"""Code of gRPC, as the API server's errors bear it -> how it is told.
https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""
_NAMES: Final = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
STATUSES: Final = {
    301: AUTHENTICATION, 302: AUTHENTICATION, 401: AUTHENTICATION, 403: PERMISSION,
    404: NOT_FOUND, 408: TRANSIENT, 409: CONFLICT, 412: CONFLICT, 429: TRANSIENT,
}  # fmt: skip
"""Status of HTTP -> how it is told, where the body bears no code: an ingress, or an object store.
What signs people in sends those it does not know to a page."""
_BUCKET_CODES: Final = {
    "AccessDenied": PERMISSION, "AuthenticationFailed": SIGN_IN,
    "ExpiredToken": SIGN_IN, "InvalidAccessKeyId": SIGN_IN,
    "NoSuchBucket": NOT_FOUND, "NoSuchKey": NOT_FOUND,
    "SignatureDoesNotMatch": SIGN_IN, "SlowDown": TRANSIENT,
}  # fmt: skip
_CLASSES: Final = {
    "AlreadyExistsError": 409, "FileNotFoundError": 404, "NotFoundError": 404,
    "PermissionDeniedError": 403, "PreconditionError": 412, "UnauthenticatedError": 401,
}  # fmt: skip
"""Class of obstore -> the HTTP status that it stands for, where the words hold none."""
_ANSWER: Final = re.compile(
    r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?", re.DOTALL
)
_STATUS: Final = re.compile(r"status code: (?P<status>\d{3})")


def answered(operation: str, status: int, body: bytes, words: str = "") -> ProviderError:
    """Return the error for what the API server, or what stands before it, answered.

    Args:
        operation: The API's name of the operation.
        status: The HTTP status.
        body: The answer's body: JSON of the API server; another one says nothing.
        words: What is said where the body says nothing.
    """
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = {}
    said = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    code = said.get("code")
    message = str(said.get("message") or said.get("error") or words or f"HTTP status {status}")
    if isinstance(code, int) and code in CODES:
        kind, name = CODES[code], _NAMES[code]
    else:
        kind = STATUSES.get(status, TRANSIENT if status >= 500 else REFUSED)
        name = str(status)
    return as_error(kind, provider=PROVIDER, operation=operation, code=name, message=message)


def translation(error: BaseException, operation: str) -> ProviderError | None:
    """Return what requests raised as one of Waterflow's errors; None for another's error."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("requests.")]
    if not names:
        return None
    words = str(error)
    is_certificate = "SSLError" in names or "CERTIFICATE_VERIFY_FAILED" in words
    kind = CERTIFICATE if is_certificate else CONNECTION
    return as_error(
        kind, provider=PROVIDER, operation=operation, code=type(error).__name__, message=words
    )


def google_error(operation: str, error: BaseException | None) -> WaterflowError | None:
    """Return what google-auth raised as one of Waterflow's errors; None for another's error."""
    if error is None or not type(error).__module__.startswith("google.auth."):
        return None
    return as_error(
        SIGN_IN,
        provider=PROVIDER,
        operation=operation,
        code=type(error).__name__,
        message=str(error).partition("\n")[0].partition(". To set up")[0],
    )


def object_error(operation: str, error: Exception, bucket: str = "") -> WaterflowError:
    """Return what obstore raised as one of Waterflow's errors.

    Args:
        operation: The operation's name.
        error: What was raised.
        bucket: The bucket's name, which a store may leave out where there is none of that name.
    """
    for cause in (error.__cause__, error.__context__):
        if (refusal := google_error(operation, cause)) is not None:
            return refusal
    text = str(error).partition("\n\nDebug source:")[0]
    answer, status = _ANSWER.search(text), _STATUS.search(text)
    code = answer["code"] if answer else ""
    message = (answer["message"] if answer else None) or text.rpartition(" - ")[2]
    if code == "NoSuchBucket" and bucket and bucket not in message:
        message = f"{message.rstrip('.')}: {bucket}"
    number = int(status["status"]) if status else _CLASSES.get(type(error).__name__, 0)
    kind = _BUCKET_CODES.get(code) or (SIGN_IN if number == 401 else STATUSES.get(number))
    if kind is None:
        kind = CONNECTION if not number else TRANSIENT if number >= 500 else REFUSED
    return as_error(
        kind,
        provider=PROVIDER,
        operation=operation,
        code=code or type(error).__name__,
        message=message.partition("\n")[0],
    )
