"""What Google answers becomes Waterflow's errors, each with the next thing to do."""

from __future__ import annotations

import json

import pytest
import requests
from google.auth import exceptions
from obstore.exceptions import GenericError, PreconditionError
from waterflow_vertex.bucket import object_error
from waterflow_vertex.errors import answered, failure, translation

from waterflow.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    TransientError,
)

ACT_AS = "You do not have permission to act as service_account: jobs@p.iam.gserviceaccount.com"
QUOTAS = "The following quotas are exceeded: CustomModelTrainingCPUsPerProjectPerRegion"
RATE = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute per region'"
STOCK = "Resources are insufficient in region: us-central1. Please try a different region"
DISABLED = "Vertex AI API has not been used in project 1 before or it is disabled"


def _body(code, status, message, reason=None):
    error = {"code": code, "status": status, "message": message}
    if reason is not None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.Help"}, info]
    return json.dumps({"error": error}).encode()


def _storage(code, reason, message):
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return json.dumps({"error": {"code": code, "message": message, "errors": errors}}).encode()


ANSWERS = {
    "no token": (401, _body(401, "UNAUTHENTICATED", "x", "CREDENTIALS_MISSING"),
                 AuthenticationError, "gcloud auth application-default login"),
    "permission": (403, _body(403, "PERMISSION_DENIED", "x", "IAM_PERMISSION_DENIED"),
                   PermissionDeniedError, "plan TARGET --permissions"),
    "act as": (403, _body(403, "PERMISSION_DENIED", ACT_AS), PermissionDeniedError, "act as"),
    "API": (403, _body(403, "PERMISSION_DENIED", DISABLED, "SERVICE_DISABLED"),
            PermissionDeniedError, "gcloud services enable"),
    "quota": (429, _body(429, "RESOURCE_EXHAUSTED", QUOTAS), QuotaError, "ask for more"),
    "rate": (429, _body(429, "RESOURCE_EXHAUSTED", RATE, "RATE_LIMIT_EXCEEDED"),
             TransientError, "try again"),
    "rate in words": (429, _body(429, "RESOURCE_EXHAUSTED", RATE), TransientError, "try again"),
    "capacity": (429, _body(429, "RESOURCE_EXHAUSTED", STOCK), QuotaError, "no such machine free"),
    "capacity, unavailable": (503, _body(503, "UNAVAILABLE", STOCK), QuotaError, "machine free"),
    "not found": (404, _body(404, "NOT_FOUND", "x"), NotFoundError, "profile show"),
    "there already": (409, _body(409, "ALREADY_EXISTS", "x"), ConflictError, "there already"),
    "wrong": (400, _body(400, "INVALID_ARGUMENT", "x"), ProviderError, "waterflow doctor"),
    "broken": (500, _body(500, "INTERNAL", "x"), TransientError, "try again"),
    "busy": (503, _body(503, "UNAVAILABLE", "x"), TransientError, "try again"),
    "throttled, without words": (429, b"<html>", TransientError, "try again"),
    "not there at all": (501, b"", ProviderError, "waterflow doctor"),
    "bucket": (404, _storage(404, "notFound", "The specified bucket does not exist."),
               NotFoundError, "profile show"),
    "bucket, forbidden": (403, _storage(403, "forbidden", "x"), PermissionDeniedError, "role"),
    "objects too fast": (429, _storage(429, "rateLimitExceeded", "x"), TransientError, "again"),
    "written meanwhile": (412, _storage(412, "conditionNotMet", "x"), ConflictError, "again"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_one_kind_of_error_with_the_next_thing_to_do(name):
    status, body, kind, words = ANSWERS[name]
    error = answered("CreatePipelineJob", status, body, "Reason")
    assert type(error) is kind
    assert error.retryable is (kind is TransientError)
    assert words in str(error)
    assert (error.provider, error.operation) == ("vertex", "CreatePipelineJob")


RAISED = {
    "no credentials": (
        exceptions.DefaultCredentialsError("Your default credentials were not found. To set up"),
        AuthenticationError, "Your default credentials were not found (DefaultCredentialsError)",
    ),
    "a stale token": (exceptions.RefreshError("invalid_grant"), AuthenticationError, "login"),
    "a busy token server": (
        exceptions.RefreshError("x", retryable=True), TransientError, "network",
    ),
    "no way": (requests.exceptions.ConnectionError("refused"), TransientError, "HTTPS_PROXY"),
    "no way to a token": (exceptions.TransportError("refused"), TransientError, "HTTPS_PROXY"),
    "too late": (requests.exceptions.ReadTimeout("late"), TransientError, "HTTPS_PROXY"),
    "a certificate": (
        requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), ProviderError,
        "REQUESTS_CA_BUNDLE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RAISED)
def test_what_the_clients_raise_is_told_like_an_answer(name):
    raised, kind, words = RAISED[name]
    error = translation(raised, "GetPipelineJob")
    assert type(error) is kind
    assert words in str(error)


def test_what_is_not_of_the_clients_is_no_error_of_google():
    assert translation(ValueError("x"), "GetPipelineJob") is None


_XML = (
    "Generic GCS error: Error performing PUT https://storage.googleapis.com/b/k in 1s - Server "
    "returned non-2xx status code: {}: <?xml version='1.0'?><Error><Code>{}</Code><Message>{}"
    "</Message></Error>\n\nDebug source:\nx"
)
OBJECTS = {
    "no bucket": (FileNotFoundError(_XML.format(404, "NoSuchBucket", "No bucket")), NotFoundError),
    "denied": (GenericError(_XML.format(403, "AccessDenied", "No")), PermissionDeniedError),
    "busy": (GenericError(_XML.format(503, "ServiceUnavailable", "No")), TransientError),
    "written meanwhile": (PreconditionError("x"), ConflictError),
    "no answer": (GenericError("error sending request"), TransientError),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_what_obstore_raises_is_told_in_the_words_of_cloud_storage(name):
    raised, kind = OBJECTS[name]
    assert type(object_error("PutObject", raised)) is kind


def test_credentials_that_obstore_cannot_have_are_told_as_such():
    raised = GenericError("x")
    raised.__cause__ = exceptions.RefreshError("invalid_grant")
    assert isinstance(object_error("PutObject", raised), AuthenticationError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, None),
        ({}, None),
        ({"code": 8, "message": QUOTAS}, "ask for more"),
        ({"code": 14, "message": STOCK}, "no such machine free"),
        ({"code": 9, "message": "The replica workerpool0-0 exited with a non-zero status of 1."},
         "non-zero status of 1 (FAILED_PRECONDITION)."),
    ],
)  # fmt: skip
def test_why_a_task_failed_is_told_with_the_next_thing_to_do(error, words):
    told = failure(error)
    assert told is None if words is None else words in told
