"""The profile's bucket in S3: how obstore reaches it, and what its errors are in AWS's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow.errors import AuthenticationError, WaterflowError
from waterflow_sagemaker.errors import PROVIDER, answered, translation

if TYPE_CHECKING:
    from obstore.store import S3Store

    from waterflow_sagemaker.connections import Connections

_ANSWER: Final = re.compile(
    r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?"
    r"(?:.*?<BucketName>(?P<bucket>[^<]*)</BucketName>)?",
    re.DOTALL,
)
_STATUS: Final = re.compile(r"status code: (?P<status>\d{3})")


def bucket(connections: Connections) -> Bucket:
    """Return the part of the profile's bucket below its prefix.

    Args:
        connections: The AWS clients, whose credentials and endpoint it takes.
    """
    settings = connections.settings
    uri = f"s3://{settings.bucket}/{settings.prefix}"
    return Bucket(lambda: _store(connections), uri, object_error)


def _store(connections: Connections) -> S3Store:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    settings, session = connections.settings, connections.session
    key = settings.kms_key
    encryption: Any = (
        {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": key}
        if key
        else {"aws_server_side_encryption": "AES256"}
    )
    endpoint = connections.endpoint("s3")
    client: Any = {**CLIENT, "allow_http": endpoint.startswith("http://")}
    try:
        credentials = Boto3CredentialProvider(session)
    except ValueError:
        raise AuthenticationError(
            "There are no AWS credentials. Sign in (aws sso login, or aws configure) or name them "
            "(AWS_PROFILE), then see who you are: aws sts get-caller-identity",
            provider=PROVIDER,
            operation="s3",
        ) from None
    return S3Store(
        settings.bucket,
        prefix=settings.prefix,
        region=settings.region,
        endpoint=endpoint,
        credential_provider=credentials,
        config=encryption,
        client_options=client,
        retry_config=RETRIES,
    )


def object_error(operation: str, error: Exception) -> WaterflowError:
    """Return what obstore raised as one of Waterflow's errors.

    Its classes are few; the answer that it quotes holds AWS's code.

    Args:
        operation: S3's name of the operation.
        error: What was raised.
    """
    cause = next((one for one in (error.__cause__, error.__context__) if one is not None), None)
    known = translation(cause, operation) if cause is not None else None
    if known is not None:
        return known  # boto3 was asked for credentials
    text = str(error).partition("\n\nDebug source:")[0]
    answer, status = _ANSWER.search(text), _STATUS.search(text)
    code = answer["code"] if answer else ""
    message = (answer["message"] if answer else None) or text.rpartition(" - ")[2]
    return answered(
        operation,
        code or type(error).__name__,
        message,
        int(status["status"]) if status else 0,
        (answer["bucket"] if answer else None) or "",
    )
