"""`waterflow emulate sagemaker`, as a user types it in an empty folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulate_verb import answers, emulate, entry, exported, started

__all__ = ["started"]

CLIENT = """
import boto3, sys
s3 = boto3.client("s3")
s3.create_bucket(Bucket="mine")
print(s3.list_buckets()["Buckets"][0]["Name"], boto3.client("sts").get_caller_identity()["Account"])
sys.exit(3)
"""


def test_a_command_finds_the_emulator_and_gives_its_exit_code(tmp_path):
    outside = os.environ | {
        "AWS_PROFILE": "mine",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SESSION_TOKEN": "x",
    }
    done = emulate("sagemaker", "--", sys.executable, "-c", CLIENT, cwd=tmp_path, env=outside)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "mine 123456789012\n"
    assert "/opt/ml" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_export_lines_are_for_a_shell(started):
    variables = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE")
    _, (endpoint, region, profile) = exported(started("sagemaker"), *variables, AWS_PROFILE="mine")
    assert endpoint.startswith("http://127.0.0.1:")
    assert (region, profile) == ("us-east-1", "")


def test_it_ends_with_the_verb_even_when_that_is_killed(started, eventually):
    process = started("sagemaker", "--json")
    api = f"{entry(process, 'endpoint')}/"
    folder = Path(entry(process, "SAGEMAKER_USER_CONFIG_OVERRIDE")).parent
    assert answers(api)
    assert folder.is_dir()
    process.kill()
    process.wait(300)
    eventually(lambda: not answers(api))
    eventually(lambda: not folder.exists())


def test_the_state_is_kept_between_two_commands(tmp_path):
    write = "import boto3; boto3.client('s3').create_bucket(Bucket='kept')"
    read = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"
    for program, said in ((write, ""), (read, "kept\n")):
        done = emulate(
            "sagemaker", "--state", "state", "--", sys.executable, "-c", program, cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (0, said), done.stderr


def test_a_missing_library_names_the_command_that_installs_it(tmp_path):
    program = (
        "import importlib.util, sys; true = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'moto' else true(n, *a)\n"
        "from waterflow.cli import main; sys.argv = ['waterflow', 'emulate', 'sagemaker']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert 'pip install "waterflow[sagemaker,emulate]"' in done.stderr


PROFILES = """
[profiles.aws]
provider = "sagemaker"
region = "us-east-1"
role = "arn:aws:iam::123456789012:role/team/jobs"
bucket = "shop-waterflow"
image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/ml:1"
python = "3.11"
kms_key = "alias/shop"
scheduler_role = "arn:aws:iam::123456789012:role/scheduler"
[profiles.aws.steps.ingest]
role = "arn:aws:iam::123456789012:role/ingest"

[profiles.prod]
provider = "sagemaker"
region = "eu-central-1"
role = "arn:aws:iam::999999999999:role/jobs"
bucket = "prod-waterflow"

[profiles.half]
provider = "sagemaker"

[profiles.here]
provider = "local"
"""

LOOK = """
import boto3, json
ecr = boto3.client("ecr").describe_repositories()
names = [
    [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]],
    [one["Arn"] for one in boto3.client("iam").list_roles()["Roles"]],
    [one["AliasName"] for one in boto3.client("kms").list_aliases()["Aliases"]],
    [one["repositoryUri"] for one in ecr["repositories"]],
]
print(json.dumps([sorted(one) for one in names]))
role = "arn:aws:iam::123456789012:role/team/jobs"
decisions = boto3.client("iam").simulate_principal_policy(
    PolicySourceArn=role,
    ActionNames=["s3:PutObject", "sagemaker:CreateTrainingJob"],
    ResourceArns=["arn:aws:s3:::shop-waterflow/waterflow/x"],
)
print(boto3.client("sts").get_caller_identity()["Arn"],
      *(one["EvalDecision"] for one in decisions["EvaluationResults"]))
