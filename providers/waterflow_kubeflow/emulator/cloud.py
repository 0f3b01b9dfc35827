"""The emulator's wire: which request means what, put together with what answers it."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from waterflow_kfp.emulator.layouts import KubeflowLayout

from waterflow.emulation.clock import Clock
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.service import Cloud
from waterflow.emulation.wire import Environ, Reply, json_reply, read_body
from waterflow_kubeflow.emulator import bodies, preparing
from waterflow_kubeflow.emulator.errors import ApiError, invalid, reply
from waterflow_kubeflow.emulator.experiments import Experiments
from waterflow_kubeflow.emulator.faults import RULES
from waterflow_kubeflow.emulator.objects import Objects
from waterflow_kubeflow.emulator.pipelines import Pipelines
from waterflow_kubeflow.emulator.recurring import RecurringRuns
from waterflow_kubeflow.emulator.runs import Runs
from waterflow_kubeflow.emulator.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from werkzeug.serving import WSGIRequestHandler

    from waterflow.emulation.site import Site
    from waterflow.emulation.wire import App, Start

API: Final = "/apis/v2beta1/"
_LOG: Final = re.compile(r"/apis/v1alpha1/runs/(?P<run>[^/]+)/nodes/(?P<pod>[^/]+)/log")
_SECRET: Final = re.compile(r"/api/v1/namespaces/[^/]+/secrets/(?P<name>[^/]+)")
_POD: Final = re.compile(r"/api/v1/namespaces/[^/]+/pods/(?P<name>[^/]+)")
_OURS: Final = ("/apis/", "/api/v1/namespaces/")
_BODY: Final = "waterflow.body"
_ID: Final = r"(?P<id>[^/:]+)"
_VERSION: Final = r"(?P<version>[^/:]+)"


class Call:
    """One request.

    Args:
        environ: The request.
        names: What its path names.
    """

    def __init__(self, environ: Environ, names: Mapping[str, str]) -> None:
        self._environ = environ
        self.id = unquote(names.get("id", ""))
        self.version = unquote(names.get("version", ""))
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))

    def body(self, model: str) -> dict[str, Any]:
        """Return the body, held against a model of the client's."""
        return bodies.read(_content(self._environ), model)

    def file(self) -> tuple[dict[str, str], str, bytes]:
        """Return the query, and the name and content of the file in a form."""
        from werkzeug import Request

        form = {**self._environ, "wsgi.input": BytesIO(_content(self._environ))}
        uploaded = Request(form).files.get("uploadfile")
        if uploaded is None:
            raise invalid("Failed to read the pipeline from file: no 'uploadfile' in the form")
        return self.query, str(uploaded.filename), uploaded.read()


