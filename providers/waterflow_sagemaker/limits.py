"""SageMaker's limits: the one table that compiling, checks, plans and the emulator read."""

from __future__ import annotations

from typing import Final

from waterflow.cloud.limits import Bound


def _api(what: str, most: int, unit: str, page: str) -> Bound:
    source = f"https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_{page}.html"
    return Bound(what=what, most=most, unit=unit, source=source)


def _quota(what: str, most: int, unit: str) -> Bound:
    source = "https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"
    return Bound(what=what, most=most, unit=unit, source=source)


def _scheduler(what: str, most: int, unit: str, page: str) -> Bound:
    source = f"https://docs.aws.amazon.com/scheduler/latest/APIReference/API_{page}.html"
    return Bound(what=what, most=most, unit=unit, source=source)


def _pipelines(what: str, most: int, unit: str, page: str) -> Bound:
    source = f"https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-{page}.html"
    return Bound(what=what, most=most, unit=unit, source=source)


def _tagging(what: str, most: int, unit: str) -> Bound:
    source = (
        "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"
    )
    return Bound(what=what, most=most, unit=unit, source=source)


# fmt: off
DEFINITION: Final = _api("bytes of the definition", 1_048_576, "byte", "CreatePipeline")
DESCRIPTION: Final = _api("a pipeline's description", 3072, "character", "CreatePipeline")
PIPELINE_NAME: Final = _api("a pipeline's name", 256, "character", "CreatePipeline")
EXECUTION_DESCRIPTION: Final = _api(
    "an execution's description", 3072, "character", "StartPipelineExecution"
)
DISPLAY_NAME: Final = _api(
    "an execution's display name", 82, "character", "StartPipelineExecution"
)
PARAMETERS: Final = _quota("parameters", 200, "parameter")
STEP_NAME: Final = _api("a step's name", 64, "character", "PipelineExecutionStep")
EXPERIMENT_NAME: Final = _api("an experiment's name", 120, "character", "CreateExperiment")
ARGUMENTS: Final = _api("arguments of a job", 100, "argument", "AppSpecification")
ARGUMENT: Final = _api("an argument", 256, "character", "AppSpecification")
IMAGE: Final = _api("an image's name", 255, "character", "AppSpecification")
VARIABLES: Final = _api("environment variables", 100, "variable", "CreateProcessingJob")
INPUTS: Final = _api("inputs of a processing job", 10, "input", "CreateProcessingJob")
OUTPUTS: Final = _api("outputs of a processing job", 10, "output", "ProcessingOutputConfig")
CHANNELS: Final = _api("channels of a training job", 20, "channel", "CreateTrainingJob")
METRICS: Final = _api("metrics of a training job", 40, "metric", "AlgorithmSpecification")
EXPRESSION: Final = _api("a metric's expression", 500, "character", "MetricDefinition")
VOLUME: Final = _api("a volume", 16_384, "GiB", "ProcessingClusterConfig")
SUBNETS: Final = _api("subnets of a job", 16, "subnet", "VpcConfig")
SECURITY_GROUPS: Final = _api("security groups of a job", 5, "group", "VpcConfig")
INSTANCES: Final = _quota("instances of a job, by default", 20, "instance")
PROCESSING_SECONDS: Final = _quota("seconds of a processing job", 5 * 86_400, "second")
TRAINING_SECONDS: Final = _quota("seconds of a training job", 28 * 86_400, "second")
SCHEDULE_NAME: Final = _scheduler("a schedule's name", 64, "character", "CreateSchedule")
TAGS: Final = _tagging("tags of a resource", 50, "tag")
TAG_KEY: Final = _tagging("a tag's key", 128, "character")
TAG_VALUE: Final = _tagging("a tag's value", 256, "character")
# fmt: on

PARAMETER: Final = _api("a parameter's value", 1024, "character", "Parameter")
RETRIES: Final = {
    "IntervalSeconds": _pipelines("seconds before a retry", 43_200, "second", "retry-policy"),
    "MaxAttempts": _pipelines("retries of a step", 20, "retry", "retry-policy"),
    "ExpireAfterMin": _pipelines("minutes of a step's retries", 14_400, "minute", "retry-policy"),
}
"""Member of a retry policy -> its bound; the least of each is 0, "never retried"."""
VARIABLE: Final = {
    "processing": _api("a variable", 256, "character", "CreateProcessingJob"),
    "training": _api("a variable", 512, "character", "CreateTrainingJob"),
}
"""Kind of job -> how long the value of an environment variable may be."""
SECONDS: Final = {"processing": PROCESSING_SECONDS, "training": TRAINING_SECONDS}
"""Kind of job -> how long it may run."""
MOUNTS: Final = {"processing": INPUTS, "training": CHANNELS}
"""Kind of job -> how many inputs it may have."""
