"""The measures of the Vertex AI adapter: its compiler alone, and a submit on the emulator."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.bench.measures import Row
from tests.bench.programs import compiling, program, write_profile

if TYPE_CHECKING:
    from pathlib import Path

_PROFILE: Final = """
[profiles.vertex]
provider = "vertex"
project = "waterflow"
region = "us-central1"
bucket = "bench"
image = "us-docker.pkg.dev/bench/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "http://127.0.0.1:9"
"""

_SUBMIT: Final = """
import dataclasses, json, statistics, sys, time, warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, ".")
import obstore, small
from google.cloud import aiplatform_v1, storage
from google.protobuf import json_format
from requests.adapters import HTTPAdapter
from waterflow.packing import shipping
from waterflow.provider import Submission, discovery
from waterflow.runs import submit
from waterflow_vertex.provider import VertexProvider

STEPS, ROUNDS = int(sys.argv[1]), int(sys.argv[2])
opened = discovery.open_provider(Path.cwd(), "vertex")
warm = opened._connections
warm.connect()
profile, settings = opened.profile, opened.settings
client = aiplatform_v1.PipelineServiceClient(
    transport="rest",
    client_options={"api_endpoint": f"https://{settings.region}-aiplatform.googleapis.com"},
)
objects = storage.Client(settings.project)
bucket = objects.bucket("bench")
if not bucket.exists():
    bucket.create(location=settings.region)
calls = []
sends = HTTPAdapter.send


def send(adapter, request, **how):
    calls.append(f"{request.method} {request.url.partition('?')[0].split('/')[-2]}")
    return sends(adapter, request, **how)


def counted(name, function):
    def call(*arguments, **named):
        calls.append(f"bucket {name}")
        return function(*arguments, **named)

    return call


HTTPAdapter.send = send
for name in ("put", "get", "head", "list", "delete"):
    setattr(obstore, name, counted(name, getattr(obstore, name)))
build = submit.assemble(small.counting(steps=STEPS), Path.cwd(), profile)


def prepared(prefix):
    own = {**profile.settings, "prefix": prefix}
    provider = VertexProvider(Path.cwd(), dataclasses.replace(profile, settings=own))
    connections = provider._connections
    vars(connections).update(
        {name: value for name, value in vars(warm).items() if name not in ("settings", "location")}
    )
    return provider, provider.compile(build)


def ours(number):
    provider, document = prepared(f"ours-{STEPS}-{number}")
    how = Submission(run_id=f"bench-{STEPS}-{number}", parameters={}, fresh=True)
    calls.clear()
    begun = time.perf_counter()
    provider.submit(build, document, how)
    state = provider.status(how.run_id)
    seconds = time.perf_counter() - begun
    requests = list(calls)
    assert len(state.steps) == STEPS
    provider.cancel(how.run_id)
    return seconds, requests


def base(number):
    prefix = f"base-{STEPS}-{number}"
    _, document = prepared(prefix)
    first = f"ours-{STEPS}-{number}/"
    kept = {
        # As it is now: a record is written again while this reads.
        f"{prefix}/{one.name.removeprefix(first)}": bucket.blob(one.name).download_as_bytes()
        for one in bucket.list_blobs(prefix=first)
        # What its jobs may have written by now is not what a client puts.
        if not one.name.startswith((f"{first}runs/", f"{first}documents/"))
    }
    text = json.dumps(document.definition)
    parent = f"projects/{settings.project}/locations/{settings.region}"
    calls.clear()
    begun = time.perf_counter()
    code = shipping.archive(next(iter(build.bundles.values())))  # which anyone has to send
    for key, body in kept.items():
        body = code if key.endswith("/bundle.tar.gz") else body
        bucket.blob(key).upload_from_string(body)
    job = aiplatform_v1.PipelineJob()
    json_format.Parse(text, job._pb)
    made = client.create_pipeline_job(
        parent=parent, pipeline_job=job, pipeline_job_id=f"{prefix}-job"
    )
    client.get_pipeline_job(name=made.name)
    seconds = time.perf_counter() - begun
    requests = list(calls)
    client.cancel_pipeline_job(name=made.name)
    return seconds, len(requests)


for action in (ours, base):
    action(0)
rounds = [(ours(number), base(number)) for number in range(1, ROUNDS + 1)]
counts = {name: rounds[-1][0][1].count(name) for name in sorted(set(rounds[-1][0][1]))}
print(json.dumps({
    "ours": statistics.median(one[0][0] for one in rounds),
    "base": statistics.median(one[1][0] for one in rounds),
    "ratio": statistics.median(one[0][0] / one[1][0] for one in rounds),
    "calls": counts, "base_calls": rounds[-1][1][1],
}))
"""


def vertex_compile(folder: Path) -> list[Row]:
    """Compile a chain of 1,000 steps for Vertex AI, in a process without its SDK, against 0.5 s."""
    write_profile(folder, _PROFILE)
    return [compiling(folder, "Vertex AI", "vertex", ("google.auth", "kfp"))]


def vertex_submit(folder: Path) -> list[Row]:
    """Submit to the first status on the emulator, against a program of Google's own clients.

    It packs the code, puts the same objects by `google.cloud.storage`, and has the gapic client,
    over REST too, create the job and tell of it.
    """
    from waterflow_vertex.emulator import Emulator

    write_profile(folder, _PROFILE)
    rows: list[Row] = []
    with Emulator(grace=2) as emulator:
        environment = {k: v for k, v in os.environ.items() if k not in emulator.unset}
        for steps in (1, 10):
            text = program(folder, _SUBMIT, steps, 5, env=environment | emulator.environment)
            row: dict[str, Any] = json.loads(text.splitlines()[-1])
            print(f"calls for {steps} steps: {row['calls']}", file=sys.stderr)
            rows.append(
                Row(
                    f"Vertex AI: submit {steps} new steps to the first status / bare gapic",
                    f"{row['ours'] * 1000:.0f} ms, {sum(row['calls'].values())} calls",
                    f"{row['base'] * 1000:.0f} ms, {row['base_calls']} calls",
                    row["ratio"],
                    1.3,
                )
            )
    return rows


ALL: Final = (vertex_compile, vertex_submit)
