"""Enough of Google Cloud on the kit's door to answer Google's own client: REST and gRPC."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from waterflow.emulation.process import EmulatorProcess
from waterflow.emulation.service import Cloud, main
from waterflow.emulation.wire import App, Environ, Reply, Start, json_reply, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import grpc

_NUMBER = "123456789012"
_PIPELINES = "google.cloud.aiplatform.v1.PipelineService"
_PROJECTS = "google.cloud.resourcemanager.v3.Projects"


class GoogleCloud(Cloud):
    """Tokens, a project, a bucket, and records of pipeline jobs; no job is run."""

    HOSTS = ("*.googleapis.com",)

    def grpc_port(self) -> int:
        return self.port

    def parts(self, site: Any, endpoint: str, state: Path | None) -> Mapping[str, Any]:
        return {}

    def application(self) -> App:
        self.jobs: dict[str, Any] = {}
        self.server, self.port = serve(self.jobs)
        return self.answer

    def identify(self, environ: Environ) -> tuple[str, str]:
        return "google", environ["REQUEST_METHOD"]

    def refusal(self, service: str, fault: str) -> Reply:
        return json_reply({"error": {"code": 503, "status": fault}}, 503)

    def answer(self, environ: Environ, start: Start) -> Any:
        read_body(environ)
        host, path = environ["HTTP_HOST"].partition(":")[0], environ["PATH_INFO"]
        if (host, path) == ("oauth2.googleapis.com", "/token"):
            token = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
            return json_reply(token).send(start)
        if (host, path) == ("storage.googleapis.com", "/storage/v1/b/bucket"):
            bucket = {"kind": "storage#bucket", "name": "bucket", "projectNumber": _NUMBER}
            return json_reply(bucket).send(start)
        return json_reply({"error": {"code": 404, "message": host + path}}, 404).send(start)


def serve(jobs: dict[str, Any]) -> tuple[grpc.Server, int]:
    """Serve Resource Manager and Vertex AI's pipeline jobs over gRPC, in Google's own messages."""
    import grpc
    from google.cloud import aiplatform_v1 as vertex
    from google.cloud import resourcemanager_v3 as manager

    def project(request: manager.GetProjectRequest, _context: Any) -> manager.Project:
        return manager.Project(name=f"projects/{_NUMBER}", project_id="here")

    def create(request: vertex.CreatePipelineJobRequest, _context: Any) -> vertex.PipelineJob:
        job = request.pipeline_job
        job.name = f"{request.parent}/pipelineJobs/{request.pipeline_job_id}"
        job.state = vertex.PipelineState.PIPELINE_STATE_PENDING
        jobs[job.name] = job
        return job

    def get(request: vertex.GetPipelineJobRequest, context: Any) -> vertex.PipelineJob:
        if request.name not in jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, request.name)
        return jobs[request.name]

    def handler(method: Any, request: Any, reply: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(method, request.deserialize, reply.serialize)

    services = {
        _PROJECTS: {"GetProject": handler(project, manager.GetProjectRequest, manager.Project)},
        _PIPELINES: {
            "CreatePipelineJob": handler(
                create, vertex.CreatePipelineJobRequest, vertex.PipelineJob
            ),
            "GetPipelineJob": handler(get, vertex.GetPipelineJobRequest, vertex.PipelineJob),
        },
    }
    server = grpc.server(ThreadPoolExecutor(2))
    for name, methods in services.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


class Emulator(EmulatorProcess):
    """These hosts in a process of their own."""

    NAME, TITLE, MODULE = "google-hosts", "Google's hosts", "googlehosts"

    def variables(self, folder: Path) -> dict[str, str]:
        return {}


if __name__ == "__main__":
    sys.exit(main(GoogleCloud))
