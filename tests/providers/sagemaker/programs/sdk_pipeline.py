"""A pipeline built and run with the sagemaker SDK v3: `python sdk_pipeline.py FOLDER`.

Processing by ScriptProcessor and FrameworkProcessor, training by ModelTrainer with the SDK's own
drivers, a condition over a property file, and registration or failure. Runs it down both branches
and prints one JSON line about what became of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError, WaiterError
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionIn,
    ConditionNot,
    ConditionOr,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import StepExceptionTypeEnum, StepRetryPolicy
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

BUCKET = "sagemaker-us-east-1-123456789012"
ROLE = "arn:aws:iam::123456789012:role/pipelines"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"
PREPARED = "/opt/ml/processing/prepared"
REPORTED = "/opt/ml/processing/reported"

PREPARE = f"""
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int)
rows = parser.parse_args().rows
raw = pathlib.Path("/opt/ml/processing/input/raw/raw.txt").read_text()
pathlib.Path("{PREPARED}/data.txt").write_text(raw * rows)
"""

TRAIN = """
import json, os, pathlib
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "data.txt").read_text()
depth = json.loads(os.environ["SM_HPS"])["depth"]
model = {"letters": len(data), "depth": depth}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
"""

EVALUATE = f"""
import json, pathlib, tarfile
import scores
with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    model = json.load(archive.extractfile("model.json"))
report = {{"metrics": {{"score": {{"value": scores.score(model)}}}}}}
pathlib.Path("{REPORTED}/report.json").write_text(json.dumps(report))
"""

SCORES = """
def score(model):
    return model["letters"] / 100
