"""What Google or the way to it answers, as Waterflow's own errors, with the next thing to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.errors import (
    CONFLICT,
    TRANSIENT,
    ErrorKind,
    as_error,
    by_name,
    raised_as,
)
from waterflow.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

PROVIDER: Final = "vertex"

AUTHENTICATION: Final = ErrorKind(
    AuthenticationError,
    "Sign in (gcloud auth application-default login) or name a credentials file "
    "(GOOGLE_APPLICATION_CREDENTIALS), then try: gcloud auth application-default "
    "print-access-token",
)
PERMISSION: Final = ErrorKind(
    PermissionDeniedError,
    "Have a role granted that allows it to the one who asks. Which permissions a pipeline needs: "
    "waterflow plan TARGET --permissions",
)
DISABLED: Final = ErrorKind(
    PermissionDeniedError,
    "Enable the API, wait a minute, and try again: gcloud services enable",
)
QUOTA: Final = ErrorKind(
    QuotaError,
    "Wait until other jobs have ended, choose another machine or region, or ask for more: "
    "https://console.cloud.google.com/iam-admin/quotas?service=aiplatform.googleapis.com",
)
CAPACITY: Final = ErrorKind(
    QuotaError,
    "Google has no such machine free there now: try again later, or choose another machine or "
    "region",
)
NOT_FOUND: Final = ErrorKind(
    NotFoundError,
    "Check the name, and the profile's project, region and bucket: waterflow profile show",
)
CONNECTION: Final = ErrorKind(
    TransientError,
    "Check the network and the proxy (HTTPS_PROXY), then try again",
    retryable=True,
)
CERTIFICATE: Final = ErrorKind(
    ProviderError, "Check the proxy, and name its certificates: REQUESTS_CA_BUNDLE=FILE"
)
REFUSED: Final = ErrorKind(
    ProviderError, "Look at what the pipeline and the profile need: waterflow doctor TARGET"
)

REASONS: Final = by_name(
    (AUTHENTICATION, (
        "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "ACCOUNT_STATE_INVALID", "CREDENTIALS_MISSING", "SESSION_COOKIE_INVALID",
    )),
    (PERMISSION, (
        "BILLING_DISABLED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "IAM_PERMISSION_DENIED",
        "LOCATION_POLICY_VIOLATED", "ORG_RESTRICTION_VIOLATION", "RESOURCE_PROJECT_INVALID",
        "SECURITY_POLICY_VIOLATED", "USER_PROJECT_DENIED", "VPC_SERVICE_CONTROLS",
        "forbidden", "insufficientPermissions",
    )),
    (DISABLED, ("SERVICE_DISABLED", "accessNotConfigured")),
    (TRANSIENT, (
        "RATE_LIMIT_EXCEEDED", "backendError", "rateLimitExceeded", "userRateLimitExceeded",
    )),
    (QUOTA, ("RESOURCE_QUOTA_EXCEEDED", "quotaExceeded")),
    (CAPACITY, (
        "RESOURCE_POOL_EXHAUSTED", "STOCKOUT", "ZONE_RESOURCE_POOL_EXHAUSTED",
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
    )),
    (NOT_FOUND, ("NoSuchBucket", "NoSuchKey", "notFound")),
    (CONFLICT, ("PreconditionFailed", "conditionNotMet", "conflict")),
)  # fmt: skip
"""Reason of an answer -> how it is told.
https://cloud.google.com/apis/design/errors#error_info
https://cloud.google.com/storage/docs/json_api/v1/status-codes"""

CODES: Final = by_name(
    (AUTHENTICATION, ("UNAUTHENTICATED",)),
    (PERMISSION, ("PERMISSION_DENIED",)),
    (NOT_FOUND, ("NOT_FOUND",)),
    (CONFLICT, ("ABORTED", "ALREADY_EXISTS")),
    (TRANSIENT, ("DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE")),
)  # fmt: skip
"""Canonical code -> how it is told: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""

NUMBERS: Final = {
    1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
    6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED",
    13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS", 16: "UNAUTHENTICATED",
}  # fmt: skip
"""Number of a canonical code -> its name, for the errors of jobs and operations."""

_STATUSES: Final = {
    401: AUTHENTICATION,
    403: PERMISSION,
    404: NOT_FOUND,
    408: TRANSIENT,
    409: CONFLICT,
    412: CONFLICT,
    429: TRANSIENT,
}
_UNKNOWN: Final = 501
"""The status of what a service does not have at all."""
_RATES: Final = ("per minute", "per second", "per 100 seconds", "rate limit", "too many requests")
"""What an exhausted rate is told with: it is there again in a moment, other quotas are not.
https://cloud.google.com/docs/quotas/troubleshoot"""
_WORDS: Final = (
    ("resources are insufficient in region", CAPACITY),
    ("does not have enough resources available", CAPACITY),
    ("stockout", CAPACITY),
    ("quotas are exceeded", QUOTA),
    ("exceeds the maximum quota", QUOTA),
    ("quota exceeded", QUOTA),
    ("exceeded quota", QUOTA),
    ("iam.serviceaccounts.actas", PERMISSION),
)
"""What Vertex AI's own messages hold, whose codes say less.
https://cloud.google.com/vertex-ai/docs/general/troubleshooting"""
_CLASSES: Final = by_name(
    (AUTHENTICATION, ("DefaultCredentialsError", "ReauthFailError", "RefreshError")),
    (CERTIFICATE, ("SSLError",)),
    (CONNECTION, (
        "ChunkedEncodingError", "ConnectionError", "ContentDecodingError", "IncompleteRead",
        "ProtocolError", "RetryError", "Timeout", "TimeoutError", "TransportError",
    )),
)  # fmt: skip
"""Class of google-auth or requests, or one that it derives from -> how it is told."""


