"""A landing zone from `pulumi up` to a run: the stack's profile is all that the run is told."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from click.testing import CliRunner
from waterflow_sagemaker.emulator import Emulator

from tests.providers.sagemaker.cloud import CLOUD
from waterflow.cli import cli

TESTING = Path(__file__).parents[2] / "infra" / "testing"
DRIVER = Path(__file__).with_name("zone_driver.py")
AWS = ("--profile", "aws")
PIPELINE = """
import waterflow as wf


@wf.step
def count(upto: int) -> list[int]:
    return list(range(upto))


@wf.step
def add(numbers: list[int]) -> int:
    return sum(numbers)


@wf.pipeline
def sums(upto: int = 3) -> None:
    add(count(upto))
"""
CREDENTIALS = """
[default]
aws_access_key_id = me
aws_secret_access_key = me
"""
CONFIG = """
[profile shop]
role_arn = {role}
source_profile = default
"""
"""Whoever submits assumes the submitter's role, as infra/README.md says."""
EXAMINED = {
    "credentials", "bucket", "role", "passing the role", "the role's rights", "scheduler_role",
    "image", "mlflow",
}  # fmt: skip
"""What doctor looks at on AWS."""


class Account:
    """An AWS account: what it has by type of resource, the types being Pulumi's."""

    LISTS: ClassVar = {
        "bucket": ("s3", "list_buckets", {}, "Name"),
        "role": ("iam", "list_roles", {}, "Arn"),
        "policy": ("iam", "list_policies", {"Scope": "Local"}, "Arn"),
        "key": ("kms", "list_keys", {}, "KeyArn"),
        "repository": ("ecr", "describe_repositories", {}, "repositoryName"),
        "logGroup": ("logs", "describe_log_groups", {}, "logGroupName"),
        "scheduleGroup": ("scheduler", "list_schedule_groups", {}, "Name"),
        "modelPackageGroup": (
            "sagemaker", "list_model_package_groups", {}, "ModelPackageGroupName",
        ),
    }  # fmt: skip

    def __init__(self):
        session = boto3.session.Session()
        services = {service for service, *_ in self.LISTS.values()}
        self.clients = {service: session.client(service) for service in services}
        self.first = self.names()

    def __call__(self, service, operation, **request):
        """Return all entries of a list, of all its pages."""
        pages = self.clients[service].get_paginator(operation).paginate(**request)
        lists = [value for page in pages for value in page.values() if isinstance(value, list)]
        return [one for entries in lists for one in entries]

    def names(self):
        names = {
            kind: {one[name] for one in self(service, operation, **request)}
            for kind, (service, operation, request, name) in self.LISTS.items()
        }
        names["key"] = {arn for arn in names["key"] if self.usable(arn)}
        return names

    def usable(self, key):
        """Say whether a key is the account's own, and does not wait to be deleted."""
        key = self.clients["kms"].describe_key(KeyId=key)["KeyMetadata"]
        return key["KeyManager"] == "CUSTOMER" and key["KeyState"] == "Enabled"

    def new(self):
        """Return the names of what was not there at first."""
        return {kind: sorted(names - self.first[kind]) for kind, names in self.names().items()}


