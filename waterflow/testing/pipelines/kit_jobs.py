"""Steps that look at the job around them, and steps that track."""

import hashlib
import os
from pathlib import Path
from typing import Any

import waterflow as wf


@wf.step(env={"GREETING": "hello", "EMPTY": ""}, requirements=["pandas>=1"])
def surroundings() -> dict[str, Any]:
    """Tell what the environment holds."""
    return {
        "greeting": os.environ.get("GREETING"),
        "empty": os.environ.get("EMPTY"),
        "foreign": os.environ.get("MLFLOW_S3_ENDPOINT_URL"),
        "experiment": os.environ.get("MLFLOW_EXPERIMENT_NAME"),
    }


@wf.step(secrets={"TOKEN": wf.secret("conformance-token")})
def secretive() -> str:
    """Return a digest by which a test knows that the secret was here."""
    return hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest()


@wf.step(metrics={"printed": r"printed=(\S+)", "absent": "never=(.)"})
def track() -> None:
    """Track in both ways, and by what is printed."""
    import mlflow

    for epoch in range(3):
        wf.log_metrics({"curve": epoch / 4}, step=epoch)
        print(f"epoch {epoch}: printed={epoch / 8}")
    print("printed=nothing")
    os.write(2, b"at last: printed=1e2")
    Path("note.txt").write_text("kept")
    wf.log_artifact("note.txt", "notes")
    mlflow.log_metric("plain_metric", 0.25, step=7)
    mlflow.log_param("plain_param", "of the step")
    mlflow.set_tag("plain_tag", "tagged")