def translated(operation: str) -> AbstractContextManager[None]:
    """Raise what google-auth and requests raise inside as Waterflow's errors.

    Args:
        operation: Google's name of the operation.

    Raises:
        ProviderError: Google refused, or could not be reached.
    """
    return raised_as(translation, operation)


def translation(error: BaseException, operation: str) -> ProviderError | None:
    """Return a native error as one of Waterflow's; None for an error that is not of the door's."""
    names = [
        cls.__name__
        for cls in type(error).__mro__
        if cls.__module__.startswith(("google.auth", "requests.", "urllib3."))
    ]
    if not names:
        return None
    kind = next((_CLASSES[name] for name in names if name in _CLASSES), ErrorKind(ProviderError))
    words = str(error.args[0]) if error.args else str(error)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        kind = CERTIFICATE
    elif "RefreshError" in names and getattr(error, "retryable", False):
        kind = CONNECTION
    if kind is AUTHENTICATION:
        words = words.partition(" To set up")[0].partition("\n")[0]
    return _as_error(kind, operation, type(error).__name__, words)


def answered(operation: str, status: int, body: bytes, words: str = "") -> ProviderError:
    """Return the error for what a service answered.

    Args:
        operation: Google's name of the operation.
        status: The HTTP status.
        body: The answer's body: Google's JSON; another one says nothing.
        words: What is said where the body says nothing.
    """
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = {}
    error: Any = cast("dict[str, Any]", answer).get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        error = {"message": error} if isinstance(error, str) else {}
    code, reason, message = told(cast("dict[str, Any]", error))
    return refusal(operation, status, code, reason, message or words)


def refusal(operation: str, status: int, code: str, reason: str, message: str) -> ProviderError:
    """Return the error of a refusal.

    Args:
        operation: Google's name of the operation.
        status: The HTTP status; 0 where nothing was answered.
        code: The canonical code, such as "PERMISSION_DENIED".
        reason: The reason that goes with it; "" for none.
        message: Google's words.
    """
    kind = kind_of(code, reason, message) or _STATUSES.get(status)
    if kind is None and not status:
        kind = CONNECTION
    if kind is None:
        kind = TRANSIENT if status >= 500 and status != _UNKNOWN else REFUSED
    name = reason or code or str(status)
    return _as_error(kind, operation, name, message or f"HTTP status {status}")


def kind_of(code: str, reason: str, message: str) -> ErrorKind | None:
    """Return how a refusal is told; None where neither codes nor words say.

    Args:
        code: The canonical code.
        reason: The reason that goes with it.
        message: Google's words.
    """
    if reason in REASONS:
        return REASONS[reason]
    low = message.lower()
    if code == "RESOURCE_EXHAUSTED":
        if any(words in low for words in _RATES):
            return TRANSIENT
        return next((kind for words, kind in _WORDS if words in low), QUOTA)
    if code in CODES and code not in ("INTERNAL", "UNAVAILABLE"):
        return CODES[code]
    return next((kind for words, kind in _WORDS if words in low), CODES.get(code))


def told(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the canonical code, the reason and the words of an error.

    Args:
        error: An error in the shape of Google's APIs, of a job, or of Cloud Storage's.
    """
    number = error.get("code")
    code = str(error.get("status") or NUMBERS.get(number if isinstance(number, int) else 0, ""))
    message, reason = str(error.get("message") or ""), ""
    for detail in (*_listed(error.get("details")), *_listed(error.get("errors"))):
        if not reason and detail.get("reason"):
            reason = str(detail["reason"])
    return code, reason, message


def _listed(value: Any) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [one for one in items if isinstance(one, dict)]


def failure(error: Mapping[str, Any] | None) -> str | None:
    """Return Google's own words for why a task or a job failed, with the next thing to do.

    Args:
        error: A `google.rpc.Status` in JSON; None or nothing in it for no failure.
    """
    if not error:
        return None
    code, reason, message = told(error)
    kind = kind_of(code, reason, message)
    words = " ".join(message.split()).rstrip(".")
    name = reason or code
    named = f"{words} ({name})" if name and words else words or name
    if not named:
        return None
    return f"{named}. {kind.hint}" if kind is not None and kind.hint else f"{named}."


def _as_error(kind: ErrorKind, operation: str, code: str, message: str) -> ProviderError:
    return as_error(kind, provider=PROVIDER, operation=operation, code=code, message=message)
