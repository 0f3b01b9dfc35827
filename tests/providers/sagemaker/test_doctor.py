"""`waterflow doctor` with a profile of SageMaker: each fault is made, and told with the way out."""

from __future__ import annotations

import json
import re
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from tests.providers.sagemaker.calls import held
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
            "prefix": '"waterflow"',
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
        name, arn = answer["Role"]["RoleName"], answer["Role"]["Arn"]
        self.aws("iam").attach_role_policy(
            RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        )
        self.allow(
            name,
            ("Allow", ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{self.aws.bucket}/*"),
            ("Allow", ["s3:ListBucket"], f"arn:aws:s3:::{self.aws.bucket}"),
        )
        return arn

    def allow(self, role, *statements):
        """Give a role its only inline policy."""
        keys = ("Effect", "Action", "Resource", "Condition")
        policy = {
            "Version": "2012-10-17",
            "Statement": [dict(zip(keys, one, strict=False)) for one in statements],
        }
        self.aws("iam").put_role_policy(
            RoleName=role, PolicyName="own", PolicyDocument=json.dumps(policy)
        )

    @property
    def role(self):
        return self.settings["role"].strip('"').rpartition("/")[2]

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


def test_a_profile_whose_things_are_all_there_is_well(project, calls):
    with held(calls, foreign=re.compile("role/waterflow-test")) as called:
        code, checks = project.examined()
    assert called, "the emulator has recorded nothing"
    assert code == 0, checks
    cloud = {"credentials", "bucket", "role", "image", f"secret {project.secret}", "mlflow",
             "passing the role", "the role's rights"}  # fmt: skip
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


def denied_jobs(project, _monkeypatch):
    project.allow(project.role, ("Deny", "sagemaker:CreateTrainingJob", "*"),
                  ("Allow", "s3:*", "*"))  # fmt: skip


def unpassable_role(project, monkeypatch):
    """Whoever asks has assumed a role that may hand no role on."""
    caller = project.make_role("sagemaker.amazonaws.com").rpartition("/")[2]
    project.allow(caller, ("Deny", "iam:PassRole", "*"))
    session = project.aws("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{caller}", RoleSessionName="doctor"
    )["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])


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
    "role that may run no jobs": (denied_jobs, "the role's rights",
                                  "is not allowed sagemaker:CreateTrainingJob on ",
                                  "waterflow plan TARGET --permissions"),
    "role that nobody may hand on": (unpassable_role, "passing the role", "may not hand ",
                                     "iam:PassRole"),
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


KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1a2b3c4d"
HOLDING = {
    "ForAllValues:StringLike": {"sagemaker:InstanceTypes": ["ml.m5.*"]},
    "ForAllValues:StringEquals": {
        "sagemaker:VpcSubnets": ["subnet-1"],
        "sagemaker:VpcSecurityGroupIds": ["sg-1"],
    },
    "Null": {"sagemaker:VpcSubnets": "false", "sagemaker:VpcSecurityGroupIds": "false"},
    "ArnEqualsIfExists": {"sagemaker:OutputKmsKey": KEY, "sagemaker:VolumeKmsKey": KEY},
    "Bool": {
        "sagemaker:InterContainerTrafficEncryption": "true",
        "sagemaker:NetworkIsolation": "true",
    },
}
"""What a role can be held to, as that of the landing zone is to its names, network and key."""
WITHIN = {
    "machines": '["ml.m5.large"]',
    "subnets": '["subnet-1"]',
    "security_groups": '["sg-1"]',
    "kms_key": f'"{KEY}"',
    "encrypt_traffic": "true",
    "network_isolation": "true",
}
BEYOND = {
    "nothing": {},
    "machines": {"machines": '["ml.c5.xlarge"]'},
    "subnets": {"subnets": '["subnet-1", "subnet-2"]'},
    "no network": {"subnets": "[]", "security_groups": "[]"},
    "key": {"kms_key": f'"{KEY}5e6f"'},
    "traffic": {"encrypt_traffic": "false"},
    "isolation": {"network_isolation": "false"},
}


@pytest.mark.parametrize("beyond", BEYOND.values(), ids=BEYOND.keys())
def test_a_role_is_examined_as_runs_of_the_profile_use_it(project, beyond):
    bucket, jobs = f"arn:aws:s3:::{project.aws.bucket}", f"arn:aws:sagemaker:*:{ACCOUNT}"
    kinds = ("Processing", "Training")
    names = [f"{jobs}:{kind.lower()}-job/pipelines-*" for kind in kinds]
    starts = [f"sagemaker:Create{kind}Job" for kind in kinds]
    project.aws("iam").detach_role_policy(
        RoleName=project.role, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    )
    project.allow(
        project.role,
        ("Allow", "s3:ListBucket", bucket, {"StringLike": {"s3:prefix": "waterflow/*"}}),
        ("Allow", ["s3:GetObject", "s3:PutObject"], f"{bucket}/waterflow/*"),
        ("Allow", starts, names, HOLDING),
        ("Allow", [f"sagemaker:Describe{kind}Job" for kind in kinds], names),
        ("Allow", "iam:PassRole", "*"),
        ("Allow", "logs:*", f"arn:aws:logs:*:{ACCOUNT}:log-group:/aws/sagemaker/*"),
    )
    project.settings |= WITHIN | beyond
    code, checks = project.examined()
    said = checks["the role's rights"]
    assert (code, said["state"]) == ((3, "broken") if beyond else (0, "ok")), said
    if beyond:
        assert re.findall(r"(\w+:\w+) on arn", said["found"]) == starts, "and nothing else"


def test_rights_that_a_bucket_s_policy_may_give_are_a_warning(project):
    project.allow(project.role, ("Allow", "s3:ListBucket", "*"))
    code, checks = project.examined()
    assert code == 0, checks
    check = checks["the role's rights"]
    assert check["state"] == "warning"
    assert f"s3:GetObject, s3:PutObject on arn:aws:s3:::{project.aws.bucket}/" in check["found"]
    assert "unless the bucket's own policy allows it" in check["found"]


class _Refusing(BaseHTTPRequestHandler):
    """IAM for somebody who may see the role, and may not ask the simulator."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"Action=SimulatePrincipalPolicy" not in body:
            request = urllib.request.Request(
                self.server.emulator, body, {name: self.headers[name] for name in self.headers}
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as one:
                status, answer = one.status, one.read()
        else:
            text = "<Code>AccessDenied</Code><Message>not authorized to perform</Message>"
            status, answer = 403, f"<ErrorResponse><Error>{text}</Error></ErrorResponse>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_who_may_not_ask_the_simulator_is_told_so(project, emulator, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.emulator = emulator.endpoint
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", f"http://127.0.0.1:{server.server_port}")
    try:
        code, checks = project.examined()
    finally:
        server.shutdown()
        server.server_close()
    assert code == 0, checks
    assert checks["role"]["state"] == "ok"
    for name in ("passing the role", "the role's rights"):
        assert checks[name]["state"] == "warning"
        assert "may not ask IAM's simulator" in checks[name]["found"]
        assert "iam:SimulatePrincipalPolicy" in checks[name]["hint"]
