"""Steps that use MLflow as a script does: runs within runs, the registry, a search."""

from typing import Any

import mlflow
import mlflow.artifacts
import numpy as np

import waterflow as wf

ROWS = np.array([[0.0], [1.0], [2.0]])


@wf.step(cpu=0.2)
def sweep(depths: int) -> int:
    """Try something with several values, each in a run of its own; one has a run within it."""
    mlflow.log_param("kind", "sweep")
    for depth in range(depths):
        with mlflow.start_run(nested=True, run_name=f"depth-{depth}"):
            mlflow.log_param("depth", depth)
            mlflow.log_metric("loss", 1 / (depth + 1))
            mlflow.log_text(f"of {depth}", "notes/depth.txt")
            mlflow.set_tag("swept", "yes")
            if depth == 0:
                with mlflow.start_run(nested=True, run_name="inner"):
                    mlflow.log_param("depth", "inner")
    mlflow.end_run()
    with mlflow.start_run(run_name="afterwards"):
        mlflow.log_param("kind", "afterwards")
    wf.log_metrics({"tried": depths})
    return depths


@wf.step(cpu=0.2, cache=False)
def keep(name: str) -> list[Any]:
    """Register a model in each way, and read it from the registry."""
    from mlflow import sklearn as flavour  # pyright: ignore[reportPrivateImportUsage]
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(ROWS, ROWS[:, 0] * 2)
    pins = ["scikit-learn"]
    logged = flavour.log_model(
        model, name="logged", registered_model_name=name, pip_requirements=pins
    )
    mlflow.register_model(logged.model_uri, name)
    with mlflow.start_run(nested=True, run_name="saving") as run:
        flavour.save_model(model, "saved", pip_requirements=pins)
        mlflow.log_artifacts("saved", "saved")
    mlflow.register_model(f"runs:/{run.info.run_id}/saved", name)
    mlflow.register_model("saved", name)
    from mlflow import pyfunc

    client = mlflow.MlflowClient()
    client.set_registered_model_alias(name, "best", "2")
    uris = [*(f"models:/{name}/{version}" for version in range(1, 5)), f"models:/{name}@best"]
    loaded: Any = [pyfunc.load_model(uri).predict(ROWS) for uri in uris]
    return [[round(float(number), 6) for number in numbers] for numbers in loaded]


@wf.step(cpu=0.2, cache=False)
def look(name: str) -> dict[str, Any]:
    """Return what the store has of other runs, and of this one."""
    from mlflow import pyfunc

    mlflow.log_metric("loss", 0.25)
    swept: Any = mlflow.search_runs(
        filter_string="tags.swept = 'yes'", order_by=["metrics.loss DESC"], output_format="list"
    )
    best: Any = mlflow.search_runs(
        filter_string="metrics.loss > 0", order_by=["metrics.loss ASC"], max_results=1,
        output_format="list",
    )  # fmt: skip
    return {
        "swept": [[run.info.run_name, run.data.params["depth"]] for run in swept],
        "best": [run.info.run_name for run in best],
        "note": mlflow.artifacts.load_text(f"{swept[0].info.artifact_uri}/notes/depth.txt"),
        "again": mlflow.get_run(swept[0].info.run_id).data.metrics["loss"],
        "model": len(pyfunc.load_model(f"models:/{name}/1").predict(ROWS)),
    }
