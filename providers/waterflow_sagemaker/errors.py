"""What AWS or the way to it answers, as Waterflow's own errors, each with the next thing to do."""

from __future__ import annotations

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
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    TransientError,
    WaterflowError,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PROVIDER: Final = "sagemaker"


AUTHENTICATION: Final = ErrorKind(
    AuthenticationError,
    "Sign in (aws sso login, or aws configure) or name other credentials (AWS_PROFILE), then see "
    "who you are: aws sts get-caller-identity",
)
PERMISSION: Final = ErrorKind(
    PermissionDeniedError,
    "Have the action allowed for the one who asks, whom this names: aws sts get-caller-identity",
)
QUOTA: Final = ErrorKind(
    QuotaError,
    "Wait until other jobs have ended, choose another machine or region, or ask for more: "
    "https://console.aws.amazon.com/servicequotas",
)
NOT_FOUND: Final = ErrorKind(
    NotFoundError, "Check the name, and the profile's region and account: waterflow profile show"
)
CONNECTION: Final = ErrorKind(
    TransientError,
    "Check the network, the proxy (HTTPS_PROXY) and the profile's region, then try again",
    retryable=True,
)
CERTIFICATE: Final = ErrorKind(
    ProviderError, "Check the proxy, and name its certificates: AWS_CA_BUNDLE=FILE"
)
REFUSED: Final = ErrorKind(
    ProviderError, "For all that is wrong with it: waterflow validate TARGET"
)


CODES: Final = by_name(
    (AUTHENTICATION, (
        "AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
        "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException", "InvalidToken",
        "MissingAuthenticationToken", "MissingAuthenticationTokenException", "RequestExpired",
        "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
        "UnrecognizedClientException", "401",
    )),
    (PERMISSION, (
        "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthorizationError",
        "NotAuthorized", "OptInRequired", "UnauthorizedOperation", "403", "Forbidden",
    )),
    (QUOTA, (
        "CapacityError", "InsufficientCapacityException", "LimitExceededException",
        "QuotaExceededException", "ResourceLimitExceeded", "ServiceQuotaExceededException",
        "TooManyBuckets",
    )),
    (NOT_FOUND, (
        "ImageNotFoundException", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NoSuchVersion",
        "NotFound", "RepositoryNotFoundException", "ResourceNotFound",
        "ResourceNotFoundException", "404",
    )),
    (CONFLICT, (
        "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "ConditionalRequestConflict",
        "ConflictException", "EntityAlreadyExists", "OperationAborted", "PreconditionFailed",
        "ResourceExistsException", "ResourceInUse", "ResourceInUseException", "409", "412",
    )),
    (TRANSIENT, (
        "BandwidthLimitExceeded", "InternalError", "InternalFailure", "InternalServerError",
        "InternalServerException", "PriorRequestNotComplete", "RequestLimitExceeded",
        "RequestThrottled", "RequestThrottledException", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException", "SlowDown",
        "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
        "429", "500", "502", "503", "504",
    )),
)  # fmt: skip
"""AWS's error code -> how it is told.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html"""

CLASSES: Final = by_name(
    (AUTHENTICATION, (
        "CredentialRetrievalError", "LoginError", "MetadataRetrievalError", "NoAuthTokenError",
        "NoCredentialsError", "PartialCredentialsError", "RefreshWithMFAUnsupportedError",
        "SSOError", "TokenRetrievalError", "UnknownCredentialError",
    )),
    (CERTIFICATE, ("SSLError",)),
    (CONNECTION, (
        "ConnectionClosedError", "ConnectionError", "HTTPClientError", "IncompleteReadError",
        "ProxyConnectionError", "ResponseStreamingError",
    )),
    (REFUSED, ("ParamValidationError",)),
)  # fmt: skip
"""Class of botocore, or one that it derives from -> how it is told."""

_SETUP: Final = {
    "ConfigNotFound", "ConfigParseError", "InvalidConfigError", "InvalidRegionError",
    "NoRegionError", "ProfileNotFound", "UnknownRegionError",
}  # fmt: skip
"""Classes of botocore that tell of a wrong set-up of this machine."""
_STATUSES: Final = {
    401: AUTHENTICATION,
    403: PERMISSION,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    429: TRANSIENT,
}
_MISSING: Final = ("not found", "could not find", "does not exist")


def translated(operation: str) -> AbstractContextManager[None]:
    """Raise what botocore raises inside as Waterflow's errors.

    Args:
        operation: AWS's name of the operation.

    Raises:
        ProviderError: AWS refused, or could not be reached.
        ConfigurationError: This machine's AWS set-up is wrong.
    """
    return raised_as(translation, operation)


def translation(error: BaseException, operation: str) -> WaterflowError | None:
    """Return a native error as one of Waterflow's; None for an error that is not of AWS."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("boto")]
    if not names:
        return None
    if "Boto3Error" in names:  # boto3's transfers tell what went wrong by what they handled
        inner = error.__cause__ or error.__context__
        cause = translation(inner, operation) if inner is not None else None
        return cause or _as_error(TRANSIENT, operation, type(error).__name__, str(error))
    if "ClientError" in names:
        return _answered(cast("Any", error), operation)
    if _SETUP & set(names):
        return ConfigurationError(
            f"{operation}: {error}. Set the AWS profile or region: AWS_PROFILE, or `region` in the "
            "Waterflow profile"
        )
    kind = next((CLASSES[name] for name in names if name in CLASSES), None)
    return _as_error(kind or ErrorKind(ProviderError), operation, type(error).__name__, str(error))


def _answered(error: Any, operation: str) -> ProviderError:
    """Return the error for what a service answered."""
    answer: dict[str, Any] = error.response.get("Error", {})
    return answered(
        operation,
        str(answer.get("Code", "")),
        str(answer.get("Message", "")).strip(),
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0),
        str(answer.get("BucketName", "")),
    )


def answered(
    operation: str, code: str, message: str, status: int, bucket: str = ""
) -> ProviderError:
    """Return the error for what a service answered.

    Args:
        operation: AWS's name of the operation.
        code: AWS's code.
        message: AWS's message.
        status: The HTTP status; 0 where nothing was answered.
        bucket: The bucket that the answer names.
    """
    kind = CODES.get(code)
    if kind is None and code.startswith("Validation"):
        # SageMaker says so of jobs that it does not know.
        absent = any(words in message.lower() for words in _MISSING)
        kind = NOT_FOUND if absent else REFUSED
    if kind is None:
        kind = TRANSIENT if status >= 500 or not status else _STATUSES.get(status, REFUSED)
    if code == "NoSuchBucket" and bucket:
        message = f"there is no bucket '{bucket}'"
    return _as_error(kind, operation, code, message or f"HTTP status {status}")


def _as_error(kind: ErrorKind, operation: str, code: str, message: str) -> ProviderError:
    return as_error(kind, provider=PROVIDER, operation=operation, code=code, message=message)