@contextlib.contextmanager
def landing_zone(emulator, settings):
    """Make the stack `dev` of infra/aws there, and destroy it in the end."""
    python = TESTING / ".venv" / "bin" / "python"
    assert python.exists(), "make test-infra makes the environment of infra/testing"
    process = subprocess.Popen(
        [python, DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTING), "GRPC_VERBOSITY": "NONE"},
    )
    with process:
        process.stdin.write(json.dumps({"endpoint": emulator.endpoint, "config": settings}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the stack was not made: its errors are above"
        yield json.loads(line)
        process.stdin.close()
        assert process.wait(300) == 0, "the stack was not destroyed: its errors are above"


@contextlib.contextmanager
def project(root, role):
    """Be in an empty project, as somebody who assumes a role; its modules go with it."""
    root.mkdir()
    config, credentials = root.with_name("config"), root.with_name("credentials")
    config.write_text(CONFIG.format(role=role))
    credentials.write_text(CREDENTIALS)
    path, modules = list(sys.path), set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("AWS_CONFIG_FILE", str(config))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        patch.setenv("AWS_PROFILE", "shop")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


def waterflow(*words, text=None):
    """Return what a command prints with --json; it ends well."""
    done = CliRunner().invoke(cli, [*words, "--json"], input=text)
    assert done.exit_code == 0, f"waterflow {' '.join(words)}: {done.output}"
    return json.loads(done.stdout)


def test_a_stack_s_profile_is_all_that_a_run_needs(server, tmp_path):
    settings = {
        "region": "us-east-1",
        "mlflow_uri": server.url,
        "image_tag": "1",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    with Emulator(grace=2) as emulator, CLOUD.pointing(emulator):
        account = Account()
        with landing_zone(emulator, settings) as zone:
            assert account.new() == zone["names"], "what the stack made, and nothing else"
            assert all(zone["names"].values())
            outputs = zone["outputs"]
            with project(tmp_path / "shop", outputs["submitter_role"]):
                run, plan = use(outputs)
            look(account, run, plan, outputs["profile"]["settings"])
            assert account.new() == zone["names"], "the run needed nothing else"
        assert not any(account.new().values()), "destroyed"


def use(outputs):
    """Type what infra/README.md says, from the import on; return the run and its plan."""
    exported = json.dumps(outputs["profile"])
    assert waterflow("profile", "import", "-", text=exported)["written"]
    assert not waterflow("profile", "import", "-", text=exported)["changed"]
    Path("pipeline.py").write_text(PIPELINE)
    checks = {one["name"]: one for one in waterflow("doctor", ".", *AWS)["checks"]}
    assert {name: checks[name]["state"] for name in EXAMINED} == dict.fromkeys(EXAMINED, "ok")
    submitter = outputs["submitter_role"].rpartition("/")[2]
    assert f"assumed-role/{submitter}/" in checks["credentials"]["found"]
    assert outputs["bucket"] in checks["bucket"]["found"]
    waterflow("validate", ".", *AWS)
    plan = waterflow("plan", ".", *AWS)
    run = waterflow("run", ".", "-p", "upto=4", *AWS)
    (artifact,) = waterflow("artifacts", run["run"], "add", "--download", "results", *AWS)
    assert artifact["uri"].startswith(f"s3://{outputs['bucket']}/waterflow/runs/")
    (payload,) = (one for one in Path(artifact["path"]).iterdir() if one.name != "manifest.json")
    assert json.loads(payload.read_text()) == 0 + 1 + 2 + 3
    return run, plan


def look(account, run, plan, profile):
    """See that the run is what the plan said, with what the profile names."""
    assert (run["status"], run["unsent"]) == ("succeeded", 0)
    assert {one["machine"] for one in plan["steps"]} <= set(profile["machines"])
    sagemaker = account.clients["sagemaker"]
    pipeline = sagemaker.describe_pipeline(PipelineName="waterflow-sums")
    assert pipeline["RoleArn"] == profile["role"]
    tags = {tag["Key"]: tag["Value"] for tag in account(
        "sagemaker", "list_tags", ResourceArn=pipeline["PipelineArn"])}  # fmt: skip
    assert tags.items() >= profile["tags"].items()
    machines = {one["name"]: one["machine"] for one in plan["steps"]}
    for step in run["steps"]:
        job = sagemaker.describe_processing_job(ProcessingJobName=step["job"])
        assert job["RoleArn"] == profile["role"]
        assert job["AppSpecification"]["ImageUri"] == profile["image"]
        cluster = job["ProcessingResources"]["ClusterConfig"]
        assert cluster["InstanceType"] == machines[step["name"]]
        assert account(
            "logs", "describe_log_streams", logGroupName="/aws/sagemaker/ProcessingJobs",
            logStreamNamePrefix=f"{step['job']}/",
        )  # fmt: skip
