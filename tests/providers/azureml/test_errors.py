"""What Azure answers and its libraries raise, as Waterflow's errors; what it answers, read."""

from __future__ import annotations

import json

import pytest
from azure.core import exceptions as native
from azure.identity import CredentialUnavailableError
from waterflow_azureml import answers, cron
from waterflow_azureml.bucket import object_error
from waterflow_azureml.errors import CODES, answered, translated, translation
from waterflow_azureml.permissions import JOBS, ROLES, SUBMITTER, role_definition

from waterflow import errors
from waterflow.provider.state import Status


def told(code: str, message: str = "It says no.", **more: object) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (401, told("ExpiredAuthenticationToken"), errors.AuthenticationError, False),
        (403, told("AuthorizationFailed"), errors.PermissionDeniedError, False),
        (403, told("RequestDisallowedByPolicy"), errors.PermissionDeniedError, False),
        (400, told("ClusterCoreQuotaReached"), errors.QuotaError, False),
        (409, told("SkuNotAvailable"), errors.QuotaError, False),
        (400, told("UserError", "Not enough quota for 4 cores"), errors.QuotaError, False),
        (404, told("ResourceNotFound"), errors.NotFoundError, False),
        (400, told("UserError", "The component was not found"), errors.NotFoundError, False),
        (400, told("UserError", "", innerError={"code": "NotFound", "message": "x"}),
         errors.NotFoundError, False),
        (400, told("ValidationError", "x", details=[{"code": "QuotaExceeded", "message": "y"}]),
         errors.QuotaError, False),
        (409, told("Conflict"), errors.ConflictError, False),
        (412, b"", errors.ConflictError, False),
        (429, told("TooManyRequests"), errors.TransientError, True),
        (503, told("ServiceUnavailable"), errors.TransientError, True),
        (502, b"<html>", errors.TransientError, True),
        (500, told("ServiceError"), errors.TransientError, True),
        (400, told("UserError", "the name is too long"), errors.ProviderError, False),
        (501, told("NotImplemented"), errors.ProviderError, False),
        (403, b"", errors.PermissionDeniedError, False),
        (404, b'"text"', errors.NotFoundError, False),
    ],
)  # fmt: skip
def test_answers_are_told_by_their_code(status, body, kind, retryable):
    error = answered("GetJob", status, body, "words")
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.provider, error.operation) == ("azureml", "GetJob")
    assert str(error).startswith("GetJob: ")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CredentialUnavailableError(message="x\nAttempted credentials:\nmuch"),
         errors.AuthenticationError),
        (native.ClientAuthenticationError(message="x"), errors.AuthenticationError),
        (native.ServiceRequestError(message="x"), errors.TransientError),
        (native.ServiceResponseError(message="x"), errors.TransientError),
        (native.HttpResponseError(message="broken"), errors.TransientError),
        (native.ServiceRequestError(message="CERTIFICATE_VERIFY_FAILED"), errors.ProviderError),
    ],
)  # fmt: skip
def test_errors_of_the_libraries_are_told(error, kind):
    with pytest.raises(kind) as caught, translated("GetToken"):
        raise error
    assert type(caught.value) is kind
    assert "much" not in str(caught.value)


def test_errors_that_are_not_azures_stay():
    assert translation(ValueError("x"), "GetJob") is None
    with pytest.raises(ValueError, match="x"), translated("GetJob"):
        raise ValueError("x")


def test_every_code_is_told_with_something_to_do():
    assert [code for code, kind in CODES.items() if not kind.hint] == []


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (("Error: https://acct.blob.core.windows.net/no-such/a status code: 404 "
         "<Code>ContainerNotFound</Code><Message>The specified container does not exist</Message>"),
         errors.NotFoundError, "no container 'no-such' in the storage account 'acct'"),
        ("status code: 403 <Code>AuthorizationPermissionMismatch</Code><Message>No</Message>",
         errors.PermissionDeniedError, "No"),
        ("HTTP error: error sending request", errors.TransientError, "error sending request"),
    ],
)  # fmt: skip
def test_what_the_store_raises_is_told(text, kind, words):
    error = object_error("GetObject", RuntimeError(text))
    assert type(error) is kind
    assert words in str(error)


def test_a_reused_child_is_cached_and_names_who_did_the_work():
    child = {
        "runId": "child",
        "status": "Completed",
        "startTimeUtc": "2026-11-29T01:02:03.1234567+00:00",
        "properties": {
            "azureml.isreused": "true",
            "azureml.reusedrunid": "first",
            "azureml.reusedpipelinerunid": "earlier",
        },
    }
    run = answers.native_run("a", child, "now")
    assert (run.status, run.job, run.origin) == (Status.CACHED, "first", "earlier")
    assert run.started == 1795914123123


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"error": {"code": "UserError", "message": "Exit code 1."}}, "Exit code 1 (UserError)."),
        ({"error": {"code": "ImageBuildFailure", "message": "pip failed"}}, "pip failed"),
        ({"error": {"code": "QuotaExceeded", "message": "No cores"}}, "https://ml.azure.com/quota"),
        (None, None),
    ],
)
def test_why_a_job_failed(error, words):
    told_words = answers.failure({"error": error})
    assert told_words == words or words in told_words


@pytest.mark.parametrize(
    ("schedule", "trigger"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("0 9-17 * * MON-FRI", "0 9-17 * * 1-5"),
        ("30 6 * * 7", "30 6 * * 0"),
        ("0 3 1,15 * *", {"hours": [3], "minutes": [0], "monthDays": [1, 15]}),
    ],
)
def test_schedules_in_azures_words(schedule, trigger):
    made = cron.trigger(schedule)
    assert made["timeZone"] == "UTC"
    assert made.get("expression", made.get("schedule")) == trigger


@pytest.mark.parametrize(
    ("schedule", "words"),
    [("0 3 * 1 *", "cannot say months"), ("0 3 1 * 1", "both a day of month and a day of week")],
)
def test_schedules_that_azure_cannot_keep_are_refused(schedule, words):
    with pytest.raises(errors.DefinitionError, match=words):
        cron.trigger(schedule)


def test_roles_are_as_az_takes_them():
    role = role_definition("jobs", ROLES[JOBS], ["/subscriptions/x"])
    assert role["DataActions"] == sorted(ROLES[JOBS].data)
    assert not [action for action in role["Actions"] if "*" in action]
    assert "Microsoft.MachineLearningServices/workspaces/jobs/write" in ROLES[SUBMITTER].actions