"""


def output(name: str, folder: str) -> ProcessingOutput:
    uri = Join(on="/", values=[f"s3://{BUCKET}", ExecutionVariables.PIPELINE_EXECUTION_ID, name])
    place = ProcessingS3Output(s3_uri=uri, local_path=folder, s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=place)


def source(name: str, uri: object, folder: str) -> ProcessingInput:
    place = ProcessingS3Input(
        s3_uri=uri, local_path=folder, s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return ProcessingInput(input_name=name, s3_input=place)


def build(folder: Path, session: PipelineSession) -> Pipeline:
    scripts = {"prepare.py": PREPARE, "train.py": TRAIN, "evaluate.py": EVALUATE}
    for name, text in (scripts | {"scores.py": SCORES}).items():
        (folder / name).write_text(text)
    machine = ParameterString("machine", default_value="ml.m5.large")
    rows = ParameterInteger("rows", default_value=10)
    least = ParameterFloat("least", default_value=0.25)
    cache = CacheConfig(enable_caching=True, expire_after="P30D")
    common = {"role": ROLE, "instance_count": 1, "sagemaker_session": session}
    prepare = ProcessingStep(
        "prepare",
        step_args=ScriptProcessor(
            image_uri=IMAGE, command=["python3"], instance_type=machine, **common
        ).run(
            code=str(folder / "prepare.py"),
            arguments=["--rows", rows.to_string()],
            inputs=[source("raw", f"s3://{BUCKET}/raw", "/opt/ml/processing/input/raw")],
            outputs=[output("prepared", PREPARED)],
        ),
        cache_config=cache,
        retry_policies=[
            StepRetryPolicy(
                exception_types=[StepExceptionTypeEnum.THROTTLING],
                max_attempts=3,
            )
        ],
    )
    data = prepare.properties.ProcessingOutputConfig.Outputs["prepared"].S3Output.S3Uri
    train = TrainingStep(
        "train",
        step_args=ModelTrainer(
            training_image=IMAGE,
            role=ROLE,
            sagemaker_session=session,
            source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
            compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
            base_job_name="train",
            hyperparameters={"depth": 3},
        ).train(input_data_config=[InputData(channel_name="train", data_source=data)]),
    )
    model = train.properties.ModelArtifacts.S3ModelArtifacts
    report = PropertyFile(name="report", output_name="reported", path="report.json")
    evaluate = ProcessingStep(
        "evaluate",
        step_args=FrameworkProcessor(
            image_uri=IMAGE, command=["python3"], instance_type="ml.m5.large", **common
        ).run(
            code="evaluate.py",
            source_dir=str(folder),
            inputs=[source("model", model, "/opt/ml/processing/model")],
            outputs=[output("reported", REPORTED)],
        ),
        property_files=[report],
    )
    builder = ModelBuilder(
        image_uri=IMAGE, s3_model_data_url=model, role_arn=ROLE, sagemaker_session=session
    )
    register = ModelStep(
        name="register",
        step_args=builder.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="letters",
            approval_status="Approved",
        ),
    )
    fail = FailStep("fail", error_message=Join(on=" ", values=["score below", least]))
    score = JsonGet(step_name="evaluate", property_file=report, json_path="metrics.score['value']")
    gate = ConditionStep(
        "gate",
        conditions=[
            ConditionGreaterThanOrEqualTo(score, least),
            ConditionNot(ConditionIn(machine, ["ml.m4.xlarge"])),
            ConditionOr([ConditionIn(rows, [1, 10]), ConditionIn(machine, ["ml.m5.large"])]),
        ],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name="letters",
        parameters=[machine, rows, least],
        steps=[prepare, train, evaluate, gate],
        sagemaker_session=session,
    )


def meanings(session: PipelineSession) -> dict[str, object]:
    """What the service makes of values, of a failure without words, and of waiting for one."""
    text, number = ParameterString("text", default_value="1"), ParameterInteger("number", 3)
    compared = ConditionStep(
        "compared", conditions=[ConditionGreaterThan(left=text, right=number.to_string())]
    )
    words = Join(on=" ", values=[text, number, compared.properties.Outcome.to_string()])
    one = Pipeline(
        name="meanings",
        parameters=[text, number],
        steps=[compared, FailStep("said", error_message=words)],
        sagemaker_session=session,
    )
    silent = ConditionStep(
        "silent", conditions=[ConditionEquals(1, 2)], else_steps=[FailStep("unsaid")]
    )
    other = Pipeline(name="silence", steps=[silent], sagemaker_session=session)
    failures: list[object] = []
    for pipeline, values in ((one, {}), (one, {"number": 0}), (other, {})):
        if not values:
            pipeline.create(role_arn=ROLE)
        execution = pipeline.start(parameters=values)
        try:
            execution.wait(delay=0.1, max_attempts=600)
        except WaiterError:
            failures.append(execution.list_steps()[0])
    after = ConditionStep("after", conditions=[ConditionEquals(1, 1)], depends_on=["said"])
    never = Pipeline(name="never", steps=[FailStep("said", "no"), after], sagemaker_session=session)
    refusals: list[str] = []
    for call in (
        lambda: never.create(role_arn=ROLE),
        lambda: one.start(parameters={"text": ""}),
    ):
        try:
            call()
        except ClientError as error:
            refusals.append(str(error))
    return {"failures": failures, "refusals": refusals}


def main() -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="raw/raw.txt", Body=b"abc")
    session = PipelineSession(boto_session=boto3.Session(), default_bucket=BUCKET)
    pipeline = build(Path(sys.argv[1]), session)
    pipeline.upsert(role_arn=ROLE)
    executions = []
    for least in (0.25, 0.75):
        execution = pipeline.start(parameters={"least": least})
        try:
            execution.wait(delay=0.1, max_attempts=600)
        except WaiterError:
            assert least > 0.5, execution.describe()
        executions.append({"execution": execution.describe(), "steps": execution.list_steps()})
    # The same name again is an update; of one step, since the SDK is slow to write a definition.
    Pipeline(name="letters", steps=[FailStep("fail", "no")], sagemaker_session=session).upsert(
        role_arn=ROLE
    )
    packages = boto3.client("sagemaker").list_model_packages(ModelPackageGroupName="letters")
    summary = {
        "runs": executions,
        "versions": pipeline.list_pipeline_versions()["PipelineVersionSummaries"],
        "packages": packages["ModelPackageSummaryList"],
        "meanings": meanings(session),
    }
    print(json.dumps(summary, default=str))


if __name__ == "__main__":
    main()
