"""The measures of the SageMaker adapter: its compiler alone, and a submit on the emulator."""

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
[profiles.aws]
provider = "sagemaker"
region = "us-east-1"
role = "arn:aws:iam::123456789012:role/bench"
bucket = "bench"
image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "http://127.0.0.1:9"
"""

_SUBMIT: Final = """
import dataclasses, json, statistics, sys, time
from pathlib import Path

sys.path.insert(0, ".")
import boto3, obstore, small
from botocore.config import Config
from waterflow.packing import shipping
from waterflow.provider import Submission, discovery
from waterflow.runs import submit
from waterflow_sagemaker.connections import Connections
from waterflow_sagemaker.provider import SageMakerProvider

STEPS, ROUNDS = int(sys.argv[1]), int(sys.argv[2])
profile = discovery.open_provider(Path.cwd(), "aws").profile
connections = Connections(discovery.open_provider(Path.cwd(), "aws").settings)
warm = {"session": connections.session, "sagemaker": connections.sagemaker}
bare = {name: boto3.client(name, region_name="us-east-1") for name in ("s3", "sagemaker")}
calls = []
warm["sagemaker"].meta.events.register(
    "before-call", lambda model, **_: calls.append(model.name)
)


def counted(name, function):
    def call(*arguments, **named):
        calls.append(f"bucket {name}")
        return function(*arguments, **named)

    return call


for name in ("put", "get", "head", "list", "delete"):
    setattr(obstore, name, counted(name, getattr(obstore, name)))
s3, sagemaker = bare["s3"], bare["sagemaker"]
s3.create_bucket(Bucket="bench")
build = submit.assemble(small.counting(steps=STEPS), Path.cwd(), profile)


def prepared(prefix):
    settings = {**profile.settings, "prefix": prefix}
    provider = SageMakerProvider(
        Path.cwd(), dataclasses.replace(profile, settings=settings)
    )
    vars(provider._connections).update(warm)
    return provider, provider.compile(build)


def stop(arn):
    token = "x" * 32 + arn[-12:]
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=token)
    going = ("Executing", "Stopping")
    while sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)[
        "PipelineExecutionStatus"
    ] in going:
        time.sleep(0.02)


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
    stop(provider.profile_runs.execution(how.run_id).native)
    return seconds, requests


def base(number):
    prefix = f"base-{STEPS}-{number}"
    _, document = prepared(prefix)
    request = document.request(json.dumps(document.definition))
    first = f"ours-{STEPS}-{number}/"
    objects = {}
    for one in s3.list_objects_v2(Bucket="bench", Prefix=first)["Contents"]:
        # What its jobs may have written by now is not what a client puts.
        if not one["Key"].startswith((f"{first}runs/", f"{first}checkpoints/")):
            body = s3.get_object(Bucket="bench", Key=one["Key"])["Body"].read()
            objects[f"{prefix}/{one['Key'].removeprefix(first)}"] = body
    begun = time.perf_counter()
    code = shipping.archive(next(iter(build.bundles.values())))  # which anyone has to send
    for key, body in objects.items():
        body = code if key.endswith("/bundle.tar.gz") else body
        s3.put_object(Bucket="bench", Key=key, Body=body, ServerSideEncryption="AES256")
    sagemaker.create_pipeline(**request, ClientRequestToken=f"{prefix:x<40}")
    arn = sagemaker.start_pipeline_execution(
        PipelineName=request["PipelineName"], ClientRequestToken=f"{prefix:y<40}"
    )["PipelineExecutionArn"]
    sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    seconds = time.perf_counter() - begun
    stop(arn)
    return seconds, len(objects) + 3


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


def sagemaker_compile(folder: Path) -> list[Row]:
    """Compile a chain of 1,000 steps for SageMaker, in a process without AWS's SDK, against 0.5 s.

    A compiler has no baseline but its promise: the vendor's SDK takes minutes for it.
    """
    write_profile(folder, _PROFILE)
    return [compiling(folder, "SageMaker", "aws", ("boto3", "botocore", "moto", "sagemaker"))]


def sagemaker_submit(folder: Path) -> list[Row]:
    """Submit to the first status on the emulator, against a program of boto3 calls alone.

    It packs the code, puts the same objects, creates and starts the pipeline, and lists its steps.
    """
    from waterflow_sagemaker.emulator import Emulator

    write_profile(folder, _PROFILE)
    rows: list[Row] = []
    with Emulator(grace=2) as emulator:
        environment = {k: v for k, v in os.environ.items() if k not in emulator.unset}
        for steps in (1, 10):
            text = program(folder, _SUBMIT, steps, 9, env=environment | emulator.environment)
            row: dict[str, Any] = json.loads(text)
            print(f"calls for {steps} steps: {row['calls']}", file=sys.stderr)
            rows.append(
                Row(
                    f"SageMaker: submit {steps} new steps to the first status / bare boto3",
                    f"{row['ours'] * 1000:.0f} ms, {sum(row['calls'].values())} calls",
                    f"{row['base'] * 1000:.0f} ms, {row['base_calls']} calls",
                    row["ratio"],
                    1.3,
                )
            )
    return rows


ALL: Final = (sagemaker_compile, sagemaker_submit)
