"""Prints a pipeline definition that the sagemaker SDK built: processing, training, branches."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp())
(FOLDER / "config.yaml").write_text(
    "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
)
(FOLDER / "script.py").write_text("print(1)\n")
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_EC2_METADATA_DISABLED="true",
    SAGEMAKER_USER_CONFIG_OVERRIDE=str(FOLDER / "config.yaml"),
    SAGEMAKER_VALIDATE_ROLE="false",
)

import boto3  # noqa: E402 - reads the environment
from moto import mock_aws  # noqa: E402
from sagemaker.core.processing import ScriptProcessor  # noqa: E402
from sagemaker.core.shapes import (  # noqa: E402
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.workflow import conditions, parameters  # noqa: E402
from sagemaker.core.workflow.execution_variables import ExecutionVariables  # noqa: E402
from sagemaker.core.workflow.functions import Join, JsonGet  # noqa: E402
from sagemaker.core.workflow.pipeline_context import PipelineSession  # noqa: E402
from sagemaker.core.workflow.properties import PropertyFile  # noqa: E402
from sagemaker.mlops.workflow import retry  # noqa: E402
from sagemaker.mlops.workflow.condition_step import ConditionStep  # noqa: E402
from sagemaker.mlops.workflow.fail_step import FailStep  # noqa: E402
from sagemaker.mlops.workflow.model_step import ModelStep  # noqa: E402
from sagemaker.mlops.workflow.pipeline import Pipeline  # noqa: E402
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep  # noqa: E402
from sagemaker.serve import ModelBuilder  # noqa: E402
from sagemaker.train import ModelTrainer  # noqa: E402
from sagemaker.train.configs import Compute, InputData, SourceCode  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/image:1"


def main() -> None:
    boto3.client("s3").create_bucket(
        Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    session = PipelineSession(
        boto_session=boto3.Session(region_name="eu-west-1"), default_bucket="bucket"
    )
    machine = parameters.ParameterString("machine", default_value="ml.m5.large")
    count = parameters.ParameterInteger("count", default_value=1)
    least = parameters.ParameterFloat("least", default_value=0.5)
    cache = CacheConfig(enable_caching=True, expire_after="P30D")
    report = PropertyFile(name="report", output_name="out", path="report.json")
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        role=ROLE,
        instance_type=machine,
        instance_count=count,
        sagemaker_session=session,
    )
    letters = ProcessingS3Input(
        s3_uri="s3://bucket/data",
        local_path="/opt/ml/processing/input/data",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    )
    output = ProcessingS3Output(
        s3_uri=Join(on="/", values=["s3://bucket", ExecutionVariables.PIPELINE_EXECUTION_ID]),
        local_path="/opt/ml/processing/output",
        s3_upload_mode="EndOfJob",
    )
    prepare = ProcessingStep(
        "prepare",
        step_args=processor.run(
            code=str(FOLDER / "script.py"),
            arguments=["--count", count.to_string()],
            inputs=[ProcessingInput(input_name="data", s3_input=letters)],
            outputs=[ProcessingOutput(output_name="out", s3_output=output)],
        ),
        property_files=[report],
        cache_config=cache,
        retry_policies=[
            retry.StepRetryPolicy([retry.StepExceptionTypeEnum.THROTTLING], max_attempts=3),
            retry.SageMakerJobStepRetryPolicy(
                [retry.SageMakerJobExceptionTypeEnum.CAPACITY_ERROR], expire_after_mins=60
            ),
        ],
    )
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        sagemaker_session=session,
        source_code=SourceCode(source_dir=str(FOLDER), entry_script="script.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        base_job_name="train",
        hyperparameters={"depth": "3"},
    )
    source = prepare.properties.ProcessingOutputConfig.Outputs["out"].S3Output.S3Uri
    train = TrainingStep(
        "train",
        step_args=trainer.train(
            input_data_config=[InputData(channel_name="train", data_source=source)]
        ),
        cache_config=cache,
    )
    builder = ModelBuilder(
        image_uri=IMAGE,
        role_arn=ROLE,
        sagemaker_session=session,
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
    )
    register = ModelStep(
        name="register",
        step_args=builder.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="group",
            approval_status="Approved",
        ),
    )
    fail = FailStep(
        "fail", error_message=Join(on=" ", values=["bad", ExecutionVariables.PIPELINE_NAME])
    )
    auc = JsonGet(step_name="prepare", property_file=report, json_path="auc")
    gate = ConditionStep(
        "gate",
        conditions=[
            conditions.ConditionGreaterThanOrEqualTo(auc, least),
            conditions.ConditionNot(conditions.ConditionEquals(machine, "ml.m4.xlarge")),
            conditions.ConditionOr([conditions.ConditionIn(count, [1, 2])]),
        ],
        if_steps=[train, register],
        else_steps=[fail],
    )
    pipeline = Pipeline(
        name="pipe",
        parameters=[machine, count, least],
        steps=[prepare, gate],
        sagemaker_session=session,
    )
    print(pipeline.definition())


with mock_aws():
    main()
