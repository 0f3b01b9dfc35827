"""The measures of the Azure ML adapter: its compiler alone, and a submit on the emulator."""

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
[profiles.azure]
provider = "azureml"
subscription = "00000000-0000-4000-8000-000000000000"
resource_group = "waterflow"
workspace = "waterflow"
region = "eastus"
account = "bench"
image = "bench.azurecr.io/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "http://127.0.0.1:9"
"""

_SUBMIT: Final = """
import dataclasses, io, json, statistics, sys, time, warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, ".")
import obstore, small, yaml
from azure.ai.ml import MLClient, load_job
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from waterflow.packing import shipping
from waterflow.provider import Submission, discovery
from waterflow.runs import submit
from waterflow_azureml.provider import AzureMLProvider

STEPS, ROUNDS = int(sys.argv[1]), int(sys.argv[2])
opened = discovery.open_provider(Path.cwd(), "azure")
warm = opened._connections
account = warm.described["properties"]["storageAccount"].rpartition("/")[2]
warm.services
profile = dataclasses.replace(opened.profile, settings=opened.profile.settings | {
    "account": account, "container": "bench", "datastore": "bench"
})
credential = DefaultAzureCredential()
settings = opened.settings
client = MLClient(
    credential, settings.subscription, settings.resource_group, settings.workspace
)
blobs = ContainerClient(
    f"https://{account}.blob.core.windows.net", "bench", credential=credential
)
if not blobs.exists():
    blobs.create_container()
    store = {"datastoreType": "AzureBlob", "accountName": account, "containerName": "bench",
             "credentials": {"credentialsType": "None"}}
    warm.arm("put", "PUT", f"{warm.workspace}/datastores/bench", {"properties": store})
calls = []
sends = RequestsTransport.send


def send(transport, request, **how):
    calls.append(f"{request.method} {request.url.partition('?')[0].split('/')[-2]}")
    return sends(transport, request, **how)


def counted(name, function):
    def call(*arguments, **named):
        calls.append(f"bucket {name}")
        return function(*arguments, **named)

    return call


RequestsTransport.send = send
for name in ("put", "get", "head", "list", "delete"):
    setattr(obstore, name, counted(name, getattr(obstore, name)))
build = submit.assemble(small.counting(steps=STEPS), Path.cwd(), profile)


def prepared(prefix):
    own = {**profile.settings, "prefix": prefix}
    provider = AzureMLProvider(Path.cwd(), dataclasses.replace(profile, settings=own))
    connections = provider._connections
    vars(connections).update(
        {name: value for name, value in vars(warm).items() if name != "settings"}
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
    objects = {
        f"{prefix}/{one.name.removeprefix(first)}": blobs.download_blob(one.name).readall()
        for one in blobs.list_blobs(name_starts_with=first)
        # What its jobs may have written by now is not what a client puts.
        if not one.name.startswith((f"{first}runs/", f"{first}documents/"))
    }
    text = yaml.safe_dump(json.loads(json.dumps(document.definition)))
    calls.clear()
    begun = time.perf_counter()
    code = shipping.archive(next(iter(build.bundles.values())))  # which anyone has to send
    for key, body in objects.items():
        body = code if key.endswith("/bundle.tar.gz") else body
        blobs.upload_blob(key, body, overwrite=True)
    job = load_job(io.StringIO(text))
    job.name = f"{prefix}-job"
    client.jobs.create_or_update(job)
    list(client.jobs.list(parent_job_name=job.name))
    seconds = time.perf_counter() - begun
    requests = list(calls)
    client.jobs.begin_cancel(job.name)
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


def azureml_compile(folder: Path) -> list[Row]:
    """Compile a chain of 1,000 steps for Azure ML, in a process without its SDK, against 0.5 s.

    A compiler has no baseline but its promise: the vendor's SDK takes 14 s to load and check it.
    """
    write_profile(folder, _PROFILE)
    return [compiling(folder, "Azure ML", "azure", ("azure", "msrest"))]


def azureml_submit(folder: Path) -> list[Row]:
    """Submit to the first status on the emulator, against a program of Azure's own clients.

    It packs the code, puts the same objects, has `MLClient` create the job, and lists its children.
    """
    from waterflow_azureml.emulator import Emulator

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
                    f"Azure ML: submit {steps} new steps to the first status / bare MLClient",
                    f"{row['ours'] * 1000:.0f} ms, {sum(row['calls'].values())} calls",
                    f"{row['base'] * 1000:.0f} ms, {row['base_calls']} calls",
                    row["ratio"],
                    1.3,
                )
            )
    return rows


ALL: Final = (azureml_compile, azureml_submit)
