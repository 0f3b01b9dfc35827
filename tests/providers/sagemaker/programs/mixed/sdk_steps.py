"""Steps built with the sagemaker SDK v3, as its users build them."""

import boto3
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode, StoppingCondition

BUCKET = "sagemaker-us-east-1-123456789012"
ROLE = "arn:aws:iam::123456789012:role/pipelines"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"
ELSEWHERE = f"s3://{BUCKET}/given-by-waterflow"


def session() -> PipelineSession:
    """Return a session that makes no calls but to upload code."""
    return PipelineSession(boto_session=boto3.Session(), default_bucket=BUCKET)


def prepare_step(folder: str, **more: object) -> ProcessingStep:
    """Return a processing step with two outputs."""
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        instance_type="ml.m5.large",
        instance_count=1,
        role=ROLE,
        env={"NOTE": "noted"},
        sagemaker_session=session(),
    )
    taken = ProcessingS3Input(
        s3_uri=ELSEWHERE,
        local_path="/opt/ml/processing/input",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    )
    arguments = processor.run(
        code=f"{folder}/prepare.py",
        arguments=["--times", "{parameters.times}"],
        inputs=[ProcessingInput(input_name="letters", s3_input=taken)],
        outputs=[
            ProcessingOutput(
                output_name=name,
                s3_output=ProcessingS3Output(
                    s3_uri=f"s3://{BUCKET}/out",
                    local_path=f"/opt/ml/processing/{name}",
                    s3_upload_mode="EndOfJob",
                ),
            )
            for name in ("prepared", "notes")
        ],
    )
    return ProcessingStep("prepare", step_args=arguments, **more)


def learn_step(folder: str, **more: object) -> TrainingStep:
    """Return a training step that SDK's own driver starts."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        sagemaker_session=session(),
        source_code=SourceCode(source_dir=folder, entry_script="learn.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        base_job_name="learn",
        environment={"DEPTH": "3"},
        **more,
    )
    data = InputData(channel_name="train", data_source=ELSEWHERE)
    return TrainingStep(
        "learn",
        step_args=trainer.train(input_data_config=[data]),
        cache_config=CacheConfig(enable_caching=True, expire_after="P30D"),
    )
