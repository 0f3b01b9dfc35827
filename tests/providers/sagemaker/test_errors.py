"""What AWS and botocore raise, as Waterflow's errors."""

from __future__ import annotations

import socket

import boto3
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as native
from botocore.config import Config
from botocore.exceptions import ClientError
from waterflow_sagemaker.errors import CODES, translated, translation

from waterflow import errors


def answered(code: str, message: str = "It says no.", status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "DescribePipeline",
    )


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (answered("ExpiredTokenException"), errors.AuthenticationError, False),
        (answered("UnrecognizedClientException"), errors.AuthenticationError, False),
        (answered("AccessDeniedException"), errors.PermissionDeniedError, False),
        (answered("ResourceLimitExceeded"), errors.QuotaError, False),
        (answered("ServiceQuotaExceededException", status=402), errors.QuotaError, False),
        (answered("ResourceNotFound"), errors.NotFoundError, False),
        (answered("NoSuchKey", status=404), errors.NotFoundError, False),
        (answered("404", "Not Found", 404), errors.NotFoundError, False),
        (answered("ValidationException", "Job not found."), errors.NotFoundError, False),
        (answered("ValidationException", "Could not find the job"), errors.NotFoundError, False),
        (answered("ConflictException"), errors.ConflictError, False),
        (answered("PreconditionFailed", status=412), errors.ConflictError, False),
        (answered("ThrottlingException"), errors.TransientError, True),
        (answered("SlowDown", status=503), errors.TransientError, True),
        (answered("Whatever", status=502), errors.TransientError, True),
        (answered("Whatever", status=403), errors.PermissionDeniedError, False),
        (answered("Whatever", status=429), errors.TransientError, True),
        (answered("ValidationException", "1 validation error"), errors.ProviderError, False),
        (native.NoCredentialsError(), errors.AuthenticationError, False),
        (native.PartialCredentialsError(provider="env", cred_var="X"),
         errors.AuthenticationError, False),
        (native.TokenRetrievalError(provider="sso", error_msg="x"),
         errors.AuthenticationError, False),
        (native.UnauthorizedSSOTokenError(), errors.AuthenticationError, False),
        (native.EndpointConnectionError(endpoint_url="http://x"), errors.TransientError, True),
        (native.ConnectTimeoutError(endpoint_url="http://x"), errors.TransientError, True),
        (native.ReadTimeoutError(endpoint_url="http://x"), errors.TransientError, True),
        (native.ConnectionClosedError(endpoint_url="http://x"), errors.TransientError, True),
        (native.SSLError(endpoint_url="http://x", error="bad"), errors.ProviderError, False),
        (native.ParamValidationError(report="x"), errors.ProviderError, False),
        (native.DataNotFoundError(data_path="x"), errors.ProviderError, False),
    ],
)  # fmt: skip
def test_each_kind(error: Exception, kind: type[errors.ProviderError], retryable: bool) -> None:
    with pytest.raises(kind) as raised, translated("DescribePipeline"):
        raise error
    refusal = raised.value
    assert type(refusal) is kind
    assert (refusal.provider, refusal.operation) == ("sagemaker", "DescribePipeline")
    assert refusal.retryable is retryable
    assert refusal.native_code in str(refusal)
    assert refusal.__cause__ is error
    assert str(refusal).startswith("DescribePipeline: ")
    assert "\n" not in str(refusal)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_says_what_to_do_next(code: str) -> None:
    refusal = translation(answered(code), "StartPipelineExecution")
    assert isinstance(refusal, CODES[code].error)
    assert str(refusal) == f"StartPipelineExecution: It says no ({code}). {CODES[code].hint}"


@pytest.mark.parametrize(
    "error", [native.NoRegionError(), native.ProfileNotFound(profile="work")], ids=str
)
def test_a_wrong_set_up_is_the_users(error: Exception) -> None:
    with pytest.raises(errors.ConfigurationError, match="AWS_PROFILE"), translated("ListPipelines"):
        raise error


def test_a_failed_transfer_tells_what_failed_in_it() -> None:
    outer = S3UploadFailedError("Failed to upload x")
    outer.__context__ = answered("AccessDenied")  # as boto3 raises it
    refusal = translation(outer, "PutObject")
    assert isinstance(refusal, errors.PermissionDeniedError)
    assert refusal.native_code == "AccessDenied"
    assert isinstance(translation(S3UploadFailedError("alone"), "PutObject"), errors.TransientError)


@pytest.mark.parametrize("error", [ValueError("x"), errors.ConfigurationError("x"), OSError("x")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated("ListPipelines"):
        raise error
    assert raised.value is error


def test_a_service_that_does_not_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, never listening
        client = boto3.client(
            "sagemaker",
            region_name="eu-west-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
            endpoint_url=f"http://127.0.0.1:{unused.getsockname()[1]}",
            config=Config(retries={"max_attempts": 0}),
        )
        network = pytest.raises(errors.TransientError, match="Check the network")
        with network as raised, translated("ListPipelines"):
            client.list_pipelines()
    assert raised.value.native_code == "EndpointConnectionError"
