"""What Azure or the way to it answers, as Waterflow's own errors, with the next thing to do."""

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

PROVIDER: Final = "azureml"

AUTHENTICATION: Final = ErrorKind(
    AuthenticationError,
    "Sign in (az login) or name a service principal (AZURE_CLIENT_ID and its kin), then see who "
    "you are: az account show",
)
PERMISSION: Final = ErrorKind(
    PermissionDeniedError,
    "Have the role that allows it assigned to the one who asks (az account show). Which actions a "
    "pipeline needs: waterflow plan --permissions",
)
QUOTA: Final = ErrorKind(
    QuotaError,
    "Wait until other jobs have ended, choose another machine or region, or ask for more: "
    "https://ml.azure.com/quota",
)
NOT_FOUND: Final = ErrorKind(
    NotFoundError,
    "Check the name, and the profile's subscription, resource group and workspace: "
    "waterflow profile show",
)
CONNECTION: Final = ErrorKind(
    TransientError,
    "Check the network and the proxy (HTTPS_PROXY), then try again",
    retryable=True,
)
CERTIFICATE: Final = ErrorKind(
    ProviderError, "Check the proxy, and name its certificates: REQUESTS_CA_BUNDLE=FILE"
)
IMAGE: Final = ErrorKind(
    ProviderError,
    "Look at the log of the image: waterflow logs RUN. Then correct the image's name or the "
    "requirements, and see that the workspace may pull from its registry",
)
REFUSED: Final = ErrorKind(
    ProviderError, "Look at what the pipeline and the profile need: waterflow doctor TARGET"
)

CODES: Final = by_name(
    (AUTHENTICATION, (
        "AADSTS700016", "AuthenticationFailed", "AuthenticationFailedInvalidHeader",
        "ExpiredAuthenticationToken", "InvalidAuthenticationInfo", "InvalidAuthenticationToken",
        "InvalidAuthenticationTokenAudience", "InvalidAuthenticationTokenTenant",
        "NoAuthenticationInformation", "Unauthorized",
    )),
    (PERMISSION, (
        "AuthorizationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch",
        "AuthorizationSourceIPMismatch", "Forbidden", "ForbiddenByFirewall", "ForbiddenByPolicy",
        "ForbiddenByRbac", "InsufficientAccountPermissions", "LinkedAuthorizationFailed",
        "KeyBasedAuthenticationNotPermitted", "PublicAccessNotPermitted",
        "RequestDisallowedByPolicy",
    )),
    (QUOTA, (
        "AllocationFailed", "ClusterCoreQuotaReached", "ClusterMinNodesExceedCoreQuota",
        "DiskFull", "InsufficientCapacity", "OperationNotAllowedOnQuota", "OutOfCapacity",
        "OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest",
        "QuotaExceeded", "ResourceQuotaExceeded", "SkuNotAvailable", "TotalCoreQuotaReached",
        "VirtualMachineQuotaExceeded", "VMFamilyQuotaReached", "ZonalAllocationFailed",
    )),
    (IMAGE, (
        "DockerBuildFailed", "DockerPullFailed", "EnvironmentBuildFailed", "ImageBuildFailed",
        "ImageBuildFailure", "ImageMaterializationFailed", "ImageNotFound", "ImagePullFailure",
    )),
    (NOT_FOUND, (
        "BlobNotFound", "ComputeNotFound", "ContainerNotFound", "EntityNotFound",
        "FilesystemNotFound", "InvalidSubscriptionId", "NotFound", "PathNotFound",
        "ParentResourceNotFound", "ResourceGroupNotFound", "ResourceNotFound", "SecretNotFound",
        "SubscriptionNotFound", "VaultNotFound", "WorkspaceNotFound",
    )),
    (CONFLICT, (
        "AnotherOperationInProgress", "BlobAlreadyExists", "ConditionNotMet", "Conflict",
        "ContainerAlreadyExists", "ImmutablePropertyChanged", "LeaseAlreadyPresent",
        "PathAlreadyExists", "ResourceAlreadyExists", "RoleAssignmentExists",
        "TargetConditionNotMet",
    )),
    (TRANSIENT, (
        "GatewayTimeout", "InternalError", "InternalServerError", "OperationTimedOut",
        "RequestThrottled", "ServerBusy", "ServerTimeout", "ServiceError", "ServiceUnavailable",
        "Throttled", "TooManyRequests", "TransientError",
    )),
)  # fmt: skip
"""Azure's error code -> how it is told.
https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/common-deployment-errors
https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes
https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes"""