class KubeflowCloud(Cloud):
    """Kubeflow Pipelines and its MinIO, put together."""

    RULES = RULES
    PATHS = KubeflowLayout.MOUNTS

    def application(self) -> App:
        """Return what answers requests."""
        return self._answer

    def handler(self) -> type[WSGIRequestHandler]:
        """Return what reads requests as moto wants them."""
        from moto.moto_server.werkzeug_app import MotoRequestHandler

        class Handler(MotoRequestHandler):
            # Replies are small and come at once: waiting to fill a packet costs 40 ms each.
            disable_nagle_algorithm = True

        return Handler

    def parts(self, site: Site, endpoint: str, state: Path | None) -> dict[str, Any]:
        """Make the parts, in the order in which they end."""
        del endpoint, state
        clock = Clock()
        self.objects, self.secrets = Objects(), Secrets()
        self._store = self.objects.application()
        self.experiments, self.pipelines = Experiments(clock), Pipelines(clock)
        self.runs = Runs(site, clock, self.objects, self.experiments, self.pipelines, self.secrets)
        self.recurring = RecurringRuns(clock, self.runs, self.experiments, self.pipelines)
        self._routes = self._made_routes()
        return {
            "recurring": self.recurring, "runs": self.runs, "pipelines": self.pipelines,
            "experiments": self.experiments, "secrets": self.secrets, "objects": self.objects,
        }  # fmt: skip

    def prepare(self, wishes: str) -> Iterable[str]:
        """Make what profiles name."""
        return preparing.prepare(wishes, self.objects, self.experiments, self.secrets)

    def identify(self, environ: Environ) -> tuple[str, str]:
        """Return the service and the operation that a request names."""
        path = str(environ["PATH_INFO"])
        if not path.startswith(_OURS):
            return "s3", environ["REQUEST_METHOD"]
        if _LOG.fullmatch(path):
            return "kubeflow", "ReadRunLog"
        for method, pattern, operation, _ in self._routes:
            if method == environ["REQUEST_METHOD"] and pattern.fullmatch(path):
                return "kubeflow", operation
        return "kubeflow", ""

    def refusal(self, service: str, fault: str) -> Reply:
        """Return the words for a request that meets a fault."""
        throttled = fault == "throttle"
        if service == "s3":
            code = "SlowDown" if throttled else "ServiceUnavailable"
            text = f"<Error><Code>{code}</Code><Message>Please reduce your rate.</Message></Error>"
            return Reply(503, text.encode(), (("Content-Type", "application/xml"),))
        if throttled:
            return reply(ApiError("RESOURCE_EXHAUSTED", "Too many requests: try again later"))
        return reply(ApiError("UNAVAILABLE", "upstream connect error or disconnect before headers"))

    # --- routes ---------------------------------------------------------------------------------

    def _answer(self, environ: Environ, start: Start) -> Any:
        path = str(environ["PATH_INFO"])
        if not path.startswith(_OURS):
            return self._store(environ, start)
        try:
            return self._routed(environ, path).send(start)
        except ServiceError as error:
            _content(environ)  # unread, it would break the connection
            return reply(error).send(start)

    def _routed(self, environ: Environ, path: str) -> Reply:
        method = str(environ["REQUEST_METHOD"])
        if path != f"{API}healthz":
            _check_token(environ)
        if (log := _LOG.fullmatch(path)) and method == "GET":
            text = self.runs.log(unquote(log["run"]), unquote(log["pod"]))
            return Reply(200, text.encode(), (("Content-Type", "text/plain; charset=utf-8"),))
        if (secret := _SECRET.fullmatch(path)) and method == "PUT":
            body = bodies.plain(_content(environ))
            return json_reply(self.secrets.put(unquote(secret["name"]), body))
        if (pod := _POD.fullmatch(path)) and method == "DELETE":
            return json_reply(self.runs.remove_pod(unquote(pod["name"])))
        for verb, pattern, _, handler in self._routes:
            match = pattern.fullmatch(path)
            if match and verb == method:
                return json_reply(handler(Call(environ, match.groupdict())))
        raise ApiError("UNIMPLEMENTED", f"unknown operation: {method} {path}")

    def _made_routes(
        self,
    ) -> list[tuple[str, re.Pattern[str], str, Callable[[Call], dict[str, Any]]]]:
        experiments, pipelines, runs = self.experiments, self.pipelines, self.runs
        recurring = self.recurring
        table: list[tuple[str, str, str, Callable[[Call], dict[str, Any]]]] = [
            ("GET", "healthz", "GetHealthz", lambda _: {"multi_user": False}),
            ("POST", "experiments", "CreateExperiment",
             lambda c: experiments.create(c.body("V2beta1Experiment"))),
            ("GET", "experiments", "ListExperiments", lambda c: experiments.list(c.query)),
            ("GET", f"experiments/{_ID}", "GetExperiment", lambda c: experiments.get(c.id)),
            ("DELETE", f"experiments/{_ID}", "DeleteExperiment",
             lambda c: experiments.delete(c.id)),
            ("POST", f"experiments/{_ID}:archive", "ArchiveExperiment",
             lambda c: experiments.archive(c.id)),
            ("POST", f"experiments/{_ID}:unarchive", "UnarchiveExperiment",
             lambda c: experiments.unarchive(c.id)),
            ("POST", "pipelines/upload", "UploadPipeline", lambda c: pipelines.upload(*c.file())),
            ("POST", "pipelines/upload_version", "UploadPipelineVersion",
             lambda c: pipelines.upload_version(*c.file())),
            ("POST", "pipelines/create", "CreatePipelineAndVersion", self._pipeline_and_version),
            ("POST", "pipelines", "CreatePipeline",
             lambda c: pipelines.create(c.body("V2beta1Pipeline"))),
            ("GET", "pipelines", "ListPipelines", lambda c: pipelines.list(c.query)),
            ("GET", f"pipelines/names/{_ID}", "GetPipelineByName", lambda c: pipelines.named(c.id)),
            ("GET", f"pipelines/{_ID}", "GetPipeline", lambda c: pipelines.get(c.id)),
            ("DELETE", f"pipelines/{_ID}", "DeletePipeline",
             lambda c: pipelines.delete(c.id, cascade=c.query.get("cascade") == "true")),
            ("POST", f"pipelines/{_ID}/versions", "CreatePipelineVersion",
             lambda c: pipelines.create_version(c.id, c.body("V2beta1PipelineVersion"))),
            ("GET", f"pipelines/{_ID}/versions", "ListPipelineVersions",
             lambda c: pipelines.versions(c.id, c.query)),
            ("GET", f"pipelines/{_ID}/versions/{_VERSION}", "GetPipelineVersion",
             lambda c: pipelines.version(c.id, c.version)),
            ("DELETE", f"pipelines/{_ID}/versions/{_VERSION}", "DeletePipelineVersion",
             lambda c: pipelines.delete_version(c.id, c.version)),
            ("POST", "runs", "CreateRun", lambda c: runs.create(c.body("V2beta1Run"))),
            ("GET", "runs", "ListRuns", lambda c: runs.list(c.query)),
            ("GET", f"runs/{_ID}", "GetRun", lambda c: runs.get(c.id)),
            ("DELETE", f"runs/{_ID}", "DeleteRun", lambda c: runs.delete(c.id)),
            ("POST", f"runs/{_ID}:terminate", "TerminateRun", lambda c: runs.terminate(c.id)),
            ("POST", f"runs/{_ID}:archive", "ArchiveRun", lambda c: runs.archive(c.id)),
            ("POST", f"runs/{_ID}:unarchive", "UnarchiveRun", lambda c: runs.unarchive(c.id)),
            ("POST", "recurringruns", "CreateRecurringRun",
             lambda c: recurring.create(c.body("V2beta1RecurringRun"))),
            ("GET", "recurringruns", "ListRecurringRuns", lambda c: recurring.list(c.query)),
            ("GET", f"recurringruns/{_ID}", "GetRecurringRun", lambda c: recurring.get(c.id)),
            ("DELETE", f"recurringruns/{_ID}", "DeleteRecurringRun",
             lambda c: recurring.delete(c.id)),
            ("POST", f"recurringruns/{_ID}:enable", "EnableRecurringRun",
             lambda c: recurring.enable(c.id)),
            ("POST", f"recurringruns/{_ID}:disable", "DisableRecurringRun",
             lambda c: recurring.disable(c.id)),
        ]  # fmt: skip
        return [
            (method, re.compile(re.escape(API) + pattern), operation, handler)
            for method, pattern, operation, handler in table
        ]

    def _pipeline_and_version(self, call: Call) -> dict[str, Any]:
        body = call.body("V2beta1CreatePipelineAndVersionRequest")
        made = self.pipelines.create(body.get("pipeline") or {})
        version = {"display_name": made["display_name"], **(body.get("pipeline_version") or {})}
        try:
            self.pipelines.create_version(made["pipeline_id"], version)
        except ServiceError:
            self.pipelines.delete(made["pipeline_id"])
            raise
        return made


def _content(environ: Environ) -> bytes:
    """Return a request's body, as often as it is asked for."""
    if _BODY not in environ:
        environ[_BODY] = read_body(environ)
    return environ[_BODY]


def _check_token(environ: Environ) -> None:
    """Refuse a request of nobody's.

    Raises:
        ApiError: It bears no token, or none that is known.
    """
    said = str(environ.get("HTTP_AUTHORIZATION", ""))
    cookie = str(environ.get("HTTP_COOKIE", ""))
    if said == f"Bearer {preparing.TOKEN}" or f"authservice_session={preparing.TOKEN}" in cookie:
        return
    why = (
        "Failed to authenticate the token"
        if said or cookie
        else "Request header error: there is no user identity header"
    )
    raise ApiError("UNAUTHENTICATED", f"Unauthenticated: {why}. Please check the token")
