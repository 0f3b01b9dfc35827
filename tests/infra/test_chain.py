"""A landing zone from `pulumi up` to a run: the stack's profile is all that the run is told."""

from __future__ import annotations

import contextlib
import sys
from typing import ClassVar

import boto3
from waterflow_sagemaker.emulator import Emulator

from tests.infra import chain
from tests.providers.sagemaker.cloud import CLOUD

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
def submitter(root, role):
    """Be in an empty project, as somebody who assumes a role."""
    config, credentials = root.with_name("config"), root.with_name("credentials")
    config.write_text(CONFIG.format(role=role))
    credentials.write_text(CREDENTIALS)
    variables = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_PROFILE": "shop",
    }
    with chain.project(root, variables, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")):
        yield


def test_a_stack_s_profile_is_all_that_a_run_needs(server, tmp_path):
    settings = {
        "region": "us-east-1",
        "mlflow_uri": server.url,
        "image_tag": "1",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    with Emulator(grace=2) as emulator, CLOUD.pointing(emulator):
        account = Account()
        with chain.landing_zone("aws", settings, emulator.endpoint) as zone:
            assert account.new() == zone["names"], "what the stack made, and nothing else"
            assert all(zone["names"].values())
            outputs = zone["outputs"]
            role = outputs["submitter_role"].rpartition("/")[2]
            runs = f"s3://{outputs['bucket']}/waterflow/runs/"
            with submitter(tmp_path / "shop", outputs["submitter_role"]):
                checks, plan, run = chain.use(outputs, EXAMINED, runs)
            assert f"assumed-role/{role}/" in checks["credentials"]["found"]
            assert outputs["bucket"] in checks["bucket"]["found"]
            look(account, run, plan, outputs["profile"]["settings"])
            assert account.new() == zone["names"], "the run needed nothing else"
        assert not any(account.new().values()), "destroyed"


def look(account, run, plan, profile):
    """See that the run is what the plan said, with what the profile names."""
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
