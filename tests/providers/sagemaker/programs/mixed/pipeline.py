"""A pipeline of Waterflow that holds steps built with the sagemaker SDK."""

from pathlib import Path

from pipelines.mixed.sdk_steps import learn_step, prepare_step
from pipelines.mixed.steps import report, write
from waterflow_sagemaker import sdk

import waterflow as wf

FOLDER = str(Path(__file__).parent)


@wf.pipeline
def mixed(letters: str = "abc", times: int = 4) -> None:
    """Count letters in a roundabout way."""
    prepared = sdk.step(
        prepare_step(FOLDER), inputs={"letters": write(letters)}, parameters={"times": times}
    )
    learned = sdk.step(learn_step(FOLDER), inputs={"train": prepared["prepared"]})
    report(learned["model"], prepared["notes"])