"""


def test_what_the_profiles_here_name_is_there(tmp_path):
    (tmp_path / "waterflow.toml").write_text(PROFILES)
    done = emulate("sagemaker", "--", sys.executable, "-c", LOOK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    role = "arn:aws:iam::123456789012:role"
    repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/ml"
    things, identity = done.stdout.splitlines()
    buckets, roles, aliases, repositories = json.loads(things)
    assert identity == ("arn:aws:sts::123456789012:assumed-role/jobs/SageMaker allowed allowed"), (
        "whoever works here has the first profile's role, which may use its bucket"
    )
    assert buckets == ["prod-waterflow", "shop-waterflow"]
    assert roles == [f"{role}/ingest", f"{role}/scheduler", f"{role}/team/jobs"]
    assert [one for one in aliases if not one.startswith("alias/aws/")] == ["alias/shop"]
    assert repositories == [repository]
    lines = [line for line in done.stderr.splitlines() if line.startswith("Made for profile")]
    assert lines == [
        "Made for profile 'aws': bucket shop-waterflow",
        f"Made for profile 'aws': role {role}/team/jobs",
        f"Made for profile 'aws': role {role}/ingest",
        f"Made for profile 'aws': scheduler's role {role}/scheduler",
        "Made for profile 'aws': key alias/shop",
        f"Made for profile 'aws': repository {repository}",
        "Made for profile 'prod': bucket prod-waterflow",
        "Made for profile 'prod': role arn:aws:iam::999999999999:role/jobs",
    ]
    assert "Nothing is made for profile 'half': " in done.stderr


def test_one_profile_can_be_chosen_and_its_bucket_is_made_once(tmp_path):
    (tmp_path / "waterflow.toml").write_text(PROFILES)
    program = (
        "import boto3, os; s3 = boto3.client('s3'); "
        "print([b['Name'] for b in s3.list_buckets()['Buckets']], os.environ['AWS_REGION'], "
        "s3.get_bucket_location(Bucket='prod-waterflow')['LocationConstraint'])"
    )
    command = ["sagemaker", "--profile", "prod", "--state", "state", "--", sys.executable, "-c"]
    for times in (1, 0):
        done = emulate(*command, program, cwd=tmp_path)
        place = "eu-central-1"  # the profile's
        assert done.stdout == f"['prod-waterflow'] {place} {place}\n", done.stderr
        assert done.stderr.count("bucket prod-waterflow") == times


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("here", "Profile 'here' is of provider 'local', and this is an emulator of 'sagemaker'"),
        ("gone", "There is no profile 'gone'"),
    ],
)
def test_a_profile_that_it_cannot_prepare_is_told(tmp_path, profile, said):
    (tmp_path / "waterflow.toml").write_text(PROFILES)
    done = emulate("sagemaker", "--profile", profile, "--", "true", cwd=tmp_path)
    assert done.returncode == 3
    assert said in done.stderr


def test_a_file_of_profiles_that_cannot_be_read_stops_nothing(tmp_path):
    (tmp_path / "waterflow.toml").write_text("not = [toml")
    done = emulate("sagemaker", "--", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Nothing is made for the profiles here: " in done.stderr


SDK = """
import pathlib
import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode

pathlib.Path("src").mkdir()
pathlib.Path("src/train.py").write_text('''
import os
import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
session = Session(boto3.Session(region_name=os.environ["AWS_REGION"]))
print("IN THE JOB", get_execution_role(session), os.environ["AWS_REGION"])
open(os.path.join(os.environ["SM_MODEL_DIR"], "m"), "w").write("model")
''')
print("BUCKET", Session().default_bucket())
ModelTrainer(
    training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1",
    source_code=SourceCode(source_dir="src", entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    role=get_execution_role(),
    base_job_name="sdk",
).train(wait=True, logs=True)
(job,) = boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
(said,) = boto3.client("logs").filter_log_events(
    logGroupName="/aws/sagemaker/TrainingJobs", filterPattern='"IN THE JOB" -print'
)["events"]
print(said["message"])
print("END", job["TrainingJobStatus"], job["TrainingJobArn"])
"""
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"


def test_the_sagemaker_sdk_trains_with_its_own_drivers(tmp_path):
    """In the region and by the role that it finds itself, which it checks; in the job too."""
    command = ["sagemaker", "--", sys.executable, "-W", "ignore", "-c", SDK]
    outside = os.environ | {"AWS_DEFAULT_REGION": "us-west-2"}
    done = emulate(*command, cwd=tmp_path, env=outside)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("END Completed arn:aws:sagemaker:us-west-2:123456789012:training-job/")
    assert "BUCKET sagemaker-us-west-2-123456789012" in done.stdout
    assert f"IN THE JOB {ROLE} us-west-2" in done.stdout
