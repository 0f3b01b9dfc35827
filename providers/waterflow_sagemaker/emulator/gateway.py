"""What stands before moto: services and operations that are not answered, and wrong requests."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from xml.parsers.expat import ExpatError

from werkzeug.wsgi import LimitedStream

from waterflow.emulation.errors import ServiceError
from waterflow.emulation.wire import App, Environ, Start, read_body
from waterflow_sagemaker.emulator import buckets, operations, wire
from waterflow_sagemaker.emulator.errors import unknown
from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Check = Callable[[dict[str, Any]], None]

_LOG: Final = logging.getLogger(__name__)

_INVOCATION: Final = re.compile(
    r"/endpoints/(?P<name>[^/]+)/(async-invocations|invocations|invocations-response-stream)"
)
_INVALID: Final = {
    "iam": "ValidationError",
    "sts": "ValidationError",
    "logs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "secretsmanager": "InvalidParameterException",
    "sqs": "InvalidParameterValue",
    "s3": "InvalidRequest",
}
"""Service -> its code for a wrong request; ValidationException for others."""


_ABSENT: Final = {
    ("scheduler", "DeleteScheduleGroup"): (
        "ResourceNotFoundException",
        "Schedule group does not exist.",
    ),
    ("ecr", "PutImage"): (
        "RepositoryNotFoundException",
        f"The repository does not exist in the registry with id '{ACCOUNT}'",
    ),
    ("secretsmanager", "ListSecretVersionIds"): (
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    ),
}
"""What moto fails at when its name is not there -> the service's code and words."""


class Gateway:
    """The application that requests reach first.

    Args:
        moto: Moto's application, with our operations of SageMaker in it.
    """

    def __init__(self, moto: App) -> None:
        self._moto = moto
        self.checks: Mapping[tuple[str, str], Check] = {}
        """Service and operation -> refuses a request that moto would take, by ServiceError."""
        self.record: Callable[[str, Environ], None] = lambda _service, _environ: None
        """Writes down what a request to a service asks of IAM."""
        self.endpoints: Callable[[str, str], bool] = lambda _region, _name: False
        """Whether there is in a region an endpoint of a name."""

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer one request."""
        service = wire.service_of(environ) or "s3"  # what is not signed can only be public objects
        # However far it is read, the rest can be: unread, it would break the connection.
        stream = LimitedStream(environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0))
        if "HTTP_TRANSFER_ENCODING" not in environ:
            environ["wsgi.input"] = stream
        try:
            if service == "sagemaker":
                # Operations of the API proper are refused where they are answered.
                if "HTTP_X_AMZ_TARGET" not in environ:
                    raise self._runtime(environ)
            elif service not in operations.ANSWERED:
                raise unknown(service, "")
            elif service == "s3":
                elsewhere = buckets.redirect(environ)
                if elsewhere is not None:
                    stream.exhaust()
                    return elsewhere.send(start)
                self._check_objects(environ)
            else:
                self._check(service, environ)
            self.record(service, environ)
            return self._answer(service, environ, start)
        except ServiceError as error:
            stream.exhaust()
            return wire.refusal(service, error).send(start)

    def _answer(self, service: str, environ: Environ, start: Start) -> Iterable[bytes]:
        """Let moto answer; its pages become the service's errors."""
        page: list[str] = []

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kind = next((text for name, text in headers if name.lower() == "content-type"), "")
            # The refusal of a HEAD has no body, so no page either.
            paged = kind.startswith("text/html") and environ["REQUEST_METHOD"] != "HEAD"
            if int(status[:3]) >= 400 and paged:
                page.append(status)
                return _unsaid
            return start(status, headers, *more)

        try:
            body = self._moto(environ, begin)
        except NotImplementedError:
            raise unknown(service, wire.operation_of(service, environ)) from None
        except Exception as error:
            _LOG.warning("moto failed at a request to %s", service, exc_info=True)
            raise _failure(service, wire.operation_of(service, environ), error) from error
        if not page:
            return body
        for _ in body:
            pass
        if service == "s3" and page[0].startswith("403"):  # a bucket's policy: moto has no words
            raise ServiceError("AccessDenied", "Access Denied", 403)
        raise unknown(service, wire.operation_of(service, environ))

    def _check(self, service: str, environ: Environ) -> None:
        """Refuse what is not answered, and what the service's own model does not allow."""
        environ["wsgi.input"] = io.BytesIO(read_body(environ))
        operation = wire.operation_of(service, environ)
        if operations.reason(service, operation) is not None:
            raise unknown(service, operation)
        code = _INVALID.get(service, "ValidationException")
        try:
            request = wire.parsed(service, operation, environ)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ServiceError(
                "SerializationException", f"The request cannot be read: {error}"
            ) from None
        if texts := wire.violations(service, operation, request):
            raise ServiceError(code, texts)
        check = self.checks.get((service, operation))
        if check is not None:
            check(request)

    def _check_objects(self, environ: Environ) -> None:
        """Refuse what is not answered of S3; a request for an object itself needs no look."""
        path, query = str(environ.get("PATH_INFO", "")), environ.get("QUERY_STRING", "")
        if path.startswith(("/moto-api", "/latest/")):
            raise ServiceError("AccessDenied", "Access Denied", 403)  # moto's own pages
        if not query:
            return
        operation = wire.operation_of("s3", environ)
        if operation == "PutBucketPolicy":
            environ["wsgi.input"] = io.BytesIO(read_body(environ))
            try:
                json.loads(environ["wsgi.input"].getvalue())
            except ValueError:  # moto keeps it, and fails at each object from then on
                text = "Policies must be valid JSON and the first byte must be '{'"
                raise ServiceError("MalformedPolicy", text) from None
        if operation and operations.reason("s3", operation) is not None:
            raise unknown("s3", operation)

    def _runtime(self, environ: Environ) -> ServiceError:
        """Return the refusal of a request to an endpoint, or to another part of SageMaker."""
        match = _INVOCATION.fullmatch(str(environ.get("PATH_INFO", "")))
        if match is None:
            return ServiceError(
                "UnknownOperationException",
                "Waterflow's emulator of SageMaker has the API only: no metrics, no feature "
                "store, no human loops at run time.",
            )
        name = unquote(match["name"])
        if not self.endpoints(wire.region_of(environ), name):
            text = f"Endpoint {name} of account {ACCOUNT} not found."
            return ServiceError("ValidationError", text)
        return ServiceError(
            "ValidationError",
            f"Endpoint {name} is kept as a record: Waterflow's emulator starts no container that "
            "serves a model, so there is no prediction. Load the model in a job, or serve it with "
            "`mlflow models serve`.",
        )


def _failure(service: str, operation: str, error: Exception) -> ServiceError:
    """Return the refusal of a request that moto has failed at.

    The request has passed the service's own model, so it names what is not there, or has a form
    that moto does not know: the client reads which.
    """
    if operations.reason(service, operation) is not None:
        return unknown(service, operation)
    if isinstance(error, ExpatError):
        text = "The XML you provided was not well-formed or did not validate against our schema"
        return ServiceError("MalformedXML", text)
    if (service, operation) in _ABSENT:
        return ServiceError(*_ABSENT[service, operation])
    return ServiceError(
        _INVALID.get(service, "ValidationException"),
        f"Waterflow's emulator cannot answer this form of {operation} "
        f"({type(error).__name__}: {error}): leave out what is unusual in it.",
    )


def _unsaid(_data: bytes) -> None:
    """Take what nobody will read."""
