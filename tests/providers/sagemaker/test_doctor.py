"""`waterflow doctor` with a profile of SageMaker: each fault is made, and told with the way out."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from tests.servers import free_port
from waterflow.cli import cli

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.9"
ACCOUNT = "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
PIPELINE = """
import waterflow as wf


@wf.step(secrets={"TOKEN": wf.secret("SECRET")})
def fetch() -> int:
    return 1


@wf.pipeline
def secretive() -> None:
    fetch()
"""


class Project:
    """A project with a profile of SageMaker, all of which is there at first."""

    def __init__(self, aws, root):
        self.aws, self.root = aws, root
        self.name = aws.name("doctor")
        self.settings = {
            "bucket": f'"{aws.bucket}"',
            "role": f'"{self.make_role("sagemaker.amazonaws.com")}"',
            "image": f'"{self.make_repository()}"',
            "python": f'"{HERE}"',
        }
        self.tracking = f"sqlite:///{root}/mlflow.db"
        aws("secretsmanager").create_secret(Name=self.name, SecretString="x")
        self.secret = self.name

    def make_role(self, service):
        statement = {
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
        }  # fmt: skip
        answer = self.aws("iam").create_role(
            RoleName=self.aws.name("role"),
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
        )
        return answer["Role"]["Arn"]

    def make_repository(self):
        name = self.aws.name("images")
        self.aws("ecr").create_repository(repositoryName=name)
        return f"{REGISTRY}/{name}:1"

    def deny_bucket(self):
        deny = {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": f"arn:aws:s3:::{self.aws.bucket}/*",
        }  # fmt: skip
        self.aws("s3").put_bucket_policy(
            Bucket=self.aws.bucket,
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
        )

    def write(self):
        lines = [f"{key} = {value}" for key, value in self.settings.items()]
        (self.root / "waterflow.toml").write_text(
            "\n".join(
                [
                    "[profiles.aws]", 'provider = "sagemaker"', 'region = "us-east-1"', *lines,
                    "[tracking]", f'uri = "{self.tracking}"', "",
                ]
            )
        )  # fmt: skip
        (self.root / "pipeline.py").write_text(PIPELINE.replace("SECRET", self.secret))

    def examined(self, *words):
        """Return the exit code and what was found beside this machine, by name."""
        self.write()
        result = CliRunner().invoke(cli, ["doctor", ".", "--profile", "aws", "--json", *words])
        checks = {one["name"]: one for one in json.loads(result.stdout)["checks"]}
        return result.exit_code, checks


@pytest.fixture
def project(aws, emulator, tmp_path, monkeypatch):
    for name in emulator.unset:
        monkeypatch.delenv(name, raising=False)
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield Project(aws, tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "pytest-of" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def test_a_profile_whose_things_are_all_there_is_well(project):
    code, checks = project.examined()
    assert code == 0, checks
    cloud = {"credentials", "bucket", "role", "image", f"secret {project.secret}", "mlflow"}
    assert {checks[name]["state"] for name in cloud} == {"ok"}
    assert ACCOUNT in checks["credentials"]["found"]
    assert project.aws.keys() == [], "nothing that was written to try the bucket stays"


def without_credentials(project, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(project.root / "none"))
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def setting(key, value):
    def make(project, _monkeypatch):
        project.settings[key] = value

    return make


def untrusting_role(project, _monkeypatch):
    project.settings["role"] = f'"{project.make_role("ec2.amazonaws.com")}"'


def untrusting_scheduler(project, _monkeypatch):
    project.settings["scheduler_role"] = f'"{project.make_role("sagemaker.amazonaws.com")}"'


def another_account(project, _monkeypatch):
    project.settings["role"] = project.settings["role"].replace(ACCOUNT, "999999999999")


def absent_secret(project, _monkeypatch):
    project.secret = "nowhere"


def denied_bucket(project, _monkeypatch):
    project.deny_bucket()


def absent_mlflow(project, _monkeypatch):
    project.tracking = f"http://127.0.0.1:{free_port()}"


FAULTS = {
    "no credentials": (without_credentials, "credentials", "Unable to locate", "aws sso login"),
    "no such bucket": (setting("bucket", '"absent-bucket-of-nobody"'), "bucket",
                       "absent-bucket-of-nobody", "waterflow profile show"),
    "bucket denied": (denied_bucket, "bucket", "AccessDenied", "sts get-caller-identity"),
    "no such role": (setting("role", f'"arn:aws:iam::{ACCOUNT}:role/absent"'), "role",
                     "there is no role", "`role`"),
    "role of others": (untrusting_role, "role", "does not let sagemaker.amazonaws.com assume it",
                       "aws iam update-assume-role-policy"),
    "scheduler's role of others": (untrusting_scheduler, "scheduler_role",
                                   "does not let scheduler.amazonaws.com assume it",
                                   "aws iam update-assume-role-policy"),
    "role of another account": (another_account, "role", "not of the account", "profile show"),
    "another Python": (setting("python", f'"{OTHER}"'), "image",
                       f"has Python {OTHER}, and this environment {HERE}",
                       f"Work in Python {OTHER}"),
    "Python not said": (lambda p, _: p.settings.pop("python"), "profile", "cannot be used",
                        'python = "'),
    "no such repository": (setting("image", f'"{REGISTRY}/absent:1"'), "image",
                           "there is no repository 'absent'", "aws ecr create-repository"),
    "no such secret": (absent_secret, "secret nowhere", "there is no secret 'nowhere'",
                       "aws secretsmanager create-secret --name nowhere"),
    "MLflow down": (absent_mlflow, "mlflow", "cannot be reached", "waterflow sync"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_told_with_the_way_out(project, monkeypatch, fault):
    make, name, finding, hint = fault
    make(project, monkeypatch)
    code, checks = project.examined()
    assert code == 3
    assert checks[name]["state"] == "broken"
    assert finding in checks[name]["found"], checks[name]
    assert hint in checks[name]["hint"], checks[name]
    broken = [key for key, one in checks.items() if one["state"] == "broken"]
    assert broken == [name], "nothing else is wrong"