_STATUSES: Final = {
    401: AUTHENTICATION,
    403: PERMISSION,
    404: NOT_FOUND,
    408: TRANSIENT,
    409: CONFLICT,
    412: CONFLICT,
    429: TRANSIENT,
}
_CLASSES: Final = by_name(
    (AUTHENTICATION, ("ClientAuthenticationError", "CredentialUnavailableError")),
    (CONNECTION, (
        "IncompleteReadError", "ServiceRequestError", "ServiceResponseError",
        "StreamClosedError", "StreamConsumedError",
    )),
)  # fmt: skip
"""Class of azure-core or azure-identity, or one that it derives from -> how it is told."""
_UNKNOWN: Final = 501
"""The status of what a service does not have at all."""
_WIDE: Final = ("BadRequest", "BadArgument", "UserError", "ValidationError", "OperationNotAllowed")
"""Codes that say little: what is within them, or in their words, says more."""
_WORDS: Final = (
    ("quota", QUOTA),
    ("not found", NOT_FOUND),
    ("does not exist", NOT_FOUND),
)


def translated(operation: str) -> AbstractContextManager[None]:
    """Raise what azure-core and azure-identity raise inside as Waterflow's errors.

    Args:
        operation: Azure's name of the operation.

    Raises:
        ProviderError: Azure refused, or could not be reached.
    """
    return raised_as(translation, operation)


def translation(error: BaseException, operation: str) -> ProviderError | None:
    """Return a native error as one of Waterflow's; None for an error that is not of Azure."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("azure.")]
    if not names:
        return None
    response: Any = getattr(error, "response", None)
    if "HttpResponseError" in names and response is not None and "AzureError" in names:
        return answered(operation, response.status_code, _body(response), str(error))
    kind = next((_CLASSES[name] for name in names if name in _CLASSES), ErrorKind(ProviderError))
    if kind.error is ProviderError and "HttpResponseError" in names:
        kind = CONNECTION  # an answer that broke off
    words = str(error)
    if kind is CONNECTION and "CERTIFICATE_VERIFY_FAILED" in words:
        kind = CERTIFICATE
    if kind is AUTHENTICATION:
        # The chain of credentials tells each of its ten ways at length: one line is for people.
        words = words.partition("\nAttempted credentials")[0].partition("\nTo mitigate")[0]
    return _as_error(kind, operation, type(error).__name__, words)


def _body(response: Any) -> bytes:
    try:
        return bytes(response.body())
    except Exception:  # noqa: BLE001 - a body that cannot be read says nothing
        return b""


def answered(operation: str, status: int, body: bytes, words: str = "") -> ProviderError:
    """Return the error for what a service answered.

    Args:
        operation: Azure's name of the operation.
        status: The HTTP status.
        body: The answer's body: ARM's and the data planes' JSON; another one says nothing.
        words: What is said where the body says nothing.
    """
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = {}
    error: Any = answer.get("error", answer) if isinstance(answer, dict) else {}
    code, message = told(error if isinstance(error, dict) else {})
    return refusal(operation, status, code, message or words)


def refusal(operation: str, status: int, code: str, message: str) -> ProviderError:
    """Return the error of a refusal.

    Args:
        operation: Azure's name of the operation.
        status: The HTTP status; 0 where nothing was answered.
        code: Azure's code.
        message: Azure's words.
    """
    kind = kind_of(code, message) or _STATUSES.get(status)
    if kind is None and not status:
        kind = CONNECTION
    if kind is None:
        kind = TRANSIENT if status >= 500 and status != _UNKNOWN else REFUSED
    return _as_error(kind, operation, code or str(status), message or f"HTTP status {status}")


def kind_of(code: str, message: str) -> ErrorKind | None:
    """Return how a code is told; None where neither it nor the words say."""
    kind = CODES.get(code)
    if kind is None and (not code or code in _WIDE):
        low = message.lower()
        kind = next((kind for words, kind in _WORDS if words in low), None)
    return kind


def told(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the words of an error, of the innermost part that Azure has a name for.

    Args:
        error: An error in ARM's shape, or in run history's.
    """
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    inner: Any = error.get("innerError") or error.get("innererror")
    parts: list[Any] = [inner] if isinstance(inner, dict) else []
    details: Any = error.get("details")
    if isinstance(details, list):
        parts += cast("list[Any]", details)
    for part in parts:
        if isinstance(part, dict):
            within, words = told(cast("dict[str, Any]", part))
            if within in CODES and code not in CODES:
                return within, words or message
            if not message:
                message = words
    return code, message


def _as_error(kind: ErrorKind, operation: str, code: str, message: str) -> ProviderError:
    return as_error(kind, provider=PROVIDER, operation=operation, code=code, message=message)
